//! SIGKILL of `tenko` at any moment: what was acknowledged is there, nothing is corrupt, and the next call works.
//! Rows 1, 2 and 92 of docs/faults.md.

#![expect(clippy::print_stdout, reason = "the counts are figures that are asked for")]
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod cli_support;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cli_support::{ClosedPort, Place, files};
use uuid::Uuid;

/// How often each way of writing is killed.
const KILLS: usize = 55;

/// Numbers that are spread evenly, the same in every run: a Weyl sequence.
struct Spread(f64);

impl Spread {
    fn next(&mut self) -> f64 {
        self.0 = (self.0 + 0.618_033_988_749_895).fract();
        self.0
    }
}

/// One way of writing: a place, a store, and the arguments of a call.
struct Writing<'a> {
    place: &'a Place,
    store: &'a str,
    arguments: fn(&str) -> Vec<String>,
}

impl Writing<'_> {
    /// Calls `tenko`, and kills it after `delay` if it is still there. Each call in its own group, so that what `tenko`
    /// started goes too.
    fn call(&self, run: Uuid, delay: Duration) -> ExitStatus {
        let mut command = self.place.command((self.arguments)(&run.to_string()));
        command.env("TENKO_STORE", self.store).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap()
    }

    /// How long a call takes that nobody kills.
    fn length(&self) -> Duration {
        let mut lengths: Vec<Duration> = (0..5)
            .map(|_| {
                let mut command = self.place.command((self.arguments)(&Uuid::new_v4().to_string()));
                let began = Instant::now();
                assert!(command.env("TENKO_STORE", self.store).status().unwrap().success());
                began.elapsed()
            })
            .collect();
        lengths.sort();
        lengths[2]
    }

    /// Kills until it was done often enough; gives the runs that were acknowledged, and how many calls were killed.
    fn torment(&self) -> (BTreeSet<String>, usize) {
        let (length, mut spread) = (self.length(), Spread(0.5));
        let (mut acknowledged, mut killed) = (BTreeSet::new(), 0);
        for _ in 0..KILLS * 20 {
            let run = Uuid::new_v4();
            let status = self.call(run, length.mul_f64(1.5 * spread.next()));
            match (status.code(), status.signal()) {
                (Some(0), _) => drop(acknowledged.insert(run.to_string())),
                (None, Some(9)) => killed += 1,
                _ => panic!("{status}"),
            }
            if killed == KILLS {
                return (acknowledged, killed);
            }
        }
        panic!("only {killed} calls were killed");
    }
}

fn ping(run: &str) -> Vec<String> {
    ["ping", "job", "success", "--run-id", run, "-m", "here"].map(str::to_owned).to_vec()
}

fn run(run: &str) -> Vec<String> {
    ["run", "--job", "job", "--run-id", run, "--", "true"].map(str::to_owned).to_vec()
}

/// Every run that the store knows to have ended, after a roll call that finds nothing wrong.
fn known(place: &Place, store: &str) -> BTreeSet<String> {
    let call = |arguments: &[&str]| {
        let output = place.command(arguments).env("TENKO_STORE", store).output().unwrap();
        let seen = cli_support::Seen::of(output);
        assert!(matches!(seen.code, 0 | 1), "{seen:?}");
        assert_eq!(seen.err, "");
        seen.json()
    };
    let check = call(&["check", "--json"]);
    assert_eq!(check["warnings"].as_array().map(Vec::len), Some(0), "{check}");
    let log = call(&["log", "job", "--json", "-n", "100000"]);
    let ends = log.as_array().unwrap().iter().filter(|entry| entry["kind"] == "success");
    ends.map(|entry| entry["run"].as_str().unwrap().to_owned()).collect()
}

fn survives(store: &str, arguments: fn(&str) -> Vec<String>) {
    let place = Place::new();
    let store = store.replace("PLACE", place.path().to_str().unwrap());
    let (acknowledged, killed) = Writing { place: &place, store: &store, arguments }.torment();
    let known = known(&place, &store);
    let missing: Vec<_> = acknowledged.difference(&known).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), acknowledged.len());
    println!(
        "{}: {killed} killed, {} acknowledged, none missing, {} stored in all",
        store.split(':').next().unwrap(),
        acknowledged.len(),
        known.len()
    );
}

#[test]
fn fault_2_what_ping_acknowledged_is_in_sqlite() {
    survives("sqlite://PLACE/tenko.db", ping);
}

#[test]
fn fault_2_what_ping_acknowledged_is_in_a_directory() {
    survives("file://PLACE/store", ping);
}

#[test]
fn fault_2_what_run_acknowledged_is_in_sqlite() {
    survives("sqlite://PLACE/tenko.db", run);
}

#[test]
fn fault_2_what_run_acknowledged_is_in_a_directory() {
    survives("file://PLACE/store", run);
}

#[test]
fn fault_92_flush_that_is_killed_again_and_again_sends_everything() {
    let place = Place::new();
    let closed = ClosedPort::new();
    let unreachable =
        format!("s3://bucket/here?endpoint=http://127.0.0.1:{}&allow_http=true&region=r", closed.number());
    let runs: BTreeSet<String> = (0..60).map(|_| Uuid::new_v4().to_string()).collect();
    for run in &runs {
        let mut command = place.command(ping(run));
        command.args(["--report-timeout", "1s", "--store", &unreachable]);
        command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "key").stderr(Stdio::null());
        assert_eq!(command.status().unwrap().code(), Some(3));
    }
    assert_eq!(place.waiting(), runs.len());
    // The destination of a spool is what its file says, so it can be sent elsewhere.
    let store = format!("file://{}/store", place.path().display());
    for file in files(&place.state().join("spool")).iter().filter(|file| file.ends_with("url")) {
        std::fs::write(file, &store).unwrap();
    }
    let mut spread = Spread(0.5);
    let (mut killed, mut calls) = (0, 0);
    while place.waiting() > 0 && calls < 500 {
        calls += 1;
        let mut child = place.command(["flush"]).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(8).mul_f64(1.0 + 4.0 * spread.next()));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().signal() == Some(9));
    }
    assert_eq!((place.waiting(), known(&place, &store)), (0, runs));
    println!("flush: {killed} killed of {calls}, all sent once");
}
