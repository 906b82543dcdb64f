//! TEMP until the config branch lands.
use jiff::tz::TimeZone;
use super::{Job, JobSpec};
use crate::{Slug, schedule::Schedule};
impl JobSpec { pub fn resolve(&self, slug: Slug, tz: &TimeZone, _d: Option<&JobSpec>) -> Result<Job, Vec<crate::schedule::ScheduleError>> {
  Ok(Job::new(slug, Schedule::resolve(&self.schedule, tz).map_err(|e| vec![e])?)) } }
