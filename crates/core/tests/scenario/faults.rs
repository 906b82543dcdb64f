//! Faults that other watchers fell for, as far as the deciding crate answers for them. The numbers are those of the
//! rows of docs/faults.md.

use tenko_core::schedule::Scheduler;
use tenko_core::{Evidence, Kind, NoticeKind};

use crate::story::{Story, run, slug};

fn daily() -> Story {
    Story::new("0 5 * * *").grace("30m").expect("00:00 new")
}

fn hourly() -> Story {
    Story::new("0 * * * *").grace("10m").expect("00:30 new")
}

/// The crate has no clock: what the clock of a checker says comes in as `now`. Once it is right again, evidence that
/// had been there all the time clears what it had said.
#[test]
fn fault_33_a_clock_that_jumped_a_day_ahead_is_put_right_by_evidence() {
    daily()
        .at("05:10 success a")
        .expect("d2 05:30 down missed since d2 05:30")
        .at("d1 12:00 log b")
        .expect("d1 12:00 down missed")
        .told("")
        .at("d2 05:10 success c")
        .expect("d2 05:11 up since d1 05:10")
        .told("up late");
}

#[test]
fn fault_34_a_clock_that_jumped_back_tells_nobody_twice() {
    daily()
        .remind("4h")
        .expect("09:30 down missed since 05:30")
        .told("down")
        .expect("08:30 down missed since 05:30")
        .flips("")
        .told("")
        .expect("09:30 down missed")
        .told("")
        .expect("d1 13:30 down missed")
        .told("reminder 2");
}

#[test]
fn fault_34_a_run_never_lasts_less_than_nothing() {
    let story = Story::new("").min_runtime("1s").max_runtime("1h").expect("00:00 new");
    story.at("02:00 start a").at("01:00 success a").expect("09:00 up");
}

#[test]
fn fault_35_a_time_that_the_clock_skips_is_judged_by_the_rule_of_the_scheduler() {
    Story::new("30 2 * * *")
        .zone("America/New_York")
        .first_day("2026-03-07")
        .grace("30m")
        .expect("12:00 new")
        .at("d2 03:05 success a")
        .expect("d2 12:00 up due d3 02:30");
    Story::new("30 2 * * *")
        .zone("America/New_York")
        .first_day("2026-03-07")
        .scheduler(Scheduler::Kubernetes)
        .grace("30m")
        .expect("12:00 new next d3 02:30")
        .expect("d2 23:59 new");
}

#[test]
fn fault_36_a_time_that_the_clock_shows_twice_is_due_once_and_an_interval_twice() {
    let autumn = |cron: &str| Story::new(cron).zone("America/New_York").first_day("2026-10-31").grace("10m");
    autumn("30 1 * * *").expect("12:00 new").at("d2 01:31 success a").expect("d2 12:00 up due d3 01:30");
    let half_hours = autumn("*/30 * * * *").expect("d2 00:45 new").expect("d2 02:45 down missed");
    assert_eq!(half_hours.called.changes.missed[0].1.count, 6);
}

#[test]
fn fault_37_a_job_of_29_february_is_due_in_leap_years() {
    Story::new("0 5 29 2 *").grace("1h").expect("00:00 new next d464 05:00").expect("d464 06:00 down missed");
}

#[test]
fn fault_38_nothing_happens_in_a_leap_second() {
    let second = "2016-12-31T23:59:60Z".parse().unwrap();
    let leap = Evidence::new(slug(), run("a"), Kind::Success, second);
    Story::new("0 * * * *")
        .first_day("2016-12-31")
        .expect("23:30 new")
        .hears(leap)
        .expect("d2 00:01 up due d2 01:00");
}

#[test]
fn fault_39_a_zone_that_does_not_exist_is_an_error_and_never_utc() {
    use tenko_core::schedule::{Schedule, ScheduleSpec};
    let spec = ScheduleSpec { every: Some("1h".into()), tz: Some("Asia/Tokio".into()), ..Default::default() };
    assert!(Schedule::resolve(&spec, &jiff::tz::TimeZone::UTC).is_err());
}

#[test]
fn fault_40_a_zone_that_was_renamed_is_known_by_its_old_name() {
    let kyiv = |zone: &str| Story::new("0 5 * * *").zone(zone).expect("00:00 new").state().fold.due;
    assert_eq!(kyiv("Europe/Kiev"), kyiv("Europe/Kyiv"));
}

#[test]
fn fault_41_a_sender_a_day_ahead_is_believed_no_further_than_the_store() {
    let mut story = daily();
    let mut evidence = Evidence::new(slug(), run("a"), Kind::Success, story.moment("d2 05:10"));
    evidence.received_at = Some(story.moment("d1 05:10"));
    assert!(evidence.clock_ahead().is_some());
    story.hears(evidence).expect("d1 05:31 up since 05:10 due d2 05:00").expect("d2 05:30 down missed");
}

/// A day behind looks the same as a day under way. It answers no due of today, and is said to be late.
#[test]
fn fault_41_a_sender_a_day_behind_is_late() {
    let mut story = daily();
    let mut evidence = Evidence::new(slug(), run("a"), Kind::Success, story.moment("d1 05:10"));
    evidence.received_at = Some(story.moment("d2 05:10"));
    assert!(evidence.is_late_delivered());
    story.hears(evidence).expect("d2 05:31 down missed since d2 05:30");
}

#[test]
fn fault_42_a_checker_that_was_down_for_hours_tells_one_thing() {
    hourly().at("01:05 success a").at("02:30 fail b 1").expect("09:00 down missed").told("down");
    hourly().at("01:05 success a").at("08:05 success b").expect("08:30 up").told("up brief");
}

#[test]
fn fault_42_more_than_a_hundred_missed_dues_stop_nothing() {
    Story::new("* * * * *")
        .grace("30s")
        .expect("00:00:10 new")
        .expect("d2 00:00:15 down missed since d1 00:01:30 next d2 00:01")
        .missed("00:01..23:59 x1439")
        .at("d2 00:00:20 success a")
        .expect("d2 00:00:21 up due d2 00:01");
}

#[test]
fn fault_43_a_checker_restarted_every_ten_seconds_tells_nobody_twice() {
    let mut story = hourly();
    let mut told = Vec::new();
    for second in (0..3600).step_by(10) {
        story = story.call(&format!("01:{:02}:{:02}", second / 60, second % 60));
        told.extend(story.called.notices.iter().map(|notice| notice.kind));
    }
    assert_eq!(told, [NoticeKind::Down]);
    story.shown("01:59:50 down missed since 01:10");
}

#[test]
fn fault_58_a_reminder_is_the_same_however_often_it_is_decided() {
    let decide = |time: &str| {
        let mut story = daily().remind("4h").expect("05:30 down missed");
        story = story.call(time);
        story.called.notices[0].id
    };
    assert_eq!(decide("09:30"), decide("13:29"));
    assert_ne!(decide("09:30"), decide("13:30"));
}

#[test]
fn fault_57_who_is_told_again_and_again_is_told_that_it_is_flapping() {
    let mut story = Story::new("").expect("04:59 new");
    let mut told = Vec::new();
    for minute in (0..60).step_by(5) {
        story = story
            .at(&format!("05:{minute:02} fail a{minute} 1"))
            .expect(&format!("05:{minute:02} down failed"));
        told.push(story.called.notices[0].facts.flips);
        let again = minute + 1;
        story = story.at(&format!("05:{again:02} success b{minute}")).expect(&format!("05:{again:02} up"));
        told.push(story.called.notices[0].facts.flips);
    }
    assert_eq!(told[..6], [None, None, None, None, Some(5), Some(6)]);
    assert!(told[9..].iter().all(|count| *count == Some(10)), "no more are remembered: {told:?}");
    let calm = story.at("07:30 fail c 1").expect("07:30 down failed").told("down");
    assert_eq!(calm.called.notices[0].facts.flips, None);
}

#[test]
fn fault_57_more_failures_and_recoveries_in_a_row_make_it_calm() {
    let mut story =
        Story::new("").failures(2).recoveries(2).expect("04:59 new").at("04:59 success z").expect("05:00 up");
    for minute in (10..60).step_by(5) {
        story = story
            .at(&format!("05:{minute:02} fail a{minute} 1"))
            .expect(&format!("05:{minute:02} up"))
            .told("");
        let again = minute + 1;
        story = story
            .at(&format!("05:{again:02} success b{minute}"))
            .expect(&format!("05:{again:02} up"))
            .told("");
    }
}
