//! What people read, of every kind of notice in both languages.

use std::fmt::Write as _;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::evidence::{Exit, Output};
use crate::flaw::{Flaw, FlawKind, Shrink};
use crate::name::{ChannelName, Slug};
use crate::notice::Facts;

/// The founding case: due at 05:00 in Tokyo, which is 20:00 UTC of the day before.
const DUE: &str = "2026-11-23T20:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn notice(kind: NoticeKind, moment: &str, facts: Facts) -> Notice {
    Notice {
        id: Uuid::from_u128(0x3f2a_9c01_0000_5000_8000_0000_0000_0001),
        channel: ChannelName::new("ops").unwrap(),
        job: Slug::new("daily-report").unwrap(),
        kind,
        at: at(moment),
        created_at: at(moment),
        facts: Facts { time_zone: "Asia/Tokyo".into(), ..facts },
    }
}

fn missed() -> Facts {
    Facts {
        schedule: Some("0 5 * * * (Asia/Tokyo)".into()),
        description: Some("mails the daily report".into()),
        runbook: Some("https://wiki.example/daily-report".into()),
        reason: Some(Reason::Missed),
        due: Some(at(DUE)),
        deadline: Some(at("2026-11-23T20:30:00Z")),
        down_since: Some(at("2026-11-23T20:30:00Z")),
        last_success: Some(at("2026-11-22T20:04:12.482Z")),
        ..Facts::default()
    }
}

fn failed() -> Facts {
    Facts {
        reason: Some(Reason::Failed),
        down_since: Some(at("2026-11-23T20:10:07Z")),
        exit: Some(Exit::Code(3)),
        duration: Some(SignedDuration::from_secs(607)),
        host: Some("batch-1.example".into()),
        output: Some(Output { head: "loading\nTraceback:\nKeyError: 'total'\n".into(), ..Output::default() }),
        ..Facts { deadline: None, due: None, ..missed() }
    }
}

fn with_reason(reason: Reason) -> Facts {
    Facts { reason: Some(reason), exit: None, output: None, ..failed() }
}

fn blind(problem: &str) -> Facts {
    Facts {
        down_since: Some(at(DUE)),
        reason: None,
        message: Some(problem.into()),
        ..Facts { due: None, deadline: None, ..missed() }
    }
}

fn shown(message: &Message) -> String {
    let mut text =
        format!("[{:?} {}] {}\n\n{}\n", message.severity, message.id, message.title, message.sentence);
    for field in &message.fields {
        write!(text, "\n{}: {}", field.label, field.value).unwrap();
    }
    for part in [&message.output, &message.runbook].into_iter().flatten() {
        write!(text, "\n---\n{part}").unwrap();
    }
    text
}

fn both(notice: &Notice) -> String {
    let [en, ja] = [Language::En, Language::Ja].map(|language| shown(&compose(notice, language)));
    format!("{en}\n\n==========\n\n{ja}")
}

#[test]
fn down_because_missed() {
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:30:00Z", missed())));
}

#[test]
fn down_because_missed_and_never_succeeded() {
    let facts = Facts { last_success: None, time_zone: String::new(), ..missed() };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:30:00Z", facts)));
}

#[test]
fn down_because_failed() {
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", failed())));
}

#[test]
fn down_because_killed() {
    let facts = Facts { exit: Some(Exit::Signal(9)), ..failed() };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", facts)));
}

#[test]
fn down_because_timed_out() {
    let facts = Facts { exit: Some(Exit::Signal(15)), timed_out: true, ..failed() };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", facts)));
}

#[test]
fn down_because_overran() {
    let facts =
        Facts { duration: None, limit: Some(SignedDuration::from_mins(50)), ..with_reason(Reason::Overran) };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T21:00:00Z", facts)));
}

#[test]
fn down_because_too_quick() {
    let facts = Facts {
        duration: Some(SignedDuration::from_millis(80)),
        limit: Some(SignedDuration::from_mins(2)),
        ..with_reason(Reason::TooQuick)
    };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", facts)));
}

#[test]
fn fault_57_down_and_up_again_and_again() {
    let down = Facts { flips: Some(5), ..with_reason(Reason::Failed) };
    let up =
        Facts { flips: Some(10), up_since: Some(at("2026-11-23T22:21:00Z")), ..with_reason(Reason::Failed) };
    assert_snapshot!(
        [
            both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", down)),
            both(&notice(NoticeKind::Up, "2026-11-23T22:21:00Z", up)),
        ]
        .join("\n==========\n\n")
    );
}

#[test]
fn down_because_of_bad_evidence() {
    let message = Some("the object has 0 bytes, at least 100 are expected.".into());
    let facts = Facts { message, duration: None, host: None, ..with_reason(Reason::BadEvidence) };
    assert_snapshot!(both(&notice(NoticeKind::Down, "2026-11-23T20:10:07Z", facts)));
}

#[test]
fn all_that_can_be_wrong_with_an_object() {
    let today = || "s3://b/db/dump-2026-11-24.gz".to_owned();
    let before = || "s3://b/db/dump-2026-11-23.gz".to_owned();
    let shrunk =
        |size, previous_size, at_most| FlawKind::Shrunk { size, previous: before(), previous_size, at_most };
    let kinds = [
        FlawKind::TooSmall { size: 0, least: 1 },
        FlawKind::TooSmall { size: 10, least: 12_345_678_901 },
        FlawKind::TooOld { age: SignedDuration::from_hours(51), most: SignedDuration::from_hours(26) },
        FlawKind::TooFew { found: 1, counted: 1, wanted: 3 },
        FlawKind::TooFew { found: 5, counted: 2, wanted: 3 },
        FlawKind::Unchanged { previous: before() },
        shrunk(700, 1000, Shrink::Share(2000)),
        shrunk(123_456_789, 987_654_321, Shrink::Bytes(1_000_000)),
    ];
    let said = kinds.map(|kind| {
        let flaw = Some(Flaw { object: today(), kind });
        let message = flaw.as_ref().map(ToString::to_string);
        let facts = Facts { message, flaw, ..with_reason(Reason::BadEvidence) };
        let notice = notice(NoticeKind::Down, "2026-11-23T20:10:07Z", facts);
        [Language::En, Language::Ja].map(|language| compose(&notice, language).sentence).join("\n")
    });
    assert_snapshot!(said.join("\n\n"));
}

#[test]
fn up_after_two_hours() {
    let facts = Facts { up_since: Some(at("2026-11-23T22:34:00Z")), ..missed() };
    assert_snapshot!(both(&notice(NoticeKind::Up, "2026-11-23T22:34:00Z", facts)));
}

#[test]
fn up_on_another_day_before_anybody_was_told() {
    let facts = Facts { up_since: Some(at("2026-11-25T20:03:09Z")), brief: true, ..missed() };
    assert_snapshot!(both(&notice(NoticeKind::Up, "2026-11-25T20:03:09Z", facts)));
}

#[test]
fn up_by_evidence_that_was_delivered_late() {
    let facts = Facts { up_since: Some(at("2026-11-23T20:50:00Z")), late_delivered: true, ..missed() };
    assert_snapshot!(both(&notice(NoticeKind::Up, "2026-11-23T20:50:00Z", facts)));
}

#[test]
fn reminder_of_a_missed_due() {
    assert_snapshot!(both(&notice(NoticeKind::Reminder(2), "2026-11-24T04:30:00Z", missed())));
}

#[test]
fn reminder_of_a_failure() {
    assert_snapshot!(both(&notice(NoticeKind::Reminder(1), "2026-11-25T04:30:00Z", failed())));
}

#[test]
fn unknown_and_known() {
    let unknown = notice(NoticeKind::Unknown, DUE, blind("s3://acme answered 403 (AccessDenied)"));
    assert_snapshot!("unknown", both(&unknown));
    let known =
        notice(NoticeKind::Known, "2026-11-23T20:35:00Z", blind("s3://acme answered 403 (AccessDenied)"));
    assert_snapshot!("known", both(&known));
}

#[test]
fn the_whole_store_unknown_and_known() {
    let facts = || Facts {
        down_since: Some(at(DUE)),
        message: Some("connection refused".into()),
        whole_store: true,
        ..Facts::default()
    };
    for (name, kind, moment) in [
        ("store_unknown", NoticeKind::Unknown, DUE),
        ("store_known", NoticeKind::Known, "2026-11-23T20:35:00Z"),
    ] {
        let job = Slug::new(ALL_JOBS).unwrap();
        assert_snapshot!(name, both(&Notice { job, ..notice(kind, moment, facts()) }));
    }
}

#[test]
fn a_job_may_be_called_as_all_of_them_are() {
    let job = Slug::new(ALL_JOBS).unwrap();
    let of_a_job =
        compose(&Notice { job, ..notice(NoticeKind::Unknown, DUE, Facts::default()) }, Language::En);
    assert_eq!(of_a_job.title, "all-jobs: could not tell");
}

#[test]
fn unstored_after_success_and_after_failure() {
    let message = Some("s3://acme answered 503".to_owned());
    let good = Facts {
        message: message.clone(),
        up_since: Some(at("2026-11-23T20:10:07Z")),
        duration: Some(SignedDuration::from_secs(607)),
        host: Some("batch-1.example".into()),
        ..Facts::default()
    };
    assert_snapshot!("unstored_success", both(&notice(NoticeKind::Unstored, "2026-11-23T20:10:07Z", good)));
    let bad = Facts { message, reason: None, ..failed() };
    assert_snapshot!("unstored_failure", both(&notice(NoticeKind::Unstored, "2026-11-23T20:10:07Z", bad)));
}

#[test]
fn a_test_of_a_channel() {
    assert_snapshot!(both(&Notice::test(
        ChannelName::new("ops").unwrap(),
        Slug::new("test").unwrap(),
        at(DUE)
    )));
}

#[test]
fn a_zone_without_an_abbreviation_and_a_clock_change() {
    let sao_paulo = Facts { time_zone: "America/Sao_Paulo".into(), ..missed() };
    let mut notice = notice(NoticeKind::Down, "2026-11-23T20:30:00Z", Facts::default());
    notice.facts = sao_paulo;
    let text = compose(&notice, Language::En).sentence;
    assert_eq!(
        text,
        "daily-report was due on Mon 23 Nov 2026 17:00 UTC-03. No success was reported by 17:30 UTC-03."
    );
    notice.facts = Facts {
        time_zone: "Europe/Berlin".into(),
        due: Some(at("2026-10-25T00:30:00Z")),
        deadline: Some(at("2026-10-25T01:30:00Z")),
        ..missed()
    };
    let text = compose(&notice, Language::En).sentence;
    assert_eq!(
        text,
        "daily-report was due on Sun 25 Oct 2026 02:30 CEST. No success was reported by 02:30 CET."
    );
}

#[test]
fn a_digest_lists_twenty_and_counts_the_rest() {
    let mut notices: Vec<Notice> = (0..22)
        .map(|number| Notice {
            job: Slug::new(&format!("job-{number}")).unwrap(),
            ..notice(NoticeKind::Down, "2026-11-23T20:30:00Z", missed())
        })
        .collect();
    notices[1].kind = NoticeKind::Up;
    notices[2].kind = NoticeKind::Reminder(3);
    notices[3].kind = NoticeKind::Unknown;
    let [en, ja] = [Language::En, Language::Ja].map(|language| shown(&digest(&notices, language)));
    assert_snapshot!(format!("{en}\n\n==========\n\n{ja}"));
}

#[test]
fn a_digest_of_one_is_its_message_and_has_the_id_of_the_batch() {
    let one = notice(NoticeKind::Down, DUE, missed());
    assert_eq!(digest(std::slice::from_ref(&one), Language::Ja), compose(&one, Language::Ja));
    let batch = Batch { channel: one.channel.clone(), notices: vec![one.clone(), one] };
    assert_eq!(Message::of(&batch, Language::En).id, batch.id().simple().to_string()[..8]);
}

#[test]
fn only_the_last_lines_of_output_are_told() {
    let lines =
        |from: usize, to: usize| (from..=to).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    assert_eq!(block(&lines(1, 20), 20, 2000), lines(1, 20));
    assert_eq!(block(&lines(1, 25), 20, 2000), format!("…\n{}", lines(6, 25)));
    assert_eq!(block(&"あ".repeat(30), 20, 10), format!("…{}", "あ".repeat(8)));
    assert_eq!(block("10%\r50%\r100%\r\ndone\r\n", 20, 100), "100%\ndone");
}

#[test]
fn terminal_sequences_vanish_and_control_characters_show() {
    let cases = [
        ("\u{1b}[31;1mred\u{1b}[0m", "red"),
        ("\u{1b}]0;title\u{7}text", "text"),
        ("\u{1b}]8;;http://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\", "click"),
        ("\u{9b}2Jcleared \u{1b}(Bplain", "cleared plain"),
        ("\u{1b}]unended", ""),
        ("a\u{0}b\u{8}c", "a\u{fffd}b\u{fffd}c"),
        ("safe\u{202e}txt.exe\u{2066}\u{200b}", "safetxt.exe"),
        ("two\r\nlines\tand tab", "two lines and tab"),
        ("👩\u{200d}🔧 点呼", "👩\u{200d}🔧 点呼"),
    ];
    for (hostile, harmless) in cases {
        assert_eq!(line(hostile, 100), harmless, "{hostile:?}");
    }
}

fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn fault_54_whatever_a_job_says_is_bounded_and_harmless(
        text in "(?s:.|\u{1b}\\[|\u{1b}\\]|\r|\n|\u{202e}|\u{9b}){0,600}",
        kind in prop::sample::select(vec![NoticeKind::Down, NoticeKind::Unknown, NoticeKind::Unstored]),
        reason in prop::sample::select(vec![Reason::Failed, Reason::BadEvidence, Reason::TooQuick]),
        language in prop::sample::select(vec![Language::En, Language::Ja]),
    ) {
        let own = || Some(text.clone());
        let facts = Facts {
            reason: Some(reason),
            description: own(), schedule: own(), runbook: own(), host: own(), message: own(),
            output: Some(Output { head: text.repeat(4), tail: text.repeat(4), omitted: 1, exact: None }),
            ..Facts::default()
        };
        let message = compose(&notice(kind, DUE, facts), language);
        let lines = message.fields.iter().map(|field| &field.value).chain(&message.runbook).chain([&message.title]);
        for value in lines.chain([&message.sentence]) {
            prop_assert!(!value.contains('\n') && !value.contains(is_odd), "{value:?}");
            prop_assert!(value.chars().count() <= MAX_VALUE + 200);
        }
        if let Some(output) = message.output {
            prop_assert!(!output.contains(is_odd));
            prop_assert!(output.chars().count() <= MAX_OUTPUT && output.lines().count() <= MAX_OUTPUT_LINES + 1);
        }
    }
}
