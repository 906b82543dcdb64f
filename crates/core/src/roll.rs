//! The roll: the states of all jobs and the notices that are still to be delivered, decided together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::Declaration;
use crate::judge::Gap;
use crate::name::Slug;
use crate::outbox::Outbox;
use crate::state::{Flip, JobState, Missed};

/// The most gaps of intake that are remembered.
pub const MAX_GAPS: usize = 8;

/// Up to where evidence was read. What it means is the store's own matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Everything that is carried from one roll call to the next. A stored roll in which states, cursor or outbox are missing
/// is no roll: taking it for an empty one would forget everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Roll {
    /// When the roll was last called to the end; while a server keeps it, when that was last noted to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<Timestamp>,
    /// Up to where evidence was read.
    pub cursor: Cursor,
    /// When intake was away, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The state of each job.
    pub states: BTreeMap<Slug, JobState>,
    /// What jobs said of themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declarations: BTreeMap<Slug, Declaration>,
    /// What is still to be delivered, or could not be.
    pub outbox: Outbox,
}

impl Roll {
    /// Remembers that intake was away. Gaps that touch become one; the oldest are forgotten. A gap that ends before
    /// it begins, as clocks can make it, is none.
    pub fn add_gap(&mut self, gap: Gap) {
        if gap.to < gap.from {
            return;
        }
        self.gaps.push(gap);
        self.gaps.sort_by_key(|gap| gap.from);
        let mut merged: Vec<Gap> = Vec::with_capacity(self.gaps.len());
        for gap in self.gaps.drain(..) {
            match merged.last_mut() {
                Some(last) if gap.from <= last.to => last.to = last.to.max(gap.to),
                _ => merged.push(gap),
            }
        }
        let surplus = merged.len().saturating_sub(MAX_GAPS);
        self.gaps = merged.split_off(surplus);
    }

    /// The earliest moment at which a job has to be looked at, or a notice to be delivered.
    pub fn look_again_at(&self) -> Option<Timestamp> {
        let jobs = self.states.values().filter_map(|state| state.look_again_at).min();
        jobs.into_iter().chain(self.outbox.ready_at()).min()
    }

    /// How long ago the roll was last called to the end.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        Some(now.duration_since(self.called_at?))
    }
}

/// What changed in a roll, for stores that need not write all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs whose state or declaration is another, or is gone.
    pub jobs: BTreeSet<Slug>,
    /// Flips, in order.
    pub flips: Vec<(Slug, Flip)>,
    /// Dues that nobody answered in time.
    pub missed: Vec<(Slug, Missed)>,
}
