//! What is kept of a job between two roll calls: small, bounded, and rebuildable from its evidence.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::{Exit, Kind, RunId};

/// The most runs under way that are remembered of one job; the oldest is forgotten first.
pub const MAX_RUNNING: usize = 32;
/// The most flips that are remembered in the state of one job; the store's history may hold more.
pub const MAX_FLIPS: usize = 10;

/// What is true of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing was heard of it yet, and nothing was due.
    New,
    /// It answered.
    Up,
    /// A due passed unanswered and its grace has not ended. Shown, never stored: it follows from the time.
    Late,
    /// It is down, for a [`Reason`].
    Down,
    /// Somebody asked not to judge it.
    Paused,
    /// Its evidence can't be read. Shown, never stored: what was true before stays.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "new",
            Self::Up => "up",
            Self::Late => "late",
            Self::Down => "down",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
        })
    }
}

/// Why a job is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A due passed, and its grace, and no success arrived; or no start within `start_within`.
    Missed,
    /// A run ended badly.
    Failed,
    /// A run did not end within `max_runtime`.
    Overran,
    /// A run succeeded in less than `min_runtime`.
    TooQuick,
    /// The evidence itself is bad: empty, too small, unchanged.
    BadEvidence,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missed => "missed",
            Self::Failed => "failed",
            Self::Overran => "overran",
            Self::TooQuick => "too_quick",
            Self::BadEvidence => "bad_evidence",
        })
    }
}

/// A change of verdict, stored as a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// The verdict before.
    pub old: Verdict,
    /// The verdict after.
    pub new: Verdict,
    /// Why, when the new verdict is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The exact moment at which it became true, however late that was noticed. For evidence that was delivered
    /// late and shows that the job had been well, the moment at which it arrived.
    pub at: Timestamp,
    /// Whether evidence that was delivered late brought it about.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late_delivered: bool,
}

/// Consecutive dues that nobody answered in time, as a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many they are.
    pub count: u64,
}

/// The end of a run, good or bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it ended.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// `Success` or `Fail`.
    pub kind: Kind,
    /// When it had started, if its start is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// How long it took, if the evidence said so.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::evidence::duration_ms")]
    pub duration: Option<SignedDuration>,
    /// Whether the evidence itself was judged bad.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bad_evidence: bool,
    /// Whether the run had ended before, as when it is reported as a success and then as a failure.
    #[serde(default, skip_serializing_if = "is_false")]
    pub second: bool,
}

impl Answer {
    /// The run, as it was under way: it can't have started after its end, whatever the clocks said.
    pub fn under_way(&self) -> Option<UnderWay> {
        if self.second {
            return None;
        }
        Some(UnderWay { run: self.run, started: self.started?.min(self.at) })
    }

    /// How long the run took, as far as is known. A clock that was set back in between tells nothing.
    pub fn runtime(&self) -> Option<SignedDuration> {
        let told = self.duration.or_else(|| Some(self.at.duration_since(self.started?)));
        told.filter(|length| !length.is_negative())
    }
}

/// A run that started and has not ended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Which run.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
}

/// A run that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
    /// How it ended, where it ended badly and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// How long it took, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::evidence::duration_ms")]
    pub duration: Option<SignedDuration>,
}

/// The span from the flip to down until the flip to up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When the job went down, as it was decided first. Together with the job it names the incident.
    pub opened_at: Timestamp,
    /// Why, as it was decided first.
    pub reason: Reason,
    /// Whether notices of it were written.
    #[serde(default)]
    pub told: bool,
    /// The number of the last reminder that was written.
    #[serde(default)]
    pub reminders: u64,
}

impl Incident {
    /// When the next reminder is to be written, if one is written every so often.
    pub fn next_reminder(&self, every: SignedDuration) -> Option<Timestamp> {
        let count = i32::try_from(self.reminders + 1).ok()?;
        self.opened_at.checked_add(every.checked_mul(count)?).ok()
    }
}

/// That the evidence of a job could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// Since which roll call.
    pub since: Timestamp,
    /// In how many roll calls in a row, until it was told.
    pub tries: u32,
    /// What the store said.
    pub problem: String,
    /// Whether notices of it were written.
    #[serde(default)]
    pub told: bool,
}

/// What follows from evidence and time up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Up to when: everything strictly before is decided.
    pub until: Timestamp,
    /// `New`, `Up` or `Down`.
    pub verdict: Verdict,
    /// Since when that is so.
    pub since: Timestamp,
    /// Why, when down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Bad answers in a row, up to now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad: u32,
    /// Good answers in a row, up to now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub good: u32,
    /// The run of the last bad answer, so that a run that overran and then failed counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_run: Option<RunId>,
    /// The last success, or the declaration: what `every` counts from.
    pub anchor: Timestamp,
    /// The last time that a run showed itself, by start or end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Timestamp>,
    /// The due that must be answered next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The first due that was missed and not made up for since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Timestamp>,
}

/// All that is kept of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// Since when the job is expected: its declaration, or when it was resumed.
    pub expected_from: Timestamp,
    /// The schedule that `fold` goes by, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whether a configuration knew it in the last roll call.
    #[serde(default, skip_serializing_if = "is_false")]
    pub configured: bool,
    /// What follows from everything that is known.
    pub fold: Fold,
    /// What followed before the answers in `tail`; equal to `fold` if there are none.
    pub base: Fold,
    /// The newest answers, by time: evidence that arrives out of order is sorted in among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<Answer>,
    /// Runs under way, by start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<UnderWay>,
    /// Since when it is paused, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
    /// The newest start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_start: Option<Heard>,
    /// The newest success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Heard>,
    /// The newest failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fail: Option<Heard>,
    /// The open incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
    /// That its evidence can't be read, while it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<Blind>,
    /// The newest flips, by decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<Flip>,
    /// The earliest moment at which something can change without new evidence; never, if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_again_at: Option<Timestamp>,
}

impl JobState {
    /// The verdict as it is stored: `New`, `Up`, `Down` or `Paused`.
    pub fn stored_verdict(&self) -> Verdict {
        if self.paused.is_some() { Verdict::Paused } else { self.fold.verdict }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}
