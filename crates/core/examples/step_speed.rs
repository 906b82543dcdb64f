//! How many steps one core decides in a second: `cargo run --release -p tenko-core --example step_speed`.
#![expect(clippy::print_stdout, reason = "a figure for people")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::{Event, Evidence, Job, JobState, Kind, RunId, Slug, step};
use uuid::Uuid;

const JOBS: usize = 1000;
const DAYS: usize = 100;
/// How often the roll is called between one due and the next.
const LOOKS: i64 = 20;

fn main() {
    let spec = ScheduleSpec { cron: vec!["0 5 * * *".to_owned()], ..ScheduleSpec::default() };
    let tokyo = TimeZone::get("Asia/Tokyo").expect("the zone is compiled in");
    let schedule = Schedule::resolve(&spec, &tokyo).expect("it is a good line");
    let slug = Slug::new("daily").expect("it is a good name");
    let job = Job::new(slug.clone(), schedule);
    let due: Timestamp = "2026-11-23T20:00:00Z".parse().expect("it is a moment");
    let day = SignedDuration::from_hours(24);
    let new = || vec![JobState::new(&job, due - SignedDuration::from_hours(1)); JOBS];
    let said = |kind, minute: i64, run: usize, round: usize| {
        let at = due + day * i32::try_from(round).unwrap_or(0) + SignedDuration::from_mins(minute);
        Evidence::new(slug.clone(), RunId(Uuid::from_u128((round * JOBS + run) as u128)), kind, at)
    };

    let nothing = measure(new(), |state, round, _| {
        let morning = due + day * i32::try_from(round).unwrap_or(0);
        for minute in 0..LOOKS {
            let now = morning - SignedDuration::from_mins(minute);
            black_box(step(&job, state, Event::TimePassed, &[], now.min(due)));
        }
    });
    report("time passed, nothing due", nothing, JOBS * DAYS * LOOKS as usize);

    let missed = measure(new(), |state, round, _| {
        let now = due + day * i32::try_from(round).unwrap_or(0) + SignedDuration::from_hours(1);
        black_box(step(&job, state, Event::TimePassed, &[], now));
    });
    report("time passed, a due was missed", missed, JOBS * DAYS);

    let pieces: Vec<Vec<Evidence>> =
        (0..DAYS).map(|round| (0..JOBS).map(|run| said(Kind::Success, 10, run, round)).collect()).collect();
    let success = measure(new(), |state, round, run| {
        let piece = &pieces[round][run];
        black_box(step(&job, state, Event::Evidence(piece), &[], piece.at));
    });
    report("a success in time", success, JOBS * DAYS);

    let mix = measure(new(), |state, round, run| {
        let piece = &pieces[round][run];
        black_box(step(&job, state, Event::Evidence(piece), &[], piece.at));
        for minute in 11..11 + LOOKS {
            let now = piece.at + SignedDuration::from_mins(minute);
            black_box(step(&job, state, Event::TimePassed, &[], now));
        }
    });
    report("a day of a job: a success, 20 looks", mix, JOBS * DAYS * (1 + LOOKS as usize));
}

fn measure(mut states: Vec<JobState>, mut each: impl FnMut(&mut JobState, usize, usize)) -> Duration {
    let began = Instant::now();
    for round in 0..DAYS {
        for (run, state) in states.iter_mut().enumerate() {
            each(state, round, run);
        }
    }
    began.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn report(what: &str, took: Duration, steps: usize) {
    let seconds = took.as_secs_f64();
    let (millions, nanos) = (steps as f64 / seconds / 1e6, seconds * 1e9 / steps as f64);
    println!("{what:<36} {millions:>8.2} million/s {nanos:>8.1} ns");
}
