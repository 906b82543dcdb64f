//! What a roll call asks of a bucket, counted: the figures that `tenko aws cost` reckons with.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Kind, RunId, Slug};
use tenko_store::layout::{self, EvidenceKey};
use tenko_store::testkit_s3::{Ask, Key, TestS3};
use uuid::Uuid;

const JOBS: u64 = 500;
const PIECES: u64 = 10_000;

/// What was asked since the last time: LIST, GET, HEAD, PUT.
fn asked(server: &TestS3) -> [u64; 4] {
    let counts = [Ask::List, Ask::Get, Ask::Head, Ask::Put].map(|ask| server.count(ask));
    server.reset_counts();
    counts
}

/// Evidence of all jobs in turn, spread over the last 23 hours.
fn leave_evidence(server: &TestS3) {
    let now = Timestamp::now();
    for number in 0..PIECES {
        let age = SignedDuration::from_secs(
            23 * 3600 * i64::try_from(PIECES - number).unwrap() / i64::try_from(PIECES).unwrap(),
        );
        let job = Slug::new(&format!("job-{}", number % JOBS)).unwrap();
        let at = now - age;
        let run = RunId(Uuid::from_u128(u128::from(number) << 16 | 0x7000_8000_0000_0000_0000));
        let key = EvidenceKey::new(&Evidence::new(job, run, Kind::Success, at), at);
        server.put(&format!("prod/{key}"), "");
    }
}

fn config(server: &TestS3, dir: &std::path::Path) {
    let mut text = format!("store = \"{}\"\n", server.url("prod"));
    for number in 0..JOBS {
        writeln!(text, "[jobs.job-{number}]\nevery = \"1d\"").unwrap();
    }
    std::fs::write(dir.join("tenko.toml"), text).unwrap();
}

/// Calls the roll in a process of its own, as a function that starts cold does; how many jobs are up.
fn call(server: &TestS3, dir: &std::path::Path) -> usize {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
    command.args(["check", "--json"]).current_dir(dir).env_clear().env("TENKO_STATE_DIR", dir.join("state"));
    let output = command.envs(server.env(Key::Checker)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["jobs"].as_array().unwrap().iter().filter(|job| job["verdict"] == "up").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_pieces_of_500_jobs_cost_ten_lists_and_then_next_to_nothing() {
    let server = TestS3::start().await;
    let dir = tempfile::tempdir().unwrap();
    config(&server, dir.path());
    leave_evidence(&server);
    asked(&server);

    // Ten pages of evidence, one of rolls; the proof that the server honours conditions, and the roll.
    assert_eq!(call(&server, dir.path()), 500);
    let [lists, gets, heads, puts] = asked(&server);
    assert!(
        (11..=12).contains(&lists) && gets == 0 && heads == 0 && (2..=3).contains(&puts),
        "{lists} {gets} {puts}"
    );

    // Nothing new: one LIST for rolls, one for evidence, one GET of the newest roll, one PUT of the next.
    assert_eq!(call(&server, dir.path()), 500);
    assert_eq!(asked(&server), [2, 1, 0, 1]);

    let newest =
        server.keys().into_iter().find(|key| layout::roll_version(key.trim_start_matches("prod/")).is_some());
    let size = server.get(&newest.unwrap()).unwrap().len();
    assert!(
        size < 60 * 500 + 400,
        "a roll of 500 jobs has {size} bytes, more than tenko aws cost reckons with"
    );
}
