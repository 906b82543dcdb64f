//! Many daily jobs, and what they leave behind.

use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::ScheduleSpec;
use tenko_core::{Declaration, Evidence, JobSpec, Kind, RunId, Slug};
use uuid::Uuid;

/// One day on which all of them declare themselves, and three that are measured.
pub(super) const DAYS: usize = 4;

const MINUTES: usize = 24 * 60;

/// Daily jobs, spread over the minutes of the day, and the last days up to now.
pub(super) struct Days {
    count: usize,
    now: Timestamp,
}

impl Days {
    pub(super) fn new(count: usize) -> Self {
        // Two minutes ago everything has happened, whichever second it is.
        let minute = Timestamp::now().as_second() / 60 * 60 - 120;
        Self { count, now: Timestamp::from_second(minute).expect("the present can be told") }
    }

    /// When the roll of a day is called.
    pub(super) fn end_of(&self, day: usize) -> Timestamp {
        self.now - SignedDuration::from_hours(24) * i32::try_from(DAYS - 1 - day).expect("there are few days")
    }

    /// What the jobs left on a day, in order of time. The digest is in all of it, as it is when `tenko run` says what
    /// is expected, and the declaration itself as well.
    pub(super) fn evidence(&self, day: usize) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = (0..self.count).map(|job| self.success(job, day)).collect();
        evidence.sort_by_key(|piece| piece.at);
        evidence
    }

    fn success(&self, job: usize, day: usize) -> Evidence {
        let due =
            self.end_of(day) - SignedDuration::from_mins(i64::try_from(MINUTES - job % MINUTES).unwrap_or(1));
        let slug = Slug::new(&format!("job-{job:06}")).expect("the name is valid");
        let at = due + SignedDuration::from_secs(30);
        let run = RunId(Uuid::from_u128((day as u128) << 64 | job as u128));
        let mut piece = Evidence::new(slug, run, Kind::Success, at);
        piece.declaration =
            Some(Declaration { digest: format!("{:08x}", job % MINUTES), spec: Some(daily(due).into()) });
        piece
    }
}

fn daily(due: Timestamp) -> JobSpec {
    let minutes = due.as_second() / 60 % 1440;
    let cron = vec![format!("{} {} * * *", minutes % 60, minutes / 60)];
    let schedule = ScheduleSpec { cron, tz: Some("UTC".into()), ..ScheduleSpec::default() };
    JobSpec { schedule, grace: Some("30m".into()), ..JobSpec::default() }
}
