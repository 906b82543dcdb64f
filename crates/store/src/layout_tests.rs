use proptest::prelude::*;
use tenko_core::evidence::Exit;
use uuid::Uuid;

use super::*;

const RUN: &str = "0193568b-3c1d-7a31-9b7f-3d3e2f6a1c55";

fn evidence(kind: Kind, at: &str) -> Evidence {
    let job = Slug::new("daily-report").unwrap();
    Evidence::new(job, RUN.parse().unwrap(), kind, at.parse().unwrap())
}

fn key_of(evidence: &Evidence, now: &str) -> String {
    EvidenceKey::new(evidence, now.parse().unwrap()).to_string()
}

#[test]
fn evidence_that_is_sent_as_it_happens_lies_under_that_moment() {
    let mut success = evidence(Kind::Success, "2026-11-23T05:10:07.482Z");
    let key = key_of(&success, "2026-11-23T05:11:07.481Z");
    assert_eq!(key, format!("evidence/2026-11-23/051007.482Z/daily-report/{RUN}.success.json"));
    success.declaration = Some(Declaration { digest: "1f3a9c02".into(), spec: None });
    let key = key_of(&success, "2026-11-23T05:10:07.482Z");
    assert_eq!(key, format!("evidence/2026-11-23/051007.482Z/daily-report/{RUN}.success.1f3a9c02.json"));
}

#[test]
fn evidence_that_is_sent_late_lies_under_the_moment_of_sending() {
    let mut fail = evidence(Kind::Fail(Some(Exit::Signal(9))), "2026-11-23T05:10:07.482Z");
    fail.declaration = Some(Declaration { digest: "1f3a9c02".into(), spec: None });
    let key = key_of(&fail, "2026-11-24T08:15:00.120Z");
    let expected = "evidence/2026-11-24/081500.120Z/daily-report/";
    assert_eq!(key, format!("{expected}{RUN}.fail-sig9.at-20261123T051007.482Z.1f3a9c02.json"));
    let read: EvidenceKey = key.parse().unwrap();
    assert_eq!((read.at, read.kind), (fail.at, fail.kind));
    assert_eq!(read.evidence(None).key, Some(key));
}

#[test]
fn evidence_of_the_future_lies_under_the_moment_it_claims() {
    let claimed = evidence(Kind::Log, "2027-01-01T00:00:00Z");
    let key = key_of(&claimed, "2026-11-24T08:15:00Z");
    assert_eq!(key, format!("evidence/2027-01-01/000000.000Z/daily-report/{RUN}.log.json"));
}

#[test]
fn what_is_spelled_otherwise_is_no_key() {
    let good = format!("evidence/2026-11-23/051007.482Z/a/{RUN}.success.json");
    assert!(good.parse::<EvidenceKey>().is_ok());
    let variants = [
        ("evidence/", "Evidence/"),
        ("2026-11-23", "2026-1123-"),
        ("2026-11-23", "2026-11-31"),
        ("2026-11-23", "20261123"),
        ("051007", "051060"),
        ("051007", "245959"),
        (".482Z", ".48Z"),
        (".482Z", ".482"),
        ("/a/", "/../"),
        ("/a/", "/A/"),
        ("/a/", "//"),
        ("/a/", "/a/b/"),
        (RUN, "0193568B-3C1D-7A31-9B7F-3D3E2F6A1C55"),
        (RUN, "0193568b3c1d7a319b7f3d3e2f6a1c55"),
        ("success", "succeeded"),
        ("success", "fail-03"),
        ("success", "fail-256"),
        ("success", "fail-"),
        ("success", "success."),
        ("success", "success.1F3A9C02"),
        ("success", "success.1f3a9c0"),
        ("success", "success.1f3a9c02.at-20261122T051007.482Z"),
        ("success", "success.at-20261123T051007.482Z"),
        ("success", "success.at-20261123T050907.483Z"),
        ("success", "success.at-20261122T051007.482Z."),
        ("success", "success.at-20261122T051007.482Z1f3a9c02"),
        (".json", ".json.tmp"),
        (".json", ""),
    ];
    for (from, to) in variants {
        let bad = good.replacen(from, to, 1);
        assert!(bad.parse::<EvidenceKey>().is_err(), "{bad} was accepted");
    }
}

#[test]
fn the_newest_roll_lists_first() {
    assert_eq!(roll_key(43), "roll/99999999999999999956.json.zst");
    assert!(roll_key(44) < roll_key(43));
    assert!(roll_key(0).as_str() < PROBE);
    for version in [0, 1, 43, u64::MAX] {
        assert_eq!(roll_version(&roll_key(version)), Some(version));
    }
    let bad = [
        "roll/probe",
        "roll/9.json.zst",
        "roll/+9999999999999999956.json.zst",
        "roll/00000000000000000000.json.zst",
    ];
    for bad in bad {
        assert_eq!(roll_version(bad), None, "{bad} was accepted");
    }
}

#[test]
fn a_day_before_is_known_by_the_start_of_a_key() {
    let day = "2026-11-24T00:00:00Z".parse().unwrap();
    assert!(is_of_day_before("evidence/2026-11-23/garbage", day));
    for other in ["evidence/2026-11-24/x", "evidence/2026-11-2", "evidence/0000000000/x", "roll/2026-11-23/x"]
    {
        assert!(!is_of_day_before(other, day), "{other}");
    }
    assert!(!is_of_day_before("evidence/2026-11-é/x", day));
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Start),
        Just(Kind::Success),
        Just(Kind::Fail(None)),
        any::<u8>().prop_map(|code| Kind::Fail(Some(Exit::Code(code)))),
        any::<u8>().prop_map(|signal| Kind::Fail(Some(Exit::Signal(signal)))),
        Just(Kind::Log),
    ]
}

/// The whole range of years that keys can hold.
fn moments() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_000_i64..=253_402_207_200_999).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn keys() -> impl Strategy<Value = EvidenceKey> {
    let parts = ("[a-z0-9][a-z0-9_-]{0,99}", any::<u128>(), kinds(), moments(), moments(), "(|[0-9a-f]{8})");
    parts.prop_map(|(job, run, kind, at, now, digest)| {
        let job = Slug::new(&job).unwrap();
        let mut told = Evidence::new(job, RunId(Uuid::from_u128(run)), kind, at);
        told.declaration = (!digest.is_empty()).then_some(Declaration { digest, spec: None });
        EvidenceKey::new(&told, now)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(key in keys()) {
        let written = key.to_string();
        prop_assert_eq!(written.parse::<EvidenceKey>().unwrap(), key.clone());
        prop_assert!(written.as_str() > start_after(key.sent).as_str());
        prop_assert!(written.starts_with(&day_prefix(key.sent)));
    }

    #[test]
    fn keys_sort_by_the_time_of_sending(a in keys(), b in keys()) {
        prop_assert!(a.sent >= b.sent || a.to_string() < b.to_string());
    }

    #[test]
    fn a_key_that_is_read_is_written_back_the_same(text in "evidence/[0-9-]{10}/[0-9.Z]{11}/[a-z./]{1,4}/[0-9a-f-]{36}\\.(start|fail-[0-9]{1,3}|log)(\\.[at0-9TZ.-]{1,30})?\\.json") {
        if let Ok(key) = text.parse::<EvidenceKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), tail in "\\PC{0,40}") {
        for text in [text.clone(), format!("{EVIDENCE}{tail}"), format!("{ROLL}{tail}")] {
            if let Ok(key) = text.parse::<EvidenceKey>() {
                prop_assert_eq!(key.to_string(), text.clone());
            }
            let _ = (roll_version(&text), is_of_day_before(&text, Timestamp::UNIX_EPOCH));
        }
    }

    #[test]
    fn a_key_with_one_byte_changed_is_another_key_or_none(key in keys(), index in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let mut bytes = key.to_string().into_bytes();
        let index = index.index(bytes.len());
        bytes[index] = byte;
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(other) = text.parse::<EvidenceKey>() {
            prop_assert_eq!(other.to_string(), text);
        }
    }
}

/// Whether a text is matched by a pattern of IAM or EventBridge: `*` is any text, slashes included.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|left| {
            left.char_indices().any(|(at, _)| matches(rest, &left[at..])) || matches(rest, "")
        }),
    }
}

#[test]
fn the_pattern_of_failures_matches_failures_and_nothing_else() {
    let kinds = [
        (Kind::Fail(None), true),
        (Kind::Fail(Some(Exit::Code(3))), true),
        (Kind::Fail(Some(Exit::Signal(9))), true),
        (Kind::Start, false),
        (Kind::Success, false),
        (Kind::Log, false),
    ];
    for (kind, expected) in kinds {
        for now in ["2026-11-23T05:10:07.482Z", "2026-11-24T05:10:07.482Z"] {
            let key = key_of(&evidence(kind, "2026-11-23T05:10:07.482Z"), now);
            assert_eq!(matches(FAILURES, &key), expected, "{key}");
        }
    }
    assert!(!matches(FAILURES, &roll_key(7)));
}

#[test]
fn the_pattern_of_a_job_matches_its_evidence_and_that_of_no_other() {
    let key = key_of(&evidence(Kind::Success, "2026-11-23T05:10:07.482Z"), "2026-11-24T05:10:07.482Z");
    for (job, expected) in [("daily-report", true), ("daily", false), ("report", false), ("evidence", false)]
    {
        assert_eq!(matches(&evidence_of(&Slug::new(job).unwrap()), &key), expected, "{job}");
    }
}
