//! EventBridge expressions: the examples of its user guides and its rules.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod schedule_support;

use jiff::{SignedDuration, tz::TimeZone};
use schedule_support::{cron, dues};
use tenko_core::schedule::{Schedule, ScheduleSpec};

/// The examples of the user guides of EventBridge (cron expressions reference; schedule types of the Scheduler), each
/// with its next dues after Friday 2026-06-05 19:00 UTC, worked out by hand from what the guides say they mean.
#[test]
fn the_examples_of_the_documentation_mean_what_it_says() {
    let examples = [
        ("cron(0 10 * * ? *)", "06-06T10:00 06-07T10:00 06-08T10:00"),
        ("cron(15 12 * * ? *)", "06-06T12:15 06-07T12:15 06-08T12:15"),
        ("cron(0 18 ? * MON-FRI *)", "06-08T18:00 06-09T18:00 06-10T18:00"),
        ("cron(0 8 1 * ? *)", "07-01T08:00 08-01T08:00 09-01T08:00"),
        ("cron(0/15 * * * ? *)", "06-05T19:15 06-05T19:30 06-05T19:45"),
        ("cron(0/10 * ? * MON-FRI *)", "06-05T19:10 06-05T19:20 06-05T19:30"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "06-08T08:00 06-08T08:05 06-08T08:10"),
        ("cron(0/30 20-2 ? * MON-FRI *)", "06-05T20:00 06-05T20:30 06-05T21:00"),
        ("cron(0 0 1 JAN,FEB,MAR ? 2027)", "01-01T00:00 02-01T00:00 03-01T00:00"),
        ("cron(1/10 * * * ? *)", "06-05T19:01 06-05T19:11 06-05T19:21"),
        ("cron(0 0 L * ? *)", "06-30T00:00 07-31T00:00 08-31T00:00"),
        ("cron(0 0 ? * L *)", "06-06T00:00 06-13T00:00 06-20T00:00"),
        ("cron(0 0 3W * ? *)", "07-03T00:00 08-03T00:00 09-03T00:00"),
        ("cron(0 0 4W * ? *)", "07-03T00:00 08-04T00:00 09-04T00:00"),
        ("cron(0 0 ? * 3#2 *)", "06-09T00:00 07-14T00:00 08-11T00:00"),
        ("cron(0 0 ? * TUE#2 *)", "06-09T00:00 07-14T00:00 08-11T00:00"),
        ("cron(15 10 ? * 6L 2026-2027)", "06-26T10:15 07-31T10:15 08-28T10:15"),
        ("cron(0 9 ? * 2#1 *)", "07-06T09:00 08-03T09:00 09-07T09:00"),
        ("cron(0 1 ? * FRI-MON *)", "06-06T01:00 06-07T01:00 06-08T01:00"),
        ("cron(0 12 ? * 1,7 *)", "06-06T12:00 06-07T12:00 06-13T12:00"),
    ];
    for (expression, expected) in examples {
        let found = dues(&cron(expression, "UTC"), "2026-06-05T19:00Z", 3);
        let short: Vec<_> = found.iter().map(|due| &due[5..16]).collect();
        assert_eq!(short.join(" "), expected, "{expression}");
    }
}

#[test]
fn between_ten_in_the_evening_and_two_in_the_morning_monday_has_its_early_hours() {
    let schedule = cron("cron(0/30 20-2 ? * MON-FRI *)", "UTC");
    assert_eq!(dues(&schedule, "2026-06-05T23:30Z", 2), ["2026-06-08T00:00:00Z", "2026-06-08T00:30:00Z"]);
}

/// Schedule types of EventBridge Scheduler, daylight saving time: a time that does not exist is skipped, one that comes
/// twice runs once.
#[test]
fn the_clock_of_new_york_changes_and_the_job_is_skipped_or_runs_once() {
    let schedule = cron("cron(30 2 * * ? *)", "America/New_York");
    assert_eq!(dues(&schedule, "2026-03-07T12:00Z", 1), ["2026-03-09T06:30:00Z"]);
    let schedule = cron("cron(30 1 * * ? *)", "America/New_York");
    assert_eq!(dues(&schedule, "2026-10-31T12:00Z", 2), ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
}

#[test]
fn a_rate_is_a_period() {
    let hour = 3600;
    for (text, seconds) in [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", hour),
        ("rate(7 days)", 168 * hour),
    ] {
        let spec = ScheduleSpec { cron: vec![text.to_owned()], ..ScheduleSpec::default() };
        let Ok(Schedule::Every { period, .. }) = Schedule::resolve(&spec, &TimeZone::UTC) else {
            panic!("{text}")
        };
        assert_eq!(period, SignedDuration::from_secs(seconds));
    }
}
