//! Backups and what becomes of them.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::{KEY, Place};

const JOBS: &str = "[jobs.daily]\nevery = \"1d\"\ngrace = \"1h\"\n[jobs.other]\nevery = \"1d\"\n";

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it_and_a_restored_server_goes_on() {
    let place = Place::new(JOBS);
    let server = place.serve();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (http, counted) = (server.http.clone(), Arc::clone(&acknowledged));
    let load = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for _ in 0..150 {
            let mut stream = std::net::TcpStream::connect(&http).unwrap();
            let text = format!("GET /ping/{KEY}/daily HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    server.ping("other/fail");
    while acknowledged.load(Ordering::SeqCst) < 20 {
        std::thread::yield_now();
    }
    let before = acknowledged.load(Ordering::SeqCst);
    let said = place.ok(&["backup", "b.tenko"]);
    let held: u64 = said.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(held > before, "{said} after {before} pings and one more");
    load.join().unwrap();
    server.stop();
    let mode = place.path("b.tenko").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let elsewhere = Place::new(JOBS);
    let file = place.path("b.tenko");
    elsewhere.ok(&["restore", file.to_str().unwrap()]);
    let verdicts = |place: &Place| {
        let jobs: serde_json::Value = serde_json::from_str(&place.ok(&["jobs", "--json"])).unwrap();
        let verdict = |job: &serde_json::Value| (job["job"].clone(), job["verdict"].clone());
        jobs["jobs"].as_array().unwrap().iter().map(verdict).collect::<Vec<_>>()
    };
    let restored = verdicts(&elsewhere);
    assert_eq!(restored, verdicts(&place));
    let server = elsewhere.serve();
    assert_eq!(server.ping("daily"), "HTTP/1.1 200 OK");
    assert!(server.get("/metrics").contains("tenko_flips_total 0"), "nothing flips because of that");
    server.stop();
    assert_eq!(verdicts(&elsewhere), restored);
}

#[test]
fn a_store_in_which_something_is_and_a_damaged_file_are_refused_and_nothing_is_changed() {
    let place = Place::new(JOBS);
    place.ok(&["ping", "daily"]);
    place.ok(&["backup", "b.tenko"]);
    let refused = place.run(&["restore", "b.tenko"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
    let file = std::fs::read(place.path("b.tenko")).unwrap();
    let fresh = format!("sqlite://{}", place.path("fresh.db").display());
    for length in (0..file.len()).step_by(file.len() / 8) {
        std::fs::write(place.path("cut.tenko"), &file[..length]).unwrap();
        let refused = place.run(&["--store", &fresh, "restore", "cut.tenko"]);
        assert_eq!(refused.status.code(), Some(2), "{length} bytes");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("can't restore cut.tenko"));
    }
    assert!(!place.path("fresh.db").exists());
    place.ok(&["--store", &fresh, "restore", "b.tenko"]);
    assert!(place.ok(&["--store", &fresh, "log", "daily"]).contains("success"));
}

#[test]
fn migrate_says_what_it_would_do_and_did() {
    let place = Place::new("");
    let store = format!("sqlite://{}", place.path("s.db").display());
    let migrate = |dry: bool| {
        let args = ["--store", &store, "migrate", "--dry-run"];
        place.ok(&args[..if dry { 4 } else { 3 }])
    };
    assert!(migrate(true).contains("would be brought from nothing to version"));
    assert!(!place.path("s.db").exists());
    assert!(migrate(false).contains("was brought from nothing to version"));
    assert!(migrate(false).contains("is up to date"));
}
