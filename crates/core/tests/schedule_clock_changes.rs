//! What each scheduler does in every clock change from 2026 to 2030, in ten zones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod schedule_support;

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use schedule_support::{at, cron_under, zone};
use tenko_core::schedule::{Direction, Scheduler};

const ZONES: [&str; 10] = [
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
];

const SCHEDULERS: [Scheduler; 3] = [Scheduler::Cron, Scheduler::Systemd, Scheduler::Kubernetes];

/// A line for each change: when, from which to which wall time; then for a job at a fixed time within the hour that is
/// skipped or repeated, and for one every half hour, the dues by the wall clock with their offset.
fn table(name: &str) -> String {
    let zone = zone(name);
    let changes = zone
        .following(at("2026-01-01T00:00Z"))
        .take_while(|change| change.timestamp() < at("2031-01-01T00:00Z"));
    let mut text = String::new();
    for change in changes.map(|change| change.timestamp()) {
        let before = zone.to_offset(change - SignedDuration::from_secs(1)).to_datetime(change);
        let after = zone.to_datetime(change);
        writeln!(text, "{} {} -> {}", before.date(), before.strftime("%H:%M"), after.strftime("%a %H:%M"))
            .unwrap();
        let odd = before.min(after) + SignedDuration::from_mins(20);
        let fixed = format!("{} {} * * *", odd.minute(), odd.hour());
        for (job, expression) in [("fixed", fixed.as_str()), ("half-hourly", "*/30 * * * *")] {
            for scheduler in SCHEDULERS {
                let dues = dues(expression, name, &zone, scheduler, change);
                writeln!(text, "  {job:11} {:10} {dues}", format!("{scheduler:?}").to_lowercase()).unwrap();
            }
        }
    }
    text
}

/// The dues in the two hours on each side of a change.
fn dues(expression: &str, name: &str, zone: &TimeZone, scheduler: Scheduler, change: Timestamp) -> String {
    let schedule = cron_under(expression, name, scheduler);
    let around = SignedDuration::from_mins(121);
    let dues = schedule.occurrences(change, change - around, Direction::Forward);
    let shown = dues.take_while(|due| *due < change + around).map(|due| {
        let mark = if due < change { "" } else { "'" };
        format!("{}{mark}", zone.to_datetime(due).strftime("%H:%M"))
    });
    let shown = shown.collect::<Vec<_>>().join(" ");
    if shown.is_empty() { "none".to_owned() } else { shown }
}

/// Times after the change are marked with an apostrophe.
#[test]
fn every_change_of_five_years_in_ten_zones() {
    for name in ZONES {
        insta::assert_snapshot!(name.replace('/', "_"), table(name));
    }
}

#[test]
fn event_bridge_does_as_systemd_does() {
    for name in ZONES {
        let zone = zone(name);
        for change in zone.following(at("2026-01-01T00:00Z")).take(10).map(|change| change.timestamp()) {
            let [bridge, systemd] = [Scheduler::Eventbridge, Scheduler::Systemd]
                .map(|scheduler| dues("*/10 * * * *", name, &zone, scheduler, change));
            assert_eq!(bridge, systemd, "{name} {change}");
        }
    }
}
