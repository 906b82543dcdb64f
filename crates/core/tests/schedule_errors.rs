//! What people see when a schedule is wrong.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;

use jiff::tz::TimeZone;
use tenko_core::schedule::{Field, Schedule, ScheduleSpec, Scheduler, parse_duration};

/// The input with carets under the offending part, the problem and the hint.
fn drawn(input: &str, span: std::ops::Range<usize>, problem: &str, hint: Option<&str>) -> String {
    let before = input[..span.start].chars().count();
    let width = input[span].chars().count().max(1);
    let mut text = format!("{input}\n{}{} {problem}\n", " ".repeat(before), "^".repeat(width));
    if let Some(hint) = hint {
        writeln!(text, "  hint: {hint}").unwrap();
    }
    text
}

fn refusals(specs: impl Iterator<Item = ScheduleSpec>) -> String {
    let refusal = |spec: ScheduleSpec| {
        let error = Schedule::resolve(&spec, &TimeZone::UTC).expect_err(&format!("{spec:?}"));
        drawn(error.input(), error.span(), &error.to_string(), error.hint())
    };
    specs.map(refusal).collect::<Vec<_>>().join("\n")
}

fn cron(texts: &[&str]) -> impl Iterator<Item = ScheduleSpec> {
    texts.iter().map(|text| ScheduleSpec { cron: vec![(*text).to_owned()], ..ScheduleSpec::default() })
}

#[test]
fn crontab() {
    let texts = [
        "",
        "0 5 * *",
        "0 0 5 * * *",
        "0 0 5 * * ? 2026",
        "0 5 * * * /usr/local/bin/backup --all",
        "CRON_TZ=Asia/Tokyo 0 5 * * *",
        "60 5 * * *",
        "0 24 * * *",
        "0 5 0 * *",
        "0 5 * 13 *",
        "0 5 * * 8",
        "0 22-2 * * *",
        "0 5 * * FRI-MON",
        "0 5 * * SAT-SUN",
        "0 5 * NOV-FEB *",
        "0 5 * * MONDAY",
        "0 5 * * MNO",
        "0 5 * * L",
        "0 5 ? * *",
        "0,,5 5 * * *",
        "0, 5 * * *",
        "5/15 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "0~30 5 * * *",
        "-5 5 * * *",
        "0 5 32W * *",
        "0 5 L-31 * *",
        "0 5 * * MON#6",
        "０ 5 * * *",
        "@reboot",
        "@every 5m",
        "@dayly",
        "@daily x",
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 * 2 MON#5,TUE#5 2026",
        "0 0 L-30 2 *",
    ];
    insta::assert_snapshot!(refusals(cron(&texts)));
}

#[test]
fn event_bridge() {
    let texts = [
        "cron(0 10 * * ?)",
        "cron(0 10 * * * *)",
        "cron(0 10 * * MON *)",
        "cron(0 10 * * MON-FRI *)",
        "cron(0 10 1 * MON *)",
        "cron(0 10 ? * ? *)",
        "cron(0 10 ? * 0 *)",
        "cron(0 10 ? * 3#1,6#3 *)",
        "cron(0 10 * * ? 1969)",
        "cron(0 10 * * ? *",
        "cron(0 10 * * ? *) x",
        "Cron(0 10 * * ? *)",
        "cron(0 0 29 2 ? 2027)",
        "rate(5 minute)",
        "rate(1 hours)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "rate(5 minuts)",
        "rate(5)",
        "at(2026-12-24T05:00:00)",
    ];
    insta::assert_snapshot!(refusals(cron(&texts)));
}

#[test]
fn on_calendar() {
    let texts = [
        "",
        "0 5 * * *",
        "Mon..Fri",
        "dayly",
        "Mon, Tue 05:00",
        "Fri..Mon 05:00",
        "Montag 05:00",
        "*/15:00",
        "*:*/15",
        "25:00",
        "05:00:00.5",
        "05:00:10..10",
        "2026-12-24T05:00:00",
        "2026-12-24 05:00 Europe/Berln",
        "*-13-01",
        "*-*~29",
        "1-2-3-4",
        "*-*-5..1",
        "*-*-28/9",
        "*-02-30",
        "2026-03-29 01:30 Europe/London",
        "@1798099200",
        "05:00 06:00",
    ];
    let good = ["Mon..Fri"];
    let wrong = texts.iter().filter(|text| !good.contains(text));
    let specs =
        wrong.map(|text| ScheduleSpec { on_calendar: vec![(*text).to_owned()], ..ScheduleSpec::default() });
    insta::assert_snapshot!(refusals(specs));
}

#[test]
fn zones() {
    let names = [
        "Asia/Tokio",
        "Tokyo",
        "JST",
        "Europe/Berln",
        "America/NewYork",
        "PST",
        "+09:00",
        "",
        "Etc/Unknown",
        "Mars/Base",
        "localtime",
    ];
    let specs = names.map(|name| ScheduleSpec { tz: Some(name.to_owned()), ..ScheduleSpec::default() });
    insta::assert_snapshot!(refusals(specs.into_iter()));
}

#[test]
fn durations() {
    let texts = [
        "",
        "15",
        "1.5h",
        "-5m",
        "5x",
        "5 fortnights",
        "5 minuts",
        "1M",
        "2 months",
        "5m 3m",
        "99999999999999999999h",
        "4000 days",
        "m",
        "5m!",
    ];
    let drawn_all = texts.map(|text| {
        let error = parse_duration(text).expect_err(text);
        drawn(error.input(), error.span(), &error.to_string(), error.hint())
    });
    insta::assert_snapshot!(drawn_all.join("\n"));
}

#[test]
fn durations_that_are_right() {
    for (text, seconds) in [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("36h", 129_600),
        ("2 days", 172_800),
        ("1w", 604_800),
        ("1 hour, 5 minutes", 3900),
        ("1 Week", 604_800),
        ("0s", 0),
    ] {
        assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
    }
    assert_eq!(parse_duration("1s500ms").unwrap().as_millis(), 1500);
}

#[test]
fn the_whole() {
    let two = ScheduleSpec {
        every: Some("5m".to_owned()),
        cron: vec!["0 5 * * *".to_owned()],
        ..ScheduleSpec::default()
    };
    let many = ScheduleSpec { cron: vec!["0 5 * * *".to_owned(); 33], ..ScheduleSpec::default() };
    let mixed = ScheduleSpec {
        cron: ["0 5 * * *", "rate(1 day)"].map(str::to_owned).to_vec(),
        ..ScheduleSpec::default()
    };
    let long =
        ScheduleSpec { cron: vec![format!("0 5 {}* * *", " ".repeat(200))], ..ScheduleSpec::default() };
    let zero = ScheduleSpec { every: Some("0s".to_owned()), ..ScheduleSpec::default() };
    insta::assert_snapshot!(refusals([two, many, mixed, long, zero].into_iter()));
}

#[test]
fn an_error_says_which_of_several_expressions_it_is_about() {
    let cron = ["0 5 * * *", "0 25 * * *"].map(str::to_owned).to_vec();
    let error =
        Schedule::resolve(&ScheduleSpec { cron, ..ScheduleSpec::default() }, &TimeZone::UTC).unwrap_err();
    assert_eq!((error.field(), error.span()), (Field::Cron(1), 2..4));
    assert_eq!(error.to_string(), "hour 25 is out of range 0 to 23");
}

#[test]
fn a_spec_is_read_strictly_and_written_sparsely() {
    let read = |text: &str| serde_json::from_str::<ScheduleSpec>(text);
    let one = read(r#"{"cron": "0 5 * * *", "tz": "Asia/Tokyo", "scheduler": "kubernetes"}"#).unwrap();
    assert_eq!(
        (one.cron.as_slice(), one.scheduler),
        (&["0 5 * * *".to_owned()][..], Some(Scheduler::Kubernetes))
    );
    assert_eq!(
        serde_json::to_string(&one).unwrap(),
        r#"{"cron":"0 5 * * *","tz":"Asia/Tokyo","scheduler":"kubernetes"}"#
    );
    let two = read(r#"{"on_calendar": ["daily", "Mon 12:00"]}"#).unwrap();
    assert_eq!(serde_json::to_string(&two).unwrap(), r#"{"on_calendar":["daily","Mon 12:00"]}"#);
    assert_eq!(serde_json::to_string(&ScheduleSpec::default()).unwrap(), "{}");
    assert!(read(r#"{"crom": "0 5 * * *"}"#).unwrap_err().to_string().contains("unknown field `crom`"));
    assert!(read(r#"{"cron": 5}"#).unwrap_err().to_string().contains("a string or a list of strings"));
    assert!(read(r#"{"scheduler": "fcron"}"#).is_err());
}
