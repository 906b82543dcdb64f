//! The reference: what a store promises, in the fewest words. Forgets everything when the last handle is dropped.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::state::{Flip, Missed};
use tenko_core::{Evidence, RunId, Slug};

use crate::{Appended, Commit, ErrorKind, Facts, News, Result, Snapshot, Store, StoreError};

/// A store in memory. Clones are handles on the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shelf: Arc<Mutex<Shelf>>,
    forgets: bool,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Evidence with its number, which only grows and is the cursor.
    evidence: Vec<(u64, Evidence)>,
    known: HashSet<(Slug, RunId, &'static str)>,
    last_number: u64,
    version: u64,
    roll: Roll,
    flips: Vec<(Slug, Flip)>,
    missed: Vec<(Slug, Missed)>,
    receives_at: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that says of itself that it [forgets](Store::forgets): what the URL `memory:` names. Others stand in for
    /// stores that last.
    pub fn that_forgets() -> Self {
        Self { forgets: true, ..Self::default() }
    }

    /// From now on evidence is received at this moment, and not at the moment of this machine's clock.
    pub fn receive_at(&self, moment: Timestamp) {
        self.shelf().receives_at = Some(moment);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn add(&mut self, evidence: &Evidence) -> Appended {
        if !self.known.insert(identity(evidence)) {
            return Appended::Known;
        }
        self.last_number += 1;
        let received_at = Some(self.receives_at.unwrap_or_else(Timestamp::now));
        let stored = Evidence { received_at, key: None, ..evidence.clone() };
        self.evidence.push((self.last_number, stored));
        Appended::Added
    }
}

/// A run ends badly but once, whatever its exit is said to be.
fn identity(evidence: &Evidence) -> (Slug, RunId, &'static str) {
    (evidence.job.clone(), evidence.run, evidence.kind.word())
}

#[async_trait]
impl Store for MemoryStore {
    fn url(&self) -> String {
        "memory:".to_owned()
    }

    fn forgets(&self) -> bool {
        self.forgets
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let mut shelf = self.shelf();
        Ok(evidence.iter().map(|piece| shelf.add(piece)).collect())
    }

    async fn news(&self, since: &Cursor, _now: Timestamp) -> Result<News> {
        let shelf = self.shelf();
        let read = since.0.parse().unwrap_or(0);
        let new = shelf.evidence.iter().filter(|(number, _)| *number > read);
        Ok(News {
            evidence: new.map(|(_, evidence)| evidence.clone()).collect(),
            unreadable: Vec::new(),
            cursor: Cursor(shelf.last_number.to_string()),
        })
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        let shelf = self.shelf();
        let asked = |evidence: &&Evidence| {
            job.is_none_or(|job| evidence.job == *job) && from <= evidence.at && evidence.at < to
        };
        let mut found: Vec<_> =
            shelf.evidence.iter().map(|(_, piece)| piece).filter(asked).cloned().collect();
        found.sort_by_key(|evidence| evidence.at);
        Ok(found)
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        let shelf = self.shelf();
        let wanted = identity(evidence);
        let found = shelf.evidence.iter().map(|(_, piece)| piece).find(|piece| identity(piece) == wanted);
        found.cloned().ok_or_else(|| {
            let Evidence { job, run, kind, .. } = evidence;
            StoreError::new(ErrorKind::Missing, format!("{kind} of run {run} of {job} is not in memory:"))
        })
    }

    async fn load(&self) -> Result<Snapshot> {
        let shelf = self.shelf();
        Ok(Snapshot { version: shelf.version, roll: shelf.roll.clone() })
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let mut shelf = self.shelf();
        if shelf.version != base {
            return Ok(Commit::Lost);
        }
        shelf.version += 1;
        shelf.roll = roll.clone();
        shelf.flips.extend_from_slice(&changes.flips);
        shelf.missed.extend_from_slice(&changes.missed);
        Ok(Commit::Won(shelf.version))
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        let shelf = self.shelf();
        Ok(Facts {
            flips: newest(&shelf.flips, job, limit, |flip| flip.at),
            missed: newest(&shelf.missed, job, limit, |missed| missed.last),
        })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut shelf = self.shelf();
        let shelf = &mut *shelf;
        let old = |evidence: &Evidence| evidence.at < before;
        for (_, gone) in shelf.evidence.iter().filter(|(_, evidence)| old(evidence)) {
            shelf.known.remove(&identity(gone));
        }
        let held = shelf.evidence.len() + shelf.flips.len() + shelf.missed.len();
        shelf.evidence.retain(|(_, evidence)| !old(evidence));
        shelf.flips.retain(|(_, flip)| flip.at >= before);
        shelf.missed.retain(|(_, missed)| missed.last >= before);
        let left = shelf.evidence.len() + shelf.flips.len() + shelf.missed.len();
        Ok((held - left) as u64)
    }
}

/// The facts about `job`, newest first; of two at the same moment, the one that was decided later.
fn newest<F: Copy>(facts: &[(Slug, F)], job: &Slug, limit: usize, at: impl Fn(&F) -> Timestamp) -> Vec<F> {
    let mut of_job: Vec<F> = facts.iter().rev().filter(|(of, _)| of == job).map(|(_, fact)| *fact).collect();
    of_job.sort_by_key(|fact| std::cmp::Reverse(at(fact)));
    of_job.truncate(limit);
    of_job
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use std::sync::Arc;

    use super::MemoryStore;
    use crate::conformance::{Fresh, Suite};

    async fn fresh() -> Fresh {
        let store = MemoryStore::new();
        Fresh::new(Arc::new(store.clone()), Arc::new(store), ())
    }

    crate::conformance_tests!(fresh, Suite::default());
}
