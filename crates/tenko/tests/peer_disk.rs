//! Full and read-only disks: rows 3, 4 and 5 of docs/faults.md, on a small tmpfs of a mount namespace of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod cli_support;
mod small_disk;

use cli_support::Place;
use small_disk::{Disk, mount};

fn remount(disk: &Disk, options: &str) {
    mount(&["-o", &format!("remount,{options}"), disk.path.to_str().unwrap()]);
}

fn kinds(place: &Place, store: &str, kind: &str) -> usize {
    let call = |arguments: &[&str]| place.tenko([arguments, &["--store", store]].concat());
    let check = call(&["check", "--json"]);
    assert!(matches!(check.code, 0 | 1), "{check:?}");
    let log = call(&["log", "job", "--json"]).json();
    log.as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).count()
}

fn says_full(text: &str) -> bool {
    text.contains("is full") || text.contains("No space left")
}

/// The store is on the disk that is full, and so is the spool.
fn heals(store: &str) {
    let place = Place::new();
    let disk = Disk::at(&place.state(), "1m");
    let store = store.replace("STATE", place.state().to_str().unwrap());
    let run = |line: &str| place.run(&["--job", "job", "--store", &store], line);
    assert_eq!(run("exit 7").code, 7);
    disk.fill();
    for round in 0..3 {
        let seen = run("echo ran; head -c 10000000 /dev/zero | tr '\\0' x; exit 7");
        assert_eq!((seen.code, seen.out.len()), (7, 10_000_004), "round {round}: {}", seen.err);
        assert!(seen.err.contains("lost") && says_full(&seen.err), "{}", seen.err);
        let ping = place.tenko(["ping", "job", "--store", &store]);
        assert_eq!(ping.code, 3, "{ping:?}");
        assert!(says_full(&ping.err), "{}", ping.err);
    }
    assert_eq!(place.tenko(["check", "--store", &store]).code, 3);
    disk.make_room();
    let seen = run("exit 7");
    assert_eq!((seen.code, seen.err.as_str()), (7, ""));
    assert_eq!(kinds(&place, &store, "fail"), 2);
    assert_eq!(place.waiting(), 0);
}

#[test]
#[ignore = "needs root for a tmpfs; run by ./test"]
fn fault_3_a_full_disk_under_sqlite_is_said_and_heals() {
    heals("sqlite://STATE/tenko.db");
}

#[test]
#[ignore = "needs root for a tmpfs; run by ./test"]
fn fault_3_a_full_disk_under_a_directory_is_said_and_heals() {
    heals("file://STATE/store");
}

#[test]
#[ignore = "needs root for a tmpfs; run by ./test"]
fn fault_4_a_spool_on_a_full_disk_costs_evidence_and_nothing_else() {
    let place = Place::new();
    let disk = Disk::at(&place.state(), "256k");
    let closed = cli_support::ClosedPort::new();
    let url = format!("http://127.0.0.1:{}/ping/x", closed.number());
    let run = || place.run(&["--job", "job", "--report-timeout", "1s", "--to", &url], "echo ran; exit 7");
    disk.fill();
    let seen = run();
    assert_eq!((seen.code, seen.text(), place.waiting()), (7, "ran\n", 0), "{seen:?}");
    assert!(seen.err.contains("lost") && says_full(&seen.err), "{}", seen.err);
    disk.make_room();
    assert_eq!((run().code, place.waiting()), (7, 1));
    disk.fill();
    let seen = run();
    assert_eq!((seen.code, seen.text(), place.waiting()), (7, "ran\n", 1), "{seen:?}");
    assert!(seen.err.contains("kept") && seen.err.contains("1 older"), "{}", seen.err);
    assert!(!seen.err.contains("/ping/x"), "{}", seen.err);
    disk.make_room();
    assert_eq!((run().code, place.waiting()), (7, 2));
}

#[test]
#[ignore = "needs root for a tmpfs; run by ./test"]
fn fault_5_a_disk_that_becomes_read_only_is_said_and_heals() {
    for store in ["sqlite://STATE/tenko.db", "file://STATE/store"] {
        let place = Place::new();
        let disk = Disk::at(&place.state(), "2m");
        let store = store.replace("STATE", place.state().to_str().unwrap());
        let run = || place.run(&["--job", "job", "--store", &store], "echo ran; exit 7");
        assert_eq!(run().code, 7);
        assert_eq!(kinds(&place, &store, "fail"), 1);
        remount(&disk, "ro");
        let seen = run();
        assert_eq!((seen.code, seen.text()), (7, "ran\n"), "{seen:?}");
        assert!(seen.err.contains("lost") && seen.err.to_lowercase().contains("read-only"), "{}", seen.err);
        let check = place.tenko(["check", "--store", &store]);
        assert_eq!(check.code, 3, "{check:?}");
        let jobs = place.tenko(["jobs", "--json", "--store", &store]);
        assert_eq!((jobs.code, &jobs.json()["jobs"][0]["verdict"]), (0, &"down".into()), "{jobs:?}");
        remount(&disk, "rw");
        assert_eq!(run().err, "");
        assert_eq!(kinds(&place, &store, "fail"), 2);
    }
}
