//! A store that fails on purpose, for tests of what uses one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

use crate::{Appended, Commit, ErrorKind, Facts, News, Result, SharedStore, Snapshot, Store, StoreError};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it is passed on.
    Pass,
    /// It is refused, and nothing is done.
    Refuse(ErrorKind),
    /// It is done, but the answer is lost on the way.
    Lose,
    /// It is passed on after a while.
    Delay(Duration),
}

/// How many of a thousand calls are met by each fault; the rest is passed on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Refused as [`ErrorKind::Unavailable`].
    pub refused: u64,
    /// Done, with the answer lost.
    pub lost: u64,
    /// Delayed by up to two milliseconds.
    pub delayed: u64,
}

/// Passes calls on to another store, with faults.
#[derive(Debug)]
pub struct FaultyStore {
    inner: SharedStore,
    plan: Mutex<Plan>,
}

#[derive(Debug)]
enum Plan {
    Script(VecDeque<Fault>),
    Chance { state: u64, rates: Rates },
}

impl FaultyStore {
    /// Meets the calls to come with these faults, one after the other, and passes on all that follow.
    pub fn scripted(inner: SharedStore, script: impl IntoIterator<Item = Fault>) -> Self {
        Self { inner, plan: Mutex::new(Plan::Script(script.into_iter().collect())) }
    }

    /// Meets calls with faults at random; the same ones for the same seed and order of calls.
    pub fn seeded(inner: SharedStore, seed: u64, rates: Rates) -> Self {
        Self { inner, plan: Mutex::new(Plan::Chance { state: seed, rates }) }
    }

    async fn meet<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.plan.lock().unwrap_or_else(PoisonError::into_inner).next();
        let failed = |kind, problem: &str| {
            Err(StoreError::new(kind, format!("can't use {}", self.inner.url())).because(problem))
        };
        match fault {
            Fault::Pass => call.await,
            Fault::Refuse(kind) => failed(kind, "it was refused on purpose"),
            Fault::Lose => {
                call.await?;
                failed(ErrorKind::Unavailable, "the answer was lost on purpose")
            }
            Fault::Delay(length) => {
                tokio::time::sleep(length).await;
                call.await
            }
        }
    }
}

impl Plan {
    fn next(&mut self) -> Fault {
        match self {
            Self::Script(script) => script.pop_front().unwrap_or(Fault::Pass),
            Self::Chance { state, rates } => {
                let drawn = split_mix(state);
                match drawn % 1000 {
                    n if n < rates.refused => Fault::Refuse(ErrorKind::Unavailable),
                    n if n < rates.refused + rates.lost => Fault::Lose,
                    n if n < rates.refused + rates.lost + rates.delayed => {
                        Fault::Delay(Duration::from_micros((drawn >> 32) % 2000))
                    }
                    _ => Fault::Pass,
                }
            }
        }
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): enough chance for tests.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[async_trait]
impl Store for FaultyStore {
    fn url(&self) -> String {
        self.inner.url()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.meet(self.inner.append(evidence)).await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        self.meet(self.inner.news(since, now)).await
    }

    fn may_overlook(&self) -> bool {
        self.inner.may_overlook()
    }

    fn forgets(&self) -> bool {
        self.inner.forgets()
    }

    fn answered_at(&self) -> Option<Timestamp> {
        self.inner.answered_at()
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        self.meet(self.inner.between(job, from, to)).await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.meet(self.inner.oldest()).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        self.meet(self.inner.read(evidence)).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.meet(self.inner.load()).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        self.meet(self.inner.commit(base, roll, changes)).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.meet(self.inner.facts(job, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.meet(self.inner.prune(before)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MemoryStore;
    use crate::conformance::{Fresh, Suite, evidence, now};
    use tenko_core::Kind;

    async fn fresh() -> Fresh {
        let memory: SharedStore = Arc::new(MemoryStore::new());
        let slow = |seed| {
            let rates = Rates { delayed: 100, ..Rates::default() };
            Arc::new(FaultyStore::seeded(Arc::clone(&memory), seed, rates))
        };
        Fresh::new(slow(1), slow(2), ())
    }

    crate::conformance_tests!(fresh, Suite::default());

    #[tokio::test]
    async fn the_script_is_followed() {
        let memory = Arc::new(MemoryStore::new());
        let script = [Fault::Pass, Fault::Refuse(ErrorKind::Full), Fault::Lose];
        let store = FaultyStore::scripted(memory, script);
        let [a, b, c] = [1, 2, 3].map(|_| [evidence("job", Kind::Success, now())]);
        assert!(store.append(&a).await.is_ok());
        assert_eq!(store.append(&b).await.unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(store.append(&c).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let found = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
        let found: Vec<_> = found.iter().map(|piece| piece.run).collect();
        assert_eq!(found, [a[0].run, c[0].run], "what was refused was not done, what was lost was");
    }
}
