//! EventBridge expressions: the examples of its user guides and its rules.
//!
//! The guides, as they read in 2026:
//! * rules: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>;
//! * Scheduler: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>.
//!
//! They do not agree in everything. The guide of the Scheduler calls the year optional and writes `rate(1 days)`; that of
//! rules, and the API reference of the Scheduler, ask for six fields, and for `day` behind 1. The stricter form, which all
//! of them accept, is asked for here.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod schedule_support;

use jiff::{SignedDuration, tz::TimeZone};
use schedule_support::{cron, dues};
use tenko_core::schedule::{Schedule, ScheduleSpec};

/// The next dues after Friday 2026-06-05 19:00 UTC.
fn assert_dues(examples: &[(&str, &str, &str)]) {
    for (expression, meaning, expected) in examples {
        let found = dues(&cron(expression, "UTC"), "2026-06-05T19:00Z", 3);
        let short: Vec<_> = found.iter().map(|due| &due[5..16]).collect();
        assert_eq!(short.join(" "), *expected, "{expression}: {meaning}");
    }
}

/// All rows of the table of the guide of rules, its examples of commands, and what it says of wildcards. The years of
/// examples are moved to where the dues are.
#[test]
fn the_examples_of_the_guide_of_rules_mean_what_it_says() {
    assert_dues(&[
        ("cron(0 10 * * ? *)", "10:00 every day", "06-06T10:00 06-07T10:00 06-08T10:00"),
        ("cron(15 12 * * ? *)", "12:15 every day", "06-06T12:15 06-07T12:15 06-08T12:15"),
        ("cron(0 18 ? * MON-FRI *)", "18:00 on workdays", "06-08T18:00 06-09T18:00 06-10T18:00"),
        ("cron(0 8 1 * ? *)", "8:00 on the first of the month", "07-01T08:00 08-01T08:00 09-01T08:00"),
        ("cron(0/15 * * * ? *)", "every 15 minutes", "06-05T19:15 06-05T19:30 06-05T19:45"),
        ("cron(0/10 * ? * MON-FRI *)", "every 10 minutes on workdays", "06-05T19:10 06-05T19:20 06-05T19:30"),
        (
            "cron(0/5 8-17 ? * MON-FRI *)",
            "every 5 minutes, 8:00 to 17:55 on workdays",
            "06-08T08:00 06-08T08:05 06-08T08:10",
        ),
        // The guide says "between 10:00 pm", which is a slip: 20 is 8:00 pm.
        (
            "cron(0/30 20-2 ? * MON-FRI *)",
            "every 30 minutes from the evening to 2:00",
            "06-05T20:00 06-05T20:30 06-05T21:00",
        ),
        ("cron(0 12 * * ? *)", "12:00 every day", "06-06T12:00 06-07T12:00 06-08T12:00"),
        ("cron(5,35 14 * * ? *)", "14:05 and 14:35 every day", "06-06T14:05 06-06T14:35 06-07T14:05"),
        (
            "cron(15 10 ? * 6L 2026-2029)",
            "10:15 on the last Friday of the month",
            "06-26T10:15 07-31T10:15 08-28T10:15",
        ),
        ("cron(0 0 1 JAN,FEB,MAR ? 2027)", "three months", "01-01T00:00 02-01T00:00 03-01T00:00"),
        ("cron(0 0 1-15 * ? *)", "days 1 to 15", "06-06T00:00 06-07T00:00 06-08T00:00"),
        ("cron(1/10 * * * ? *)", "minutes 1, 11, 21, 31", "06-05T19:01 06-05T19:11 06-05T19:21"),
        ("cron(0 0 7 * ? *)", "the 7th, whatever day that is", "06-07T00:00 07-07T00:00 08-07T00:00"),
        ("cron(0 0 L * ? *)", "the last day of the month", "06-30T00:00 07-31T00:00 08-31T00:00"),
        ("cron(0 0 ? * L *)", "the last day of the week", "06-06T00:00 06-13T00:00 06-20T00:00"),
        ("cron(0 0 3W * ? *)", "the workday next to the 3rd", "07-03T00:00 08-03T00:00 09-03T00:00"),
        ("cron(0 0 4W * ? *)", "4 July 2026 is a Saturday", "07-03T00:00 08-04T00:00 09-04T00:00"),
        ("cron(0 0 ? * 3#2 *)", "the second Tuesday", "06-09T00:00 07-14T00:00 08-11T00:00"),
        ("cron(0 0 ? * TUE#2 *)", "the second Tuesday", "06-09T00:00 07-14T00:00 08-11T00:00"),
    ]);
}

/// `cron(15 10 ? * 6L 2022-2023)`, at 10:15 on the last Friday of each month of 2022 and 2023, is the example of the guide
/// of the Scheduler, and of those who quote it.
#[test]
fn the_example_of_the_guide_of_the_scheduler_means_what_it_says() {
    let schedule = cron("cron(15 10 ? * 6L 2022-2023)", "UTC");
    let found = dues(&schedule, "2022-01-01T00:00Z", 30);
    assert_eq!(found.len(), 24);
    assert_eq!(found[..2], ["2022-01-28T10:15:00Z", "2022-02-25T10:15:00Z"]);
    assert_eq!(found[22..], ["2023-11-24T10:15:00Z", "2023-12-29T10:15:00Z"]);
}

#[test]
fn ranges_may_run_over_the_end_of_the_week_and_years_have_ends() {
    assert_dues(&[
        ("cron(0 1 ? * FRI-MON *)", "Friday to Monday", "06-06T01:00 06-07T01:00 06-08T01:00"),
        ("cron(0 12 ? * 1,7 *)", "Sunday and Saturday", "06-06T12:00 06-07T12:00 06-13T12:00"),
        ("cron(0 9 ? * 2#1 *)", "the first Monday", "07-06T09:00 08-03T09:00 09-07T09:00"),
    ]);
    let last = cron("cron(0 0 1 JAN ? 2199)", "UTC");
    assert_eq!(dues(&last, "2026-06-05T19:00Z", 2), ["2199-01-01T00:00:00Z"]);
    assert_eq!(dues(&cron("cron(0 0 1 1 ? 1970-2199)", "UTC"), "1970-01-01T00:00:01Z", 500).len(), 229);
}

/// Each is refused by AWS, too, for a reason that the guide of rules gives.
#[test]
fn what_the_guide_rules_out_is_refused() {
    for (expression, why) in [
        ("rate(1 hours)", "a unit behind 1 is singular"),
        ("rate(5 hour)", "a unit behind more than 1 is plural"),
        ("rate(0 minutes)", "a value is positive"),
        ("rate(-5 minutes)", "a value is positive"),
        ("rate(1.5 hours)", "a value is a whole number"),
        ("rate(5 seconds)", "nothing is faster than a minute"),
        ("rate(2 weeks)", "units are minutes, hours and days"),
        ("cron(0 10 * * ?)", "six fields are required"),
        ("cron(0 0 10 * * ? *)", "there are no seconds"),
        ("cron(0 10 * * * *)", "one of the two fields of days must be ?"),
        ("cron(0 10 1 * MON *)", "one of the two fields of days must be ?"),
        ("cron(0 10 ? * ? *)", "one of the two fields of days must say something"),
        ("cron(? 10 * * ? *)", "? is for days"),
        ("cron(0 10 * * ? ?)", "? is for days"),
        ("cron(0 10 ? * 3#1,6#3 *)", "# stands alone"),
        ("cron(0 10 ? * 3#6 *)", "there is no sixth Tuesday"),
        ("cron(0 10 ? * 0 *)", "days of the week are 1 to 7"),
        ("cron(0 10 ? * 8 *)", "days of the week are 1 to 7"),
        ("cron(0 10 ? * MONW *)", "W is for days of the month"),
        ("cron(0 10 3#2 * ? *)", "# is for days of the week"),
        ("cron(60 10 * * ? *)", "minutes are 0 to 59"),
        ("cron(0 24 * * ? *)", "hours are 0 to 23"),
        ("cron(0 10 32 * ? *)", "days are 1 to 31"),
        ("cron(0 10 * 13 ? *)", "months are 1 to 12"),
        ("cron(0 10 * * ? 1969)", "years are 1970 to 2199"),
        ("cron(0 10 * * ? 2200)", "years are 1970 to 2199"),
        ("at(2022-11-20T13:00:00)", "a single moment is no schedule"),
    ] {
        let spec = ScheduleSpec { cron: vec![expression.to_owned()], ..ScheduleSpec::default() };
        assert!(Schedule::resolve(&spec, &TimeZone::UTC).is_err(), "{expression} is accepted, but {why}");
    }
}

#[test]
fn from_the_evening_to_two_in_the_morning_monday_has_its_early_hours() {
    let schedule = cron("cron(0/30 20-2 ? * MON-FRI *)", "UTC");
    assert_eq!(dues(&schedule, "2026-06-05T23:30Z", 2), ["2026-06-08T00:00:00Z", "2026-06-08T00:30:00Z"]);
}

/// The guide of the Scheduler on daylight saving time: a time that does not exist is skipped, one that comes twice runs
/// once. Its example is in Los Angeles; there 2:30 comes once in autumn, whatever the guide says of it.
#[test]
fn the_clock_changes_and_the_job_is_skipped_or_runs_once() {
    let schedule = cron("cron(30 2 * * ? *)", "America/Los_Angeles");
    assert_eq!(dues(&schedule, "2026-03-07T12:00Z", 1), ["2026-03-09T09:30:00Z"]);
    assert_eq!(dues(&schedule, "2026-11-01T00:00Z", 2), ["2026-11-01T10:30:00Z", "2026-11-02T10:30:00Z"]);
    let schedule = cron("cron(30 1 * * ? *)", "America/New_York");
    assert_eq!(dues(&schedule, "2026-10-31T12:00Z", 2), ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    let schedule = cron("cron(30 8 * * ? *)", "America/New_York");
    assert_eq!(dues(&schedule, "2026-03-07T20:00Z", 2), ["2026-03-08T12:30:00Z", "2026-03-09T12:30:00Z"]);
}

/// A day of a rate has 24 hours, whatever the clock does.
#[test]
fn a_rate_is_a_period() {
    let hour = 3600;
    for (text, seconds) in [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", hour),
        ("rate(5 hours)", 5 * hour),
        ("rate(1 day)", 24 * hour),
        ("rate(7 days)", 168 * hour),
    ] {
        let spec = ScheduleSpec { cron: vec![text.to_owned()], ..ScheduleSpec::default() };
        let Ok(Schedule::Every { period, .. }) = Schedule::resolve(&spec, &TimeZone::UTC) else {
            panic!("{text}")
        };
        assert_eq!(period, SignedDuration::from_secs(seconds));
    }
}
