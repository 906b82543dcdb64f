//! What is expected of a job.

mod pings;
mod resolve;

use jiff::{SignedDuration, Timestamp};

use serde::{Deserialize, Serialize};

use crate::name::{ChannelName, Slug};
use crate::schedule::{Schedule, ScheduleSpec};

pub use pings::{Otherwise, PingRules, Place};
pub use resolve::SpecError;

/// Something that is expected to run, resolved: nothing in it can be wrong any more.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub slug: Slug,
    /// When it is due.
    pub schedule: Schedule,
    /// What counts as late, too long, too quick.
    pub limits: Limits,
    /// Who is told, in the order of the configuration.
    pub channels: Vec<ChannelName>,
    /// How often to remind while the job stays down; never if `None`.
    pub remind: Option<SignedDuration>,
    /// From when on it is expected; the roll call that first sees it, if `None`.
    pub expected_from: Option<Timestamp>,
    /// One line for people.
    pub description: Option<String>,
    /// Where to read what to do when it is down.
    pub runbook: Option<String>,
    /// Whether its evidence is a plain object that somebody else writes, so that no wrapper reports for it.
    pub plain_object: bool,
    /// How pings are to be understood, if not by their URL alone.
    pub pings: Option<PingRules>,
}

impl Job {
    /// A job with default limits that tells nobody.
    pub fn new(slug: Slug, schedule: Schedule) -> Self {
        Self {
            slug,
            schedule,
            limits: Limits::default(),
            channels: Vec::new(),
            remind: None,
            expected_from: None,
            description: None,
            runbook: None,
            plain_object: false,
            pings: None,
        }
    }
}

/// The limits of a job, each separate. All lengths are positive; days have 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A success must arrive by due + this, unless a run is under way and `max_runtime` is set.
    pub grace: SignedDuration,
    /// A run must show itself by due + this.
    pub start_within: Option<SignedDuration>,
    /// A started run must end within this.
    pub max_runtime: Option<SignedDuration>,
    /// A success quicker than this is `too_quick`.
    pub min_runtime: Option<SignedDuration>,
    /// An answer this long before a due still answers it; never more than a tenth of the gap between dues.
    pub early: SignedDuration,
    /// So many bad answers in a row turn the job down; at least 1.
    pub failures: u32,
    /// So many good answers in a row turn the job up again; at least 1.
    pub recoveries: u32,
    /// Exit codes that count as success.
    pub clean_exit: Vec<u8>,
}

impl Limits {
    /// The most answers in a row that can be asked for.
    pub const MAX_IN_A_ROW: u32 = 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_hours(1),
            start_within: None,
            max_runtime: None,
            min_runtime: None,
            early: SignedDuration::from_mins(1),
            failures: 1,
            recoveries: 1,
            clean_exit: vec![0],
        }
    }
}

/// What was said about a job: in a configuration, by flags of the wrapper, or in the body of its evidence. Lengths are
/// texts such as `30m`; [`JobSpec::resolve`] turns all of it into a [`Job`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// When it is due.
    #[serde(default)]
    pub schedule: ScheduleSpec,
    /// See [`Limits::grace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// See [`Limits::start_within`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_within: Option<String>,
    /// See [`Limits::max_runtime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<String>,
    /// See [`Limits::min_runtime`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_runtime: Option<String>,
    /// See [`Limits::early`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<String>,
    /// See [`Limits::failures`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// See [`Limits::recoveries`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoveries: Option<u32>,
    /// See [`Limits::clean_exit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_exit: Option<Vec<u8>>,
    /// See [`Job::remind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind: Option<String>,
    /// See [`Job::channels`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Vec<String>>,
    /// See [`Job::description`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`Job::runbook`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// See [`Job::pings`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pings: Option<PingRules>,
}
