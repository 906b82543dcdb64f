//! Stores that a newer version wrote, that are damaged, or that are something else.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::place::Place;

const JOB: &str = "[jobs.a]\nevery = \"1d\"\n";

fn sqlite() -> Place {
    let place = Place::with_config(JOB);
    place.ok(&["ping", "a"]);
    assert_eq!(place.run(&["check"]).code, 0);
    place
}

fn directory() -> Place {
    let place = Place::with_config(JOB);
    let url = format!("file://{}", place.path("store").display());
    let place = place.env("TENKO_STORE", &url);
    std::fs::create_dir(place.path("store")).unwrap();
    place.ok(&["ping", "a", "--run-id", "00000000-0000-7000-8000-000000000001"]);
    assert_eq!(place.run(&["check"]).code, 0);
    place
}

/// Every file under a directory, with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

const COMMANDS: [&[&str]; 4] = [&["check"], &["jobs"], &["pause", "a"], &["notify", "list"]];

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = sqlite();
    let path = place.path("state/tenko.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    // Closing it writes the log back, so that the one file is all there is.
    database.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    place.session("stored-newer-sqlite", &COMMANDS);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::with_config(JOB);
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::write(place.path("state/tenko.db"), "My diary. ".repeat(1000)).unwrap();
    place.session("stored-no-database", &[&["check"]]);
    assert_eq!(place.read("state/tenko.db"), "My diary. ".repeat(1000));
}

#[test]
fn fault_49_a_roll_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = directory();
    let rolls = files(&place.path("store/roll"));
    let (newest, mut bytes) = rolls.into_iter().find(|(name, _)| name.ends_with(".json.zst")).unwrap();
    bytes[32] = 99;
    let seal = Sha256::digest(&bytes[32..]);
    bytes[16..32].copy_from_slice(&seal[..16]);
    std::fs::write(&newest, bytes).unwrap();
    let before = files(&place.path("store"));
    place.session("stored-newer-roll", &COMMANDS);
    assert_eq!(files(&place.path("store")), before);
}

#[test]
fn a_damaged_roll_is_said_to_be_so() {
    let place = directory();
    for (name, bytes) in files(&place.path("store/roll")) {
        if name.ends_with(".json.zst") {
            std::fs::write(&name, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    place.session("stored-damaged-roll", &[&["check"], &["jobs"]]);
}

/// Every piece of evidence of job a gets this body.
fn rewrite_evidence(place: &Place, body: &str) {
    for name in files(&place.path("store/evidence")).keys() {
        std::fs::write(name, body).unwrap();
    }
}

#[test]
fn evidence_that_cannot_be_read_concerns_its_own_line_of_the_log() {
    for (name, body) in [("newer", r#"{"v":99,"job":"a"}"#), ("no-json", "[[[[[["), ("empty", "")] {
        let place = directory();
        rewrite_evidence(&place, body);
        place.ok(&["ping", "a", "-m", "a good one"]);
        place.session(&format!("stored-evidence-{name}"), &[&["log", "a"], &["check"]]);
        let log = place.run(&["log", "a"]);
        assert!(log.out.contains("a good one"), "{log}");
    }
}

#[test]
fn a_database_that_may_not_be_read_is_named() {
    let place = Place::empty();
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::write(place.path("state/tenko.db"), "").unwrap();
    let permit =
        |mode| std::fs::set_permissions(place.path("state"), PermissionsExt::from_mode(mode)).unwrap();
    permit(0o000);
    let url = format!("sqlite://{}", place.path("state/tenko.db").display());
    let said = place.as_nobody(&["jobs", "--store", &url]);
    // So that it can be removed.
    permit(0o700);
    place.snapshot("stored-forbidden", &said.to_string());
}
