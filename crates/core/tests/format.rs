//! The stored form: everything ever written is read, and nothing hostile does harm.
//!
//! `samples/vN/` holds what version N wrote. A file in there is never changed; what is written differently some day
//! gets a new directory.
#![expect(clippy::unwrap_used, reason = "the code beside the tests is part of them")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tenko_core::format::{FormatError, MAX_EVIDENCE, read_evidence, read_roll, write_evidence, write_roll};
use tenko_core::{Evidence, Exit, Kind, RunId, Slug};
use uuid::Uuid;

fn samples(version: u32) -> Vec<(String, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/samples/v{version}"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn value(body: &[u8]) -> serde_json::Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn every_sample_of_evidence_is_read_and_written_the_same() {
    let mut kinds = Vec::new();
    for (name, body) in samples(1).into_iter().filter(|(name, _)| !name.starts_with("roll")) {
        let evidence = read_evidence(&body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(value(&write_evidence(&evidence)), value(&body), "{name}");
        assert_eq!(name.split('.').next().unwrap(), evidence.kind.to_string());
        kinds.push(evidence.kind);
    }
    let mut expected = [
        Kind::Start,
        Kind::Success,
        Kind::Fail(None),
        Kind::Fail(Some(Exit::Code(3))),
        Kind::Fail(Some(Exit::Signal(9))),
        Kind::Log,
    ];
    kinds.sort_by_key(Kind::to_string);
    kinds.dedup();
    expected.sort_by_key(Kind::to_string);
    assert_eq!(kinds, expected);
}

#[test]
fn every_sample_of_a_roll_is_read_and_written_the_same() {
    let rolls: Vec<_> = samples(1).into_iter().filter(|(name, _)| name.starts_with("roll")).collect();
    assert_eq!(rolls.len(), 2);
    for (name, body) in rolls {
        let roll = read_roll(&body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(value(&write_roll(&roll)), value(&body), "{name}");
    }
}

#[test]
fn fault_49_what_a_newer_tenko_wrote_is_refused_by_name() {
    for body in [&br#"{"v":2}"#[..], br#"{"v":2,"states":7,"job":[]}"#, br#"{"v":18446744073709551615}"#] {
        assert!(matches!(read_evidence(body), Err(FormatError::Newer { .. })));
        assert!(matches!(read_roll(body), Err(FormatError::Newer { .. })));
    }
    let error = read_roll(br#"{"v":2}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it was written by a newer version of Tenko (form 2, this one reads up to 1)"
    );
}

#[test]
fn what_no_tenko_wrote_is_malformed() {
    let start = |rest: &str| {
        format!(r#"{{"v":1,"job":"a","run":"00000000-0000-0000-0000-000000000001","kind":"start",{rest}}}"#)
    };
    let at = r#""at":"2026-11-23T05:00:00Z""#;
    assert!(read_evidence(start(at).as_bytes()).is_ok());
    let refused = [
        String::new(),
        "null".into(),
        "[]".into(),
        r#"{"v":0}"#.into(),
        r#"{"v":-1}"#.into(),
        r#"{"v":1.5}"#.into(),
        r#"{"v":1}"#.into(),
        start(r#""at":NaN"#),
        start(r#""at":9223372036854775808"#),
        start(r#""at":"2026-13-45T05:00:00Z""#),
        start(r#""at":"+999999-01-01T00:00:00Z""#),
        start(&format!("{at},\"duration\":9223372036854775808")),
        start(&format!("{at},\"duration\":1e400")),
        start(&format!("{at},\"max_rss\":-1")),
        start(&format!("{at},\"output\":[]")),
        start(&format!("{at},\"declaration\":{{\"digest\":\"../../etc\"}}")),
        start(&format!("{at},\"declaration\":{{\"digest\":\"0123456789\"}}")),
        start(at).replace("\"a\"", "\"../x\""),
        start(at).replace("start", "stop"),
        start(at).replace("start", "fail-3"),
        start(at).replace("0001", "000g"),
    ];
    for body in refused {
        let error = read_evidence(body.as_bytes()).unwrap_err();
        assert!(matches!(error, FormatError::Malformed(_)), "{body}: {error:?}");
    }
}

#[test]
fn hostile_bodies_are_refused_in_no_time() {
    let deep = |open: &str, close: &str, depth: usize| open.repeat(depth) + &close.repeat(depth);
    let huge = "x".repeat(10_000_000);
    let bodies: Vec<Vec<u8>> = vec![
        "[".repeat(10_000_000).into(),
        "[".repeat(1_000_000).into(),
        deep("[", "]", 500_000).into(),
        deep("{\"v\":", "}", 100_000).into(),
        format!("{{\"v\":1,\"states\":{}", "{\"a\":".repeat(100_000)).into(),
        format!("{{\"v\":1,\"host\":\"{huge}\"}}").into(),
        format!("{{\"v\":{}}}", "9".repeat(500_000)).into(),
        b"\xff\xfe\x00\x01".to_vec(),
        [b"{\"v\":1,\"job\":\"".to_vec(), vec![0xc3; 1000], b"\"}".to_vec()].concat(),
        vec![0; 1_000_000],
    ];
    for body in bodies {
        let began = Instant::now();
        assert!(read_evidence(&body).is_err());
        assert!(read_roll(&body).is_err());
        assert!(began.elapsed() < Duration::from_secs(2), "{} bytes took too long", body.len());
    }
}

#[test]
fn a_body_that_is_too_long_is_not_even_parsed() {
    let body = vec![b' '; MAX_EVIDENCE + 1];
    assert!(matches!(read_evidence(&body), Err(FormatError::TooLong { found }) if found == MAX_EVIDENCE + 1));
}

#[test]
fn unknown_parts_of_the_same_version_are_passed_over() {
    let (_, body) = samples(1).into_iter().find(|(name, _)| name == "success.json").unwrap();
    let mut extended = value(&body);
    extended["unheard_of"] = serde_json::json!({"deep": [1, 2, 3]});
    assert_eq!(
        read_evidence(&serde_json::to_vec(&extended).unwrap()).unwrap(),
        read_evidence(&body).unwrap()
    );
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Start),
        Just(Kind::Success),
        Just(Kind::Log),
        Just(Kind::Fail(None)),
        any::<u8>().prop_map(|code| Kind::Fail(Some(Exit::Code(code)))),
        any::<u8>().prop_map(|number| Kind::Fail(Some(Exit::Signal(number)))),
    ]
}

proptest! {
    #[test]
    fn any_evidence_survives(kind in kind(), run in any::<u128>(), at in -377_000_000_000_000_i64..253_000_000_000_000, text in ".*", took in any::<Option<i64>>()) {
        let at = jiff::Timestamp::from_millisecond(at).unwrap();
        let mut evidence = Evidence::new(Slug::new("a-job").unwrap(), RunId(Uuid::from_u128(run)), kind, at);
        evidence.report.host = Some(text.clone());
        evidence.report.message = Some(text);
        evidence.report.duration = took.map(jiff::SignedDuration::from_millis);
        prop_assert_eq!(kind.to_string().parse(), Ok(kind));
        prop_assert_eq!(read_evidence(&write_evidence(&evidence)).unwrap(), evidence);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read_evidence(&bytes).is_err());
        prop_assert!(read_roll(&bytes).is_err());
    }

    /// Every sample with a byte changed or cut off is read or refused.
    #[test]
    fn damaged_samples_do_no_harm(which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let samples = samples(1);
        let mut body = which.get(&samples).1.clone();
        let place = place.index(body.len());
        if cut { body.truncate(place) } else { body[place] = byte }
        let _read = (read_evidence(&body).is_ok(), read_roll(&body).is_ok());
    }
}
