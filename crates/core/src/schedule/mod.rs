//! placeholder until the schedule module lands
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    pub every: Option<String>,
    pub cron: Vec<String>,
    pub on_calendar: Vec<String>,
    pub tz: Option<String>,
    pub scheduler: Option<Scheduler>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheduler {
    Cron,
}
#[derive(Clone, Debug)]
pub enum Schedule {
    Unscheduled,
    Every { period: SignedDuration },
}
static UTC: TimeZone = TimeZone::UTC;
impl Schedule {
    pub fn next_due(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let Self::Every { period } = self else { return None };
        let k = after.duration_since(anchor).as_millis().div_euclid(period.as_millis()) + 1;
        anchor.checked_add(*period * i32::try_from(k.max(1)).ok()?).ok()
    }
    pub fn previous_due(&self, anchor: Timestamp, before: Timestamp) -> Option<Timestamp> {
        let Self::Every { period } = self else { return None };
        let k = (before.duration_since(anchor).as_millis() - 1).div_euclid(period.as_millis());
        if k < 1 {
            return None;
        }
        anchor.checked_add(*period * i32::try_from(k).ok()?).ok()
    }
    pub fn time_zone(&self) -> &TimeZone {
        &UTC
    }
    pub fn in_words(&self) -> Option<String> {
        None
    }
}
