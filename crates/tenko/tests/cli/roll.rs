//! `check`, `jobs`, `show` and `log`: what people read and what machines read.

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::place::{Place, Said};

pub(crate) const FIVE: &str = r#"
timezone = "Asia/Tokyo"

[jobs.backup]
every = "1d"
max_runtime = "2h"
description = "Everything, to the other site."
runbook = "https://wiki.example/backup"

[jobs.hourly-import]
every = "1h"
grace = "10m"

[jobs.daily-report]
every = "1d"

[jobs.monthly-bill]
cron = "0 6 1 * *"
failures = 2
recoveries = 3

[jobs.paused-one]
every = "1d"
"#;

/// A moment so many minutes ago.
pub(crate) fn ago(minutes: i64) -> String {
    (Timestamp::now() - SignedDuration::from_mins(minutes)).to_string()
}

/// Five jobs: one up, one missed, one failed, one of which nothing is known, one paused.
pub(crate) fn five() -> Place {
    let place = Place::with_config(FIVE);
    place.ok(&["ping", "backup", "start", "--run-id", "00000000-0000-7000-8000-000000000001"]);
    place.ok(&["ping", "daily-report", "fail", "--exit", "3", "-m", "disk full"]);
    place.ok(&["ping", "hourly-import", "success", "--at", &ago(300)]);
    place.ok(&["ping", "backup", "success", "--at", &ago(60), "-m", "4711 files"]);
    place.ok(&["pause", "paused-one"]);
    place
}

#[test]
fn people_read_the_roll() {
    let place = five();
    place.session(
        "roll",
        &[
            &["jobs"],
            &["check"],
            &["jobs"],
            &["check", "backup"],
            &["check", "paused-one", "monthly-bill"],
            &["show", "backup"],
            &["show", "hourly-import"],
            &["show", "daily-report"],
            &["show", "monthly-bill"],
            &["log", "backup"],
            &["log", "hourly-import", "-n", "2"],
            &["log", "daily-report", "--output"],
            &["log", "monthly-bill", "--since", "36h"],
        ],
    );
}

#[test]
fn machines_read_the_same() {
    let place = five();
    place.session(
        "roll-json",
        &[
            &["check", "--json"],
            &["jobs", "--json"],
            &["show", "backup", "--json"],
            &["show", "hourly-import", "--json"],
            &["log", "backup", "--json"],
            &["log", "hourly-import", "--json"],
            &["log", "daily-report", "--json"],
        ],
    );
}

#[test]
fn nothing_at_all_is_known_at_the_beginning() {
    Place::empty().session(
        "roll-empty",
        &[&["jobs"], &["check"], &["jobs", "--json"], &["check", "--json"], &["notify", "list"]],
    );
}

#[test]
fn an_unknown_job_is_no_job_and_perhaps_another_is_meant() {
    let place = five();
    let mut calls: Vec<Vec<&str>> = Vec::new();
    for command in ["check", "show", "log", "pause", "resume", "forget"] {
        calls.push(vec![command, "daily-rport"]);
    }
    calls.extend([
        vec!["show", "x"],
        vec!["check", "x"],
        vec!["check", "backup", "../x"],
        vec!["log", "backup", "--since", "soon"],
    ]);
    let calls: Vec<&[&str]> = calls.iter().map(Vec::as_slice).collect();
    place.session("roll-unknown-job", &calls);
}

#[test]
fn for_an_unknown_job_nothing_is_decided() {
    let place = Place::empty();
    place.ok(&["ping", "backup", "fail", "--every", "1d"]);
    let said = place.run(&["check", "bakcup"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said}");
    assert!(said.err.contains("did you mean backup?"), "{said}");
    assert!(place.json(&["jobs"])["called_at"].is_null());
    assert_eq!(place.run(&["check", "backup"]).code, 1);
}

#[test]
fn what_was_reported_since_the_last_roll_call_is_shown_as_it_will_be_judged() {
    let place = Place::empty();
    let shown = |name: &str| place.json(&["show", name]);
    place.ok(&["ping", "backup", "--every", "1d"]);
    assert_eq!(
        (&shown("backup")["verdict"], &shown("backup")["schedule"]),
        (&"up".into(), &"every 1d".into())
    );
    place.ok(&["check"]);
    place.ok(&["ping", "backup", "fail", "--every", "1d"]);
    place.ok(&["ping", "import", "start"]);
    let listed = place.json(&["jobs"]);
    assert_eq!(
        (&listed["jobs"][0]["verdict"], &listed["jobs"][0]["reason"]),
        (&"down".into(), &"failed".into())
    );
    assert_eq!((&listed["jobs"][1]["job"], &listed["jobs"][1]["running"]), (&"import".into(), &true.into()));
    let log = place.json(&["log", "backup"]);
    assert!(log.as_array().unwrap().iter().all(|entry| entry["new"] != "down"), "nothing was decided: {log}");
    assert_eq!(place.json(&["check"])["jobs"], place.json(&["jobs"])["jobs"]);
}

#[test]
fn exit_codes_tell_up_down_and_could_not_tell_apart() {
    let place = Place::with_config("[jobs.a]\nevery = \"1d\"\n[jobs.b]\nevery = \"1d\"\n");
    place.ok(&["ping", "a"]);
    place.ok(&["ping", "b"]);
    assert_eq!(place.run(&["check"]).code, 0);
    place.ok(&["ping", "b", "fail"]);
    assert_eq!(place.run(&["check"]).code, 1);
    assert_eq!(place.run(&["check", "a"]).code, 0);
    assert_eq!(place.run(&["check", "c"]).code, 2);
    assert_eq!(place.run(&["check", "--store", "file:///no/such/dir"]).code, 3);
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let place = Place::empty().env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "planted-secret");
    let place = place.env("AWS_REGION", "eu-central-1").env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let place = place.env("AWS_ALLOW_HTTP", "true");
    std::fs::write(place.path("file"), "").unwrap();
    let file = format!("file://{}", place.path("file").display());
    let no_database = format!("sqlite://{}", place.path("no/such.db").display());
    place.session(
        "roll-no-store",
        &[
            &["check", "--store", "file:///no/such/dir"],
            &["jobs", "--store", "file:///no/such/dir"],
            &["check", "--store", &file],
            &["check", "--store", &no_database],
            &["check", "--store", "s3://bucket/prefix"],
            &["check", "--store", "ftp://example.org/x"],
            &["check", "--store", "nonsense"],
            &["check", "--store", ""],
        ],
    );
}

#[test]
fn a_dry_run_tells_what_was_and_what_will_be_and_changes_nothing() {
    let place = Place::with_config("[jobs.a]\nevery = \"1h\"\ngrace = \"10m\"\n");
    let url = format!("file://{}", place.path("store").display());
    let place = place.env("TENKO_STORE", &url);
    std::fs::create_dir(place.path("store")).unwrap();
    place.ok(&["ping", "a", "success", "--at", &ago(50)]);
    place.was_received("store", SystemTime::now() - Duration::from_mins(50));
    assert_eq!(place.run(&["check"]).code, 0);
    let before = place.json(&["show", "a"]);
    let later = (Timestamp::now() + SignedDuration::from_hours(3)).to_string();
    let verdict_at = |at: &str| place.json(&["check", "--dry-run", "--at", at])["jobs"][0]["verdict"].clone();
    assert_eq!(verdict_at(&later), json!("down"));
    assert_eq!(verdict_at(&ago(30)), json!("up"));
    assert_eq!(verdict_at(&ago(60)), json!("new"));
    assert_eq!(place.run(&["check", "--dry-run", "--at", &later]).code, 1);
    assert_eq!(place.run(&["check", "--dry-run"]).code, 0);
    assert_eq!(place.json(&["show", "a"]), before);
    place.session(
        "check-dry-run",
        &[&["check", "--dry-run", "--at", &later], &["check", "--dry-run", "--at", "yesterday"]],
    );
}

#[test]
fn a_dry_run_stores_no_evidence_of_having_been() {
    let place = Place::with_config("[jobs.a]\nevery = \"1h\"\n");
    place.ok(&["ping", "a"]);
    place.run(&["check", "--dry-run"]);
    assert_eq!(place.json(&["jobs"])["called_at"], json!(null));
}

#[test]
fn credentials_in_the_url_of_a_store_are_refused_and_never_shown() {
    let place = Place::empty();
    for url in [
        "postgres://tenko:planted-secret@db/x?ssl=planted-secret",
        "s3://AK:planted-secret@bucket/x",
        "http://u:planted-secret@host/x",
        "s3://bucket/x?secret=planted-secret",
    ] {
        for by_env in [false, true] {
            let args: &[&str] = if by_env { &["check"] } else { &["check", "--store", url] };
            let output = place.command(args).env("TENKO_STORE", url).output().unwrap();
            let said = Said::of(&["check"], output);
            assert_eq!(said.code, 2, "{said}");
            assert!(!said.err.contains("planted-secret") && !said.out.contains("planted-secret"), "{said}");
        }
    }
    let output = place.command(&["--help"]).env("TENKO_STORE", "s3://planted-secret").output().unwrap();
    assert!(!Said::of(&["--help"], output).out.contains("planted-secret"));
}
