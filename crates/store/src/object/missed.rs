//! The dues that nobody answered lately: facts that a roll carries from one version to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenko_core::Slug;
use tenko_core::roll::{Changes, Roll};
use tenko_core::state::Missed;

/// The most of one job that are kept.
const KEPT: usize = 20;

/// Of each job the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MissedLately {
    #[serde(default)]
    missed: BTreeMap<Slug, Vec<Missed>>,
}

impl MissedLately {
    /// Of a job, newest first.
    pub(super) fn of(&self, job: &Slug) -> Vec<Missed> {
        self.missed.get(job).cloned().unwrap_or_default()
    }

    /// With what was missed since, and without the jobs that are gone.
    pub(super) fn updated(&self, roll: &Roll, changes: &Changes) -> Self {
        let mut missed = self.missed.clone();
        for (job, new) in &changes.missed {
            let of_job = missed.entry(job.clone()).or_default();
            of_job.push(*new);
            of_job.sort_by_key(|missed| std::cmp::Reverse((missed.last, missed.first)));
            of_job.truncate(KEPT);
        }
        missed.retain(|job, _| roll.states.contains_key(job));
        Self { missed }
    }
}
