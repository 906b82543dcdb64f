//! How quickly the core decides.

use std::hint::black_box;
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::{Event, Evidence, Job, JobState, Kind, RunId, Slug, step};
use uuid::Uuid;

use crate::table;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Five rounds of so many days end before the year 2200, which is as far as schedules go.
const DAYS: u32 = 16_000;

/// Steps and next occurrences per second, on one core.
pub(crate) fn measure() {
    let rows = vec![
        row("step, time passed and nothing is due", idle_steps()),
        row("step, a success answers a due", answering_steps(0)),
        row("step, mix of 9 looks and 1 success per due", answering_steps(9)),
        row("next due, `0 5 * * *` in Asia/Tokyo", next_dues("0 5 * * *", "Asia/Tokyo")),
        row("next due, `*/5 * * * *` in Europe/London", next_dues("*/5 * * * *", "Europe/London")),
        row("next due, `30 2 L * *` in America/New_York", next_dues("30 2 L * *", "America/New_York")),
    ];
    table::print("How quickly it decides (one core)", &["what", "per second"], &rows);
}

fn row(name: &str, per_second: f64) -> Vec<String> {
    vec![name.to_owned(), table::count(per_second)]
}

fn daily() -> Job {
    Job::new(Slug::new("daily").expect("valid"), schedule("0 5 * * *", "Asia/Tokyo"))
}

fn schedule(cron: &str, zone: &str) -> Schedule {
    let spec = ScheduleSpec { cron: vec![cron.into()], tz: Some(zone.into()), ..ScheduleSpec::default() };
    Schedule::resolve(&spec, &TimeZone::UTC).expect("the expression is valid")
}

fn success(job: &Job, at: Timestamp, number: u128) -> Evidence {
    Evidence::new(job.slug.clone(), RunId(Uuid::from_u128(number)), Kind::Success, at)
}

fn idle_steps() -> f64 {
    let job = daily();
    let start = Timestamp::UNIX_EPOCH;
    let mut state = JobState::new(&job, start);
    let now = start + SignedDuration::from_secs(1);
    per_second(10_000_000, || {
        black_box(step(&job, &mut state, Event::TimePassed, &[], black_box(now)));
    })
}

/// Steps per second where a success answers each due, and so many looks follow it.
fn answering_steps(looks: u32) -> f64 {
    let job = daily();
    let mut at = Timestamp::UNIX_EPOCH;
    let mut state = JobState::new(&job, at);
    let mut number = 0;
    let dues = per_second(DAYS, || {
        number += 1;
        at += DAY;
        black_box(step(&job, &mut state, Event::Evidence(&success(&job, at, number)), &[], at));
        for minute in 1..=looks {
            let now = at + SignedDuration::from_mins(minute.into());
            black_box(step(&job, &mut state, Event::TimePassed, &[], now));
        }
    });
    dues * f64::from(1 + looks)
}

fn next_dues(cron: &str, zone: &str) -> f64 {
    let schedule = schedule(cron, zone);
    let mut at = Timestamp::UNIX_EPOCH;
    per_second(DAYS, || {
        at = schedule.next_due(at, at).unwrap_or(Timestamp::UNIX_EPOCH);
        black_box(at);
    })
}

/// The median of five rounds.
fn per_second(times: u32, mut work: impl FnMut()) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        rounds.push(f64::from(times) / start.elapsed().as_secs_f64());
    }
    table::median(rounds)
}
