//! What jobs and roll calls use in a month of 30 days.

use jiff::{SignedDuration, Timestamp};
use tenko_core::Job;
use tenko_core::schedule::Schedule;

use super::timetable::{MONTH, dues_until};
use crate::config::Config;

/// How much further back a roll call lists than the last one got, in seconds.
const OVERLAP: f64 = 15.0 * 60.0;
/// A body of evidence: host, duration, a little output.
const EVIDENCE_BYTES: f64 = 700.0;
/// A plain object that only says that it is there.
const OBJECT_BYTES: f64 = 50.0;
/// A roll: what it has without any job, and for each of them (measured, compressed).
const ROLL_BYTES: (f64, f64) = (400.0, 60.0);
/// What a call leaves in the log: three lines of Lambda and one of Tenko.
const LOG_BYTES: f64 = 900.0;
/// How many dues of one job are counted.
const MOST_DUES: usize = 50_000;
const DAY: f64 = 86_400.0;
const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What jobs leave in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    /// How many jobs there are.
    pub(super) jobs: f64,
    /// How many pieces of evidence they leave.
    pub(super) pieces: f64,
    /// How many plain objects are waited for.
    pub(super) objects: f64,
    /// For how long each of these is asked for at most, in seconds; the mean.
    pub(super) waited: f64,
}

/// How the roll is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    /// How often in a month.
    pub(super) count: f64,
    /// Memory of the function in gigabytes.
    pub(super) memory: f64,
    /// How long a call takes; estimated, if nobody says it.
    pub(super) seconds: Option<f64>,
    /// For how many days evidence and rolls are kept.
    pub(super) kept: (f64, f64),
    /// Whether there is a store; else nothing is kept, and the function has its configuration in its environment.
    pub(super) store: bool,
}

/// What is used in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) evidence_puts: f64,
    pub(super) evidence_gb: f64,
    pub(super) lists: f64,
    pub(super) gets: f64,
    pub(super) heads: f64,
    pub(super) roll_puts: f64,
    pub(super) roll_gb: f64,
    pub(super) calls: f64,
    pub(super) gb_seconds: f64,
    pub(super) log_gb: f64,
    pub(super) alarms: f64,
}

impl Load {
    /// So many jobs as in the founding case: once a day, and one piece of evidence at the end.
    pub(super) fn founding(jobs: u32) -> Self {
        let jobs = f64::from(jobs);
        Self { jobs, pieces: jobs * 30.0, ..Self::default() }
    }

    /// The same where nothing is kept: the piece of evidence is a plain object.
    pub(super) fn founding_objects(jobs: u32) -> Self {
        let load = Self::founding(jobs);
        Self { objects: load.pieces, ..load }
    }

    /// The configured jobs. `tenko run` leaves a start and an end of each run.
    pub(super) fn configured(config: &Config, now: Timestamp) -> Self {
        let mut load = Self::default();
        let mut waited = 0.0;
        for configured in config.jobs.values() {
            let runs = runs(&configured.job, now);
            load.jobs += 1.0;
            if configured.object.is_some() {
                load.objects += runs;
                waited += runs * configured.job.limits.grace.as_secs_f64();
            } else {
                load.pieces += 2.0 * runs;
            }
        }
        load.waited = if load.objects > 0.0 { waited / load.objects } else { 0.0 };
        load
    }
}

/// How often a job is due in 30 days.
fn runs(job: &Job, now: Timestamp) -> f64 {
    let until = now.checked_add(MONTH).unwrap_or(now);
    match &job.schedule {
        Schedule::Unscheduled { .. } => 0.0,
        Schedule::Every { period, .. } => MONTH.as_secs_f64() / period.as_secs_f64(),
        Schedule::Calendar(_) => {
            let count = dues_until(&job.schedule, now, until).take(MOST_DUES).count();
            u32::try_from(count).map_or(f64::MAX, f64::from)
        }
    }
}

impl Usage {
    /// What a month takes in which nothing fails: each failure adds a GET, each notice a PUT.
    pub(super) fn of(load: Load, calls: Calls) -> Self {
        if !calls.store {
            return Self::of_objects(load, calls);
        }
        let interval = MONTH.as_secs_f64() / calls.count;
        // What lies within the overlap is listed again.
        let listed = load.pieces * (1.0 + OVERLAP / interval);
        let pages = listed / 1000.0;
        let (evidence_days, roll_days) = calls.kept;
        let seconds = calls.seconds.unwrap_or_else(|| estimate(load.jobs, listed / calls.count));
        let roll = ROLL_BYTES.0 + ROLL_BYTES.1 * load.jobs;
        Self {
            evidence_puts: load.pieces,
            evidence_gb: load.pieces / 30.0 * evidence_days * EVIDENCE_BYTES / GB,
            // The newest roll is found by a LIST, and so is new evidence.
            lists: calls.count * 2.0 + pages,
            // The roll, and the configuration.
            gets: calls.count * 2.0,
            heads: load.objects * (load.waited / interval).max(1.0),
            roll_puts: calls.count,
            roll_gb: calls.count * DAY / MONTH.as_secs_f64() * roll_days * roll / GB,
            calls: calls.count,
            gb_seconds: calls.count * calls.memory * seconds,
            log_gb: calls.count * LOG_BYTES / GB,
            alarms: 3.0,
        }
    }
}

impl Usage {
    /// Where nothing is kept: each call asks for the object of each job, and for nothing else.
    fn of_objects(load: Load, calls: Calls) -> Self {
        let seconds = calls.seconds.unwrap_or_else(|| estimate(load.jobs, 0.0));
        Self {
            evidence_puts: load.pieces,
            evidence_gb: load.pieces / 30.0 * calls.kept.0 * OBJECT_BYTES / GB,
            heads: load.jobs * calls.count,
            calls: calls.count,
            gb_seconds: calls.count * calls.memory * seconds,
            log_gb: calls.count * LOG_BYTES / GB,
            alarms: 3.0,
            ..Self::default()
        }
    }
}

/// How long a cold call takes: to start and to connect, to list, to judge.
fn estimate(jobs: f64, listed: f64) -> f64 {
    0.3 + 0.1 * listed / 1000.0 + 50e-6 * jobs
}

/// How many calls a month has that come at this interval.
pub(super) fn at_intervals_of(interval: SignedDuration) -> f64 {
    MONTH.as_secs_f64() / interval.as_secs_f64()
}
