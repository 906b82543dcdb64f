//! Short ways to say a schedule and to see its dues.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

pub mod brute;
pub mod peer;
pub mod random;

use jiff::{Timestamp, tz::TimeZone};
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec, Scheduler};

pub fn resolve(spec: &ScheduleSpec) -> Schedule {
    Schedule::resolve(spec, &TimeZone::UTC).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
}

pub fn cron(expression: &str, zone: &str) -> Schedule {
    resolve(&ScheduleSpec {
        cron: vec![expression.to_owned()],
        tz: Some(zone.to_owned()),
        ..ScheduleSpec::default()
    })
}

pub fn cron_under(expression: &str, zone: &str, scheduler: Scheduler) -> Schedule {
    let spec = ScheduleSpec {
        cron: vec![expression.to_owned()],
        tz: Some(zone.to_owned()),
        ..ScheduleSpec::default()
    };
    resolve(&ScheduleSpec { scheduler: Some(scheduler), ..spec })
}

pub fn on_calendar(expression: &str, zone: &str) -> Schedule {
    let on_calendar = vec![expression.to_owned()];
    resolve(&ScheduleSpec { on_calendar, tz: Some(zone.to_owned()), ..ScheduleSpec::default() })
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn dues(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    schedule
        .occurrences(at(from), at(from), Direction::Forward)
        .take(count)
        .map(|due| due.to_string())
        .collect()
}

pub fn previous(schedule: &Schedule, before: &str) -> Option<String> {
    schedule.previous_due(at(before), at(before)).map(|due| due.to_string())
}

pub fn zone(name: &str) -> TimeZone {
    jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap()
}
