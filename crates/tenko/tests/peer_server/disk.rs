//! No room on the disk under the store of a server.

use std::time::Duration;

use crate::account::{all_is_told, prove};
use crate::home::Home;
use crate::load::{Nodes, Sent, keep_pinging};
use crate::node::until;

/// How many jobs are pinged at once.
const SENDERS: usize = 4;

#[test]
#[ignore = "needs root for a tmpfs; run by ./test"]
fn fault_3_on_a_full_disk_a_server_refuses_pings_and_hears_them_again_when_there_is_room() {
    let (home, disk) = Home::on_disk("48m");
    home.configure(
        &(0..SENDERS).map(|number| format!("[jobs.job-{number}]\nevery = \"1d\"\n")).collect::<String>(),
    );
    let mut node = home.serve();
    let nodes = Nodes::default();
    nodes.are([node.http]);
    let pinging: Vec<_> = (0..SENDERS)
        .map(|number| {
            let nodes = nodes.clone();
            std::thread::spawn(move || {
                keep_pinging(&nodes, 0, &format!("job-{number}"), Duration::from_secs(30))
            })
        })
        .collect();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(500));
        disk.fill();
        node.says("could not be stored");
        std::thread::sleep(Duration::from_secs(1));
        disk.make_room();
    }
    std::thread::sleep(Duration::from_secs(3));
    nodes.end();
    let sent: Vec<Sent> = pinging.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    assert!(node.runs(), "it has ended by itself");
    for pings in sent.chunk_by(|one, other| one.job == other.job) {
        assert!(pings.iter().any(|ping| ping.acknowledged.is_none()), "never refused: {}", pings[0].job);
        assert!(pings[pings.len() - 3].acknowledged.is_some(), "does not heal: {}", pings[0].job);
    }
    node.stop();
    // What was told while there was no room to note that, is told again when the claim has ended.
    home.end_claims();
    let node = home.serve();
    until("everything is told", || all_is_told(&home));
    println!("{}", prove(&home, &sent));
    node.stop();
}
