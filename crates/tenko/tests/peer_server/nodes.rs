//! Two and three nodes on one PostgreSQL: frozen, killed and cut off in turn, while all are pinged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use tenko_core::Verdict;
use tenko_store::testkit_postgres::Server;

use crate::account::{all_is_told, none_was_missed_that_had_answered, prove, prove_what_is_stored};
use crate::home::{Home, KEY};
use crate::load::{Nodes, Sent, keep_pinging};
use crate::node::{Node, until};
use crate::proxy::{Proxy, Weather};

/// How many jobs are pinged at once.
const SENDERS: usize = 9;
/// After so long without a word a sender turns to another node.
const PATIENCE: Duration = Duration::from_secs(1);
/// Within what each job has to be heard of: `every` and `grace`.
const SPAN: SignedDuration = SignedDuration::from_secs(4);

fn job(number: usize) -> String {
    format!("job-{number}")
}

/// Jobs that are due all the time, so that deadlines pass while somebody is cut off.
fn jobs() -> String {
    (0..SENDERS).map(|number| format!("[jobs.{}]\nevery = \"2s\"\ngrace = \"2s\"\n", job(number))).collect()
}

/// A node that reaches its database over a network of its own.
struct Member {
    url: String,
    proxy: Proxy,
    node: Node,
}

impl Member {
    fn of(home: &Home) -> Self {
        let url: url::Url = home.store.parse().unwrap();
        let database = SocketAddr::from(([127, 0, 0, 1], url.port().unwrap()));
        let proxy = Proxy::to(database);
        let url = home.store.replacen(&format!(":{}/", database.port()), &format!(":{}/", proxy.port), 1);
        let node = home.serve_by(&url);
        Self { url, proxy, node }
    }

    fn is_killed(&mut self, home: &Home) {
        self.node.tell(Signal::SIGKILL);
        thread::sleep(Duration::from_millis(500));
        self.node = home.serve_by(&self.url);
    }

    fn is_frozen(&self, length: Duration) {
        self.node.tell(Signal::SIGSTOP);
        thread::sleep(length);
        self.node.tell(Signal::SIGCONT);
    }

    fn is_cut_off(&self, weather: Weather, length: Duration) {
        self.proxy.be(weather);
        thread::sleep(length);
        self.proxy.be(Weather::Fair);
    }
}

/// Nodes, and whoever pings them.
struct Fleet {
    home: Home,
    members: Vec<Member>,
    nodes: Nodes,
    pinging: Vec<JoinHandle<Vec<Sent>>>,
}

impl Fleet {
    fn of(home: Home, count: usize) -> Self {
        home.configure(&jobs());
        let members: Vec<Member> = (0..count).map(|_| Member::of(&home)).collect();
        let mut fleet = Self { home, members, nodes: Nodes::default(), pinging: Vec::new() };
        fleet.tell_where_they_are();
        for number in 0..SENDERS {
            let nodes = fleet.nodes.clone();
            fleet.pinging.push(thread::spawn(move || keep_pinging(&nodes, number, &job(number), PATIENCE)));
        }
        fleet.go_on();
        fleet
    }

    fn tell_where_they_are(&self) {
        self.nodes.are(self.members.iter().map(|member| member.node.http));
    }

    /// As if nothing had happened, for a while.
    fn go_on(&self) {
        self.tell_where_they_are();
        thread::sleep(Duration::from_secs(1));
    }

    /// Everything that can happen to a node, to each of them.
    fn each_suffers(&mut self) {
        for number in 0..self.members.len() {
            let member = &mut self.members[number];
            member.is_frozen(Duration::from_secs(3));
            member.is_killed(&self.home);
            self.go_on();
            self.members[number].is_cut_off(Weather::Storm, Duration::from_secs(3));
            self.go_on();
            self.members[number].is_cut_off(Weather::Fog, Duration::from_secs(6));
            self.go_on();
        }
    }

    /// Nobody pings any more; gives what was sent.
    fn falls_silent(&mut self) -> Vec<Sent> {
        self.nodes.end();
        let pinging = std::mem::take(&mut self.pinging);
        let sent = pinging.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
        assert!(self.members.iter_mut().all(|member| member.node.runs()), "a node has ended by itself");
        sent
    }

    /// Nobody pings any more; all is told; then the account.
    fn end(mut self) {
        let sent = self.falls_silent();
        // All are missed in the end, and told to be.
        thread::sleep(Duration::from_secs(5));
        self.members.into_iter().for_each(|member| member.node.stop());
        self.home.end_claims();
        // Nobody is due any more.
        self.home.configure(&jobs().replace("2s", "10d"));
        let node = self.home.serve();
        until("everything is told", || all_is_told(&self.home));
        node.stop();
        let figures = prove(&self.home, &sent);
        let missed = none_was_missed_that_had_answered(&self.home, &sent, SPAN);
        println!("{figures}, of these missed: {missed}");
        assert!(figures.acknowledged > 200 && figures.notices > 20 && missed > 0, "{figures}");
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_44_of_three_nodes_each_is_frozen_killed_and_cut_off_and_all_is_decided_and_told_once() {
    let mut fleet = Fleet::of(Home::postgres(), 3);
    fleet.each_suffers();
    fleet.end();
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_17_two_nodes_whose_connections_are_cut_again_and_again_decide_and_tell_once() {
    let fleet = Fleet::of(Home::postgres(), 2);
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        thread::sleep(Duration::from_millis(150));
        fleet.home.cut_connections();
    }
    fleet.go_on();
    fleet.end();
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_17_two_nodes_whose_database_crashes_again_and_again_decide_and_tell_once() {
    let mut server = Server::start(&[]);
    let fleet = Fleet::of(Home::at(server.url()), 2);
    for _ in 0..3 {
        server.stop_immediately();
        thread::sleep(Duration::from_millis(300));
        server.start_again();
        fleet.go_on();
    }
    fleet.end();
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_47_a_node_that_is_cut_off_from_its_database_is_not_ready_and_calls_nobody_missed() {
    let home = Home::postgres();
    home.configure("[jobs.job]\nevery = \"5s\"\ngrace = \"10s\"\n");
    let mut member = Member::of(&home);
    let ping = |member: &Member| member.node.get(&format!("/ping/{KEY}/job"));
    assert!(ping(&member).starts_with("HTTP/1.1 200"));
    let ready = |member: &Member| member.node.get("/readyz").starts_with("HTTP/1.1 200");
    until("it is ready", || ready(&member));
    member.proxy.be(Weather::Storm);
    let began = Instant::now();
    assert!(ping(&member).starts_with("HTTP/1.1 503"));
    until("it is not ready any more", || !ready(&member));
    // Longer than the silence that makes a gap, and than the job may be silent.
    thread::sleep(Duration::from_secs(40).saturating_sub(began.elapsed()));
    member.proxy.be(Weather::Fair);
    until("it is ready again", || ready(&member));
    member.node.says("nobody heard pings for");
    assert!(ping(&member).starts_with("HTTP/1.1 200"));
    let kept = home.kept();
    let verdicts: Vec<_> = kept.jobs[0].flips().map(|flip| flip.new).collect();
    assert_eq!((verdicts, home.receiver.told()), (vec![Verdict::Up], Vec::new()));
    member.node.stop();
}

/// What is written to it from now on is lost when it is taken back.
fn copy_of(server: &Server) -> PathBuf {
    let copy = server.directory().join("copy");
    copy_all(&server.directory().join("data"), &copy);
    copy
}

fn copy_all(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn fault_20_after_a_failover_that_lost_commits_nodes_go_on_by_what_is_there() {
    let mut server = Server::start(&[]);
    let mut fleet = Fleet::of(Home::at(server.url()), 2);
    let before = Timestamp::now();
    thread::sleep(PATIENCE);
    server.stop_immediately();
    let copy = copy_of(&server);
    server.start_again();
    fleet.go_on();
    fleet.go_on();
    server.stop_immediately();
    std::fs::remove_dir_all(server.directory().join("data")).unwrap();
    copy_all(&copy, &server.directory().join("data"));
    let after = Timestamp::now();
    server.start_again();
    (0..4).for_each(|_| fleet.go_on());
    let mut sent = fleet.falls_silent();
    let acknowledged = sent.iter().filter(|ping| ping.acknowledged.is_some()).count();
    // Nobody can know of these.
    for ping in &mut sent {
        ping.acknowledged = ping.acknowledged.filter(|&at| at < before || at > after);
    }
    let (_, found) = prove_what_is_stored(&fleet.home, &sent);
    println!("{found} of {acknowledged} pings are left");
    let later = sent.iter().filter(|ping| ping.acknowledged.is_some_and(|at| at > after)).count();
    assert!(later > 50, "they did not go on: {later}");
}
