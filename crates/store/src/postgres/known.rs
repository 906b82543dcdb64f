//! What is remembered of the tables, so that it need not be read again for each ping.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{PgConnection, Row as _};
use tenko_core::{Declaration, Slug};
use uuid::Uuid;

use super::columns::{Id, parse};

/// How many texts are remembered.
const TEXTS: usize = 10_000;
/// How many jobs.
const JOBS: usize = 100_000;
/// For how many transactions evidence is looked up, after one met some that was known.
const WARY: u32 = 1_000;

/// What is known of rows that are never changed nor removed.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Declarations by their hash.
    declared: Mutex<HashMap<Id, Declaration>>,
    /// Hashes of those texts that are there for all to see.
    kept: Mutex<HashSet<Uuid>>,
    /// Numbers of jobs.
    numbers: Mutex<HashMap<Slug, i32>>,
    /// For how many transactions evidence is still looked up.
    wary: AtomicU32,
}

impl Known {
    /// Leaves of these texts those that may not be kept yet.
    pub(super) fn retain_new(&self, texts: &mut HashMap<Uuid, String>) {
        let kept = locked(&self.kept);
        texts.retain(|hash, _| !kept.contains(hash));
    }

    /// A text was seen that another transaction had kept.
    pub(super) fn saw(&self, hash: Uuid) {
        let mut kept = locked(&self.kept);
        if kept.len() >= TEXTS {
            kept.clear();
        }
        kept.insert(hash);
    }

    /// The numbers of these jobs, as far as they are known, and the names of the others.
    pub(super) fn numbers<'s>(&self, jobs: &[&'s Slug]) -> (Vec<i32>, Vec<&'s str>) {
        let known = locked(&self.numbers);
        let (mut numbers, mut unknown) = (Vec::with_capacity(jobs.len()), Vec::new());
        for job in jobs {
            match known.get(*job) {
                Some(number) => numbers.push(*number),
                None => unknown.push(job.as_str()),
            }
        }
        (numbers, unknown)
    }

    /// Jobs were seen that have these numbers.
    pub(super) fn saw_jobs<'s>(&self, jobs: impl Iterator<Item = (&'s Slug, i32)>) {
        let mut known = locked(&self.numbers);
        for (job, number) in jobs {
            if known.contains_key(job) {
                continue;
            }
            if known.len() >= JOBS {
                known.clear();
            }
            known.insert(job.clone(), number);
        }
    }

    /// Whether the next transaction can expect that all its evidence is new, as nearly all is.
    pub(super) fn expects_new(&self) -> bool {
        self.wary.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// A transaction was refused that had expected so.
    pub(super) fn met_known(&self) {
        self.wary.store(WARY, Ordering::Relaxed);
    }

    /// Something is not as it should be: nothing is known any more.
    pub(super) fn forget(&self) {
        locked(&self.kept).clear();
        locked(&self.declared).clear();
        locked(&self.numbers).clear();
    }

    /// The declarations of these hashes.
    pub(super) async fn declarations(
        &self,
        connection: &mut PgConnection,
        hashes: HashSet<Id>,
    ) -> sqlx::Result<HashMap<Id, Declaration>> {
        let mut found = self.remembered(&hashes);
        let missing: Vec<Id> = hashes.into_iter().filter(|hash| !found.contains_key(hash)).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let rows = sqlx::query("select hash, body from said where hash = any($1)").bind(missing);
        for row in rows.fetch_all(connection).await? {
            let (hash, declaration): (Id, Declaration) = (row.try_get("hash")?, parse(row.try_get("body")?)?);
            self.remember(hash, &declaration);
            found.insert(hash, declaration);
        }
        Ok(found)
    }

    fn remembered(&self, hashes: &HashSet<Id>) -> HashMap<Id, Declaration> {
        let known = locked(&self.declared);
        hashes.iter().filter_map(|hash| Some((*hash, known.get(hash)?.clone()))).collect()
    }

    fn remember(&self, hash: Id, declaration: &Declaration) {
        let mut known = locked(&self.declared);
        if known.len() >= TEXTS {
            known.clear();
        }
        known.insert(hash, declaration.clone());
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_known_evidence_looks_it_up_for_a_while() {
        let known = Known::default();
        assert!(known.expects_new() && known.expects_new());
        known.met_known();
        assert_eq!((0..2 * WARY).filter(|_| !known.expects_new()).count(), WARY as usize);
        assert!(known.expects_new());
    }
}
