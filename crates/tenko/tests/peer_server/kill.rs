//! `kill -9` under load, again and again.

use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::account::{all_is_told, prove};
use crate::home::Home;
use crate::load::{Sent, ping_until_it_dies};
use crate::node::until;

/// How many connections ping at once, each a job of its own.
const CONNECTIONS: usize = 8;
/// How often a node is killed, unless `TENKO_TEST_KILLS` says otherwise.
const KILLS: usize = 100;

fn kills() -> usize {
    std::env::var("TENKO_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap())
}

/// Starts a node, has it pinged, and kills it after a while.
fn round(home: &Home, number: usize) -> Vec<Sent> {
    let node = home.serve();
    let address = node.http;
    let pinging: Vec<_> = (0..CONNECTIONS)
        .map(|line| thread::spawn(move || ping_until_it_dies(address, &format!("r{number}-{line}"))))
        .collect();
    // At any moment: of its start, too.
    let [random, ..] = Uuid::new_v4().into_bytes();
    thread::sleep(Duration::from_millis(150 + 2 * u64::from(random)));
    drop(node);
    pinging.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
}

fn killed_again_and_again(home: &Home) {
    let began = Instant::now();
    let sent: Vec<Sent> = (0..kills()).flat_map(|number| round(home, number)).collect();
    home.end_claims();
    let node = home.serve();
    until("everything is told", || all_is_told(home));
    let figures = prove(home, &sent);
    node.stop();
    println!("{} kills in {:?}: {figures}", kills(), began.elapsed());
    assert!(figures.acknowledged > kills() * CONNECTIONS, "hardly any load: {figures}");
    assert!(figures.notices > kills(), "{figures}");
}

#[test]
#[ignore = "takes long; run by ./test"]
fn fault_2_a_node_on_sqlite_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    killed_again_and_again(&Home::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_2_a_node_on_postgres_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    killed_again_and_again(&Home::postgres());
}
