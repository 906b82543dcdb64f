//! What schedules mean, as timelines.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod schedule_support;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use schedule_support::{at, cron, dues, on_calendar, previous, resolve};
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec, Scheduler};

fn spec(zone: &str) -> ScheduleSpec {
    ScheduleSpec { tz: Some(zone.to_owned()), ..ScheduleSpec::default() }
}

#[test]
fn the_founding_case_is_due_at_five_in_tokyo_which_is_twenty_utc() {
    let schedule = cron("0 5 * * *", "Asia/Tokyo");
    assert_eq!(dues(&schedule, "2019-12-06T00:00Z", 2), ["2019-12-06T20:00:00Z", "2019-12-07T20:00:00Z"]);
    assert_eq!(schedule.to_string(), "0 5 * * * (Asia/Tokyo)");
    assert_eq!(schedule.time_zone().iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn a_due_is_strictly_after_and_strictly_before() {
    let schedule = cron("0 5 * * *", "UTC");
    let due = at("2026-03-01T05:00Z");
    let moment = SignedDuration::from_nanos(1);
    assert_eq!(schedule.next_due(due, due - moment), Some(due));
    assert_eq!(schedule.next_due(due, due), Some(at("2026-03-02T05:00Z")));
    assert_eq!(schedule.previous_due(due, due + moment), Some(due));
    assert_eq!(schedule.previous_due(due, due), Some(at("2026-02-28T05:00Z")));
}

#[test]
fn every_counts_from_its_anchor_and_not_before() {
    let schedule = resolve(&ScheduleSpec { every: Some("15m".to_owned()), ..spec("Asia/Tokyo") });
    let anchor = at("2026-01-01T00:07:30Z");
    assert_eq!(schedule.next_due(anchor, at("2020-01-01T00:00Z")), Some(at("2026-01-01T00:22:30Z")));
    assert_eq!(schedule.next_due(anchor, at("2026-01-01T00:22:30Z")), Some(at("2026-01-01T00:37:30Z")));
    assert_eq!(schedule.previous_due(anchor, at("2026-01-01T00:22:30Z")), None);
    assert_eq!(schedule.previous_due(anchor, at("2026-01-01T00:22:31Z")), Some(at("2026-01-01T00:22:30Z")));
    assert_eq!(schedule.next_due(anchor, Timestamp::MAX), None);
    assert_eq!(schedule.in_words().as_deref(), Some("every 15m"));
    assert_eq!(schedule.time_zone().iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn without_a_schedule_nothing_is_ever_due_but_the_zone_is_kept() {
    let schedule = resolve(&spec("Asia/Tokyo"));
    assert!(matches!(schedule, Schedule::Unscheduled { .. }));
    assert_eq!(schedule.next_due(Timestamp::MIN, Timestamp::MIN), None);
    assert_eq!(schedule.previous_due(Timestamp::MAX, Timestamp::MAX), None);
    assert_eq!(schedule.in_words(), None);
    assert_eq!(schedule.time_zone().iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for schedule in [cron("* * * * *", "Asia/Tokyo"), cron("0 0 29 2 1", "America/St_Johns")] {
        for instant in [Timestamp::MIN, Timestamp::MAX] {
            assert!(schedule.next_due(instant, Timestamp::MAX).is_none());
            assert!(schedule.previous_due(instant, Timestamp::MIN).is_none());
            assert!(schedule.next_due(instant, Timestamp::MIN) >= Some(at("1969-12-31T00:00Z")));
            assert!(schedule.previous_due(instant, Timestamp::MAX) < Some(at("2200-01-02T00:00Z")));
        }
    }
}

#[test]
fn a_list_is_merged_and_what_falls_together_is_due_once() {
    let cron = ["0 6 * * *", "0 */6 * * *", "30 6 1 * *"].map(str::to_owned).to_vec();
    let schedule = resolve(&ScheduleSpec { cron, ..spec("UTC") });
    let expected =
        ["2026-05-01T00:00:00Z", "2026-05-01T06:00:00Z", "2026-05-01T06:30:00Z", "2026-05-01T12:00:00Z"];
    assert_eq!(dues(&schedule, "2026-04-30T23:59Z", 4), expected);
}

#[test]
fn leap_days_and_month_ends() {
    let due = |expression| {
        dues(&cron(expression, "UTC"), "2026-01-31T12:00Z", 4).join(" ").replace("T00:00:00Z", "")
    };
    assert_eq!(due("0 0 29 2 *"), "2028-02-29 2032-02-29 2036-02-29 2040-02-29");
    assert_eq!(due("0 0 31 * *"), "2026-03-31 2026-05-31 2026-07-31 2026-08-31");
    assert_eq!(due("0 0 L * *"), "2026-02-28 2026-03-31 2026-04-30 2026-05-31");
    assert_eq!(due("0 0 L-2 * *"), "2026-02-26 2026-03-29 2026-04-28 2026-05-29");
    assert_eq!(due("0 0 LW * *"), "2026-02-27 2026-03-31 2026-04-30 2026-05-29");
    assert_eq!(due("0 0 1W * *"), "2026-02-02 2026-03-02 2026-04-01 2026-05-01");
    assert_eq!(due("0 0 31W * *"), "2026-03-31 2026-05-29 2026-07-31 2026-08-31");
    assert_eq!(due("0 0 * * 5L"), "2026-02-27 2026-03-27 2026-04-24 2026-05-29");
    assert_eq!(due("0 0 * * MON#5"), "2026-03-30 2026-06-29 2026-08-31 2026-11-30");
    assert_eq!(due("0 0 29 2 *"), due("0 0 29 FEB *"));
}

#[test]
fn debian_joins_the_day_fields_with_or_unless_one_starts_with_a_star() {
    let due = |expression| {
        dues(&cron(expression, "UTC"), "2026-06-01T00:00Z", 3).join(" ").replace("T00:00:00Z", "")
    };
    assert_eq!(due("0 0 13 * FRI"), "2026-06-05 2026-06-12 2026-06-13");
    assert_eq!(due("0 0 */2 * MON"), "2026-06-15 2026-06-29 2026-07-13");
    assert_eq!(due("0 0 13 * */5"), "2026-09-13 2026-11-13 2026-12-13");
    assert_eq!(due("0 0 * * 7"), "2026-06-07 2026-06-14 2026-06-21");
    assert_eq!(due("0 0 * * 5-7"), "2026-06-05 2026-06-06 2026-06-07");
}

#[test]
fn kubernetes_reads_steps_in_its_own_way() {
    let kubernetes = |text: &str| {
        let cron = vec![text.to_owned()];
        resolve(&ScheduleSpec { cron, scheduler: Some(Scheduler::Kubernetes), ..spec("UTC") })
    };
    let days = |text| dues(&kubernetes(text), "2026-06-01T00:00Z", 3).join(" ").replace("T00:00:00Z", "");
    assert_eq!(days("0 0 */2 * MON"), "2026-06-03 2026-06-05 2026-06-07");
    assert_eq!(days("0 0 ? * MON"), "2026-06-08 2026-06-15 2026-06-22");
    let hour = dues(&kubernetes("5/20 3 * * *"), "2026-06-01T00:00Z", 3).join(" ");
    assert_eq!(hour, "2026-06-01T03:05:00Z 2026-06-01T03:25:00Z 2026-06-01T03:45:00Z");
}

#[test]
fn nicknames_mean_what_crontab_5_says() {
    let due = |name| dues(&cron(name, "UTC"), "2026-06-05T12:30Z", 1).join("");
    assert_eq!(due("@hourly"), "2026-06-05T13:00:00Z");
    assert_eq!(due("@daily"), "2026-06-06T00:00:00Z");
    assert_eq!(due("@midnight"), "2026-06-06T00:00:00Z");
    assert_eq!(due("@weekly"), "2026-06-07T00:00:00Z");
    assert_eq!(due("@monthly"), "2026-07-01T00:00:00Z");
    assert_eq!(due("@yearly"), "2027-01-01T00:00:00Z");
    assert_eq!(due("@ANNUALLY"), "2027-01-01T00:00:00Z");
}

#[test]
fn a_day_that_a_zone_skipped_is_a_correction_that_cron_does_not_make_up_for() {
    // Samoa went from 2011-12-29 straight to 2011-12-31.
    let daily = cron("0 5 * * *", "Pacific/Apia");
    assert_eq!(
        dues(&daily, "2011-12-29T00:00Z", 3),
        ["2011-12-29T15:00:00Z", "2011-12-30T15:00:00Z", "2011-12-31T15:00:00Z"]
    );
    let on_the_30th = cron("0 5 30 * *", "Pacific/Apia");
    assert_eq!(dues(&on_the_30th, "2011-12-01T00:00Z", 1), ["2012-01-29T15:00:00Z"]);
}

#[test]
fn a_skipped_midnight_is_made_up_for_at_one() {
    let midnight = cron("0 0 * * *", "Africa/Cairo");
    assert_eq!(dues(&midnight, "2026-04-22T23:00Z", 2), ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]);
    let systemd = on_calendar("daily", "Africa/Cairo");
    assert_eq!(dues(&systemd, "2026-04-22T23:00Z", 1), ["2026-04-24T21:00:00Z"]);
}

#[test]
fn a_zone_in_the_expression_wins() {
    let schedule = on_calendar("Mon..Fri *-*-* 05:00 Asia/Tokyo", "Europe/Berlin");
    assert_eq!(dues(&schedule, "2026-06-05T12:00Z", 1), ["2026-06-07T20:00:00Z"]);
    assert_eq!(schedule.time_zone().iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn old_names_of_zones_are_accepted() {
    for (old, new) in [
        ("Europe/Kiev", "Europe/Kyiv"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("US/Pacific", "America/Los_Angeles"),
    ] {
        let [old, new] = [old, new].map(|zone| dues(&cron("30 2 * * *", zone), "2026-03-01T00:00Z", 40));
        assert_eq!(old, new);
    }
}

#[test]
fn a_past_year_is_legal_and_never_due_again() {
    let schedule = on_calendar("2020-02-29 05:00", "UTC");
    assert_eq!(schedule.next_due(Timestamp::MIN, at("2026-01-01T00:00Z")), None);
    assert_eq!(previous(&schedule, "2026-01-01T00:00Z").as_deref(), Some("2020-02-29T05:00:00Z"));
}

#[test]
fn occurrences_walk_both_ways() {
    let schedule = cron("0 0 1 * *", "Asia/Tokyo");
    let from = at("2026-06-15T00:00Z");
    let back: Vec<_> =
        schedule.occurrences(from, from, Direction::Back).take(2).map(|t| t.to_string()).collect();
    assert_eq!(back, ["2026-05-31T15:00:00Z", "2026-04-30T15:00:00Z"]);
    assert_eq!(schedule.occurrences(from, at("2199-12-31T00:00Z"), Direction::Forward).count(), 0);
    assert_eq!(resolve(&spec("UTC")).occurrences(from, from, Direction::Back).next(), None);
}

#[test]
fn a_fixed_offset_is_a_zone_too() {
    let zone = TimeZone::fixed(jiff::tz::offset(9));
    let spec = ScheduleSpec { cron: vec!["0 5 * * *".to_owned()], ..ScheduleSpec::default() };
    let schedule = Schedule::resolve(&spec, &zone).unwrap();
    assert_eq!(dues(&schedule, "2026-01-01T00:00Z", 1), ["2026-01-01T20:00:00Z"]);
    assert_eq!(schedule.to_string(), "0 5 * * * (UTC+09)");
}

#[test]
fn a_period_of_nothing_made_by_hand_is_never_due() {
    let schedule = Schedule::Every { period: SignedDuration::ZERO, tz: TimeZone::UTC };
    assert_eq!(schedule.next_due(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH), None);
    assert_eq!(schedule.previous_due(Timestamp::UNIX_EPOCH, Timestamp::MAX), None);
}

#[test]
fn the_words_of_a_schedule_tell_whose_rule_applies() {
    let mut spec =
        ScheduleSpec { cron: vec!["0 5 * * *".into()], tz: Some("Asia/Tokyo".into()), ..Default::default() };
    let words = |spec: &ScheduleSpec| Schedule::resolve(spec, &TimeZone::UTC).unwrap().in_words().unwrap();
    assert_eq!(words(&spec), "0 5 * * * (Asia/Tokyo)");
    spec.scheduler = Some(Scheduler::Kubernetes);
    assert_eq!(words(&spec), "0 5 * * * (Asia/Tokyo, kubernetes)");
}
