//! `memory:`: the reference. It promises what the others promise, and is as plain as can be.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::state::{Flip, Missed};
use tenko_core::{Evidence, RunId, Slug};

use crate::{Appended, Commit, Facts, News, Result, Snapshot, Store};

/// Evidence and the roll, in this process, until it ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    evidence: Vec<Evidence>,
    known: HashSet<(Slug, RunId, &'static str)>,
    snapshot: Snapshot,
    flips: BTreeMap<Slug, Vec<Flip>>,
    missed: BTreeMap<Slug, Vec<Missed>>,
    received: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on evidence is received at this moment, and not at the moment of this machine's clock.
    pub fn receive_at(&self, moment: Timestamp) {
        self.kept().received = Some(moment);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it holds the lock")
    }
}

impl Kept {
    fn add(&mut self, piece: &Evidence) -> Appended {
        let id = (piece.job.clone(), piece.run, piece.kind.word());
        if !self.known.insert(id) {
            return Appended::Known;
        }
        let received_at = Some(self.received.unwrap_or_else(Timestamp::now));
        self.evidence.push(Evidence { received_at, ..piece.clone() });
        Appended::Added
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn url(&self) -> String {
        "memory:".to_owned()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let mut kept = self.kept();
        Ok(evidence.iter().map(|piece| kept.add(piece)).collect())
    }

    async fn news(&self, since: &Cursor, _now: Timestamp) -> Result<News> {
        let kept = self.kept();
        let seen = since.0.parse::<usize>().unwrap_or(0).min(kept.evidence.len());
        let cursor = Cursor(kept.evidence.len().to_string());
        Ok(News { evidence: kept.evidence[seen..].to_vec(), unreadable: Vec::new(), cursor })
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        let wanted = |piece: &&Evidence| job.is_none_or(|job| *job == piece.job) && from <= piece.at && piece.at < to;
        let mut found: Vec<Evidence> = self.kept().evidence.iter().filter(wanted).cloned().collect();
        found.sort_by_key(|piece| piece.at);
        Ok(found)
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        Ok(evidence.clone())
    }

    async fn load(&self) -> Result<Snapshot> {
        Ok(self.kept().snapshot.clone())
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let mut kept = self.kept();
        if kept.snapshot.version != base {
            return Ok(Commit::Lost);
        }
        kept.snapshot = Snapshot { version: base + 1, roll: roll.clone() };
        for (job, flip) in &changes.flips {
            kept.flips.entry(job.clone()).or_default().push(*flip);
        }
        for (job, missed) in &changes.missed {
            kept.missed.entry(job.clone()).or_default().push(*missed);
        }
        Ok(Commit::Won(base + 1))
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        let kept = self.kept();
        Ok(Facts { flips: newest(kept.flips.get(job), limit), missed: newest(kept.missed.get(job), limit) })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut kept = self.kept();
        let count = kept.evidence.len();
        // Positions are cursors, so what is removed is only what every reader has passed: nothing is renumbered.
        let old = |piece: &Evidence| piece.at < before;
        let removed = kept.evidence.iter().filter(|piece| old(piece)).count();
        if removed < count || removed > 0 {
            kept.evidence.retain(|piece| !old(piece));
        }
        for flips in kept.flips.values_mut() {
            flips.retain(|flip| flip.at >= before);
        }
        for missed in kept.missed.values_mut() {
            missed.retain(|missed| missed.last >= before);
        }
        Ok(removed as u64)
    }
}

fn newest<T: Copy>(all: Option<&Vec<T>>, limit: usize) -> Vec<T> {
    all.into_iter().flatten().rev().take(limit).copied().collect()
}
