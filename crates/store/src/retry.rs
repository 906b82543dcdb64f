//! A store that does not give up at once.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::format::write_roll;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::live::Live;
use crate::portable::Portable;
use crate::{Appended, Commit, ErrorKind, Facts, News, Result, SharedStore, Snapshot, Store, StoreError};

/// The first wait; each one that follows is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Repeats what failed for a reason that may pass ([`StoreError::is_transient`]), until a time is over.
///
/// A commit whose answer was lost is not repeated blindly: whether it was won is told from the roll that is there. Of
/// evidence whose answer was lost nobody can tell whether it was added then or known before; the second attempt says
/// [`Appended::Known`].
#[derive(Debug)]
pub struct RetryingStore {
    inner: SharedStore,
    within: Duration,
}

impl RetryingStore {
    /// Lets each call take at most `within`, with all its attempts.
    pub fn new(inner: SharedStore, within: Duration) -> Self {
        Self { inner, within }
    }

    async fn again<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        let mut patience = Patience::of(self.within);
        let mut last = None;
        loop {
            match timeout_at(patience.until, call()).await {
                Ok(Err(error)) if error.is_transient() && patience.wait().await => last = Some(error),
                Ok(done) => return done,
                // What the store said before tells more than that it was not asked to the end once more.
                Err(_) => return Err(last.unwrap_or_else(|| self.late())),
            }
        }
    }

    async fn once<T>(&self, patience: &Patience, call: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(patience.until, call).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn late(&self) -> StoreError {
        StoreError::new(ErrorKind::Unavailable, format!("no answer from {} in time", self.url()))
    }

    /// What became of a commit of which the answer was lost; nothing yet if the roll is the one before.
    async fn fate(&self, base: u64, roll: &Roll) -> Result<Option<Commit>> {
        let found = self.inner.load().await?;
        if found.version == base {
            return Ok(None);
        }
        // If ours was won and another built on it, that can't be seen, and ours counts as lost: whoever decides again
        // begins with what both decided.
        let is_ours = write_roll(&found.roll) == write_roll(roll);
        Ok(Some(if is_ours { Commit::Won(found.version) } else { Commit::Lost }))
    }
}

/// How long to go on, and how long to wait before the next attempt.
struct Patience {
    until: Instant,
    wait: Duration,
}

impl Patience {
    fn of(within: Duration) -> Self {
        Self { until: Instant::now() + within, wait: FIRST_WAIT }
    }

    /// Waits, between half and all of the time, so that those who failed together do not come again together. Says
    /// whether there is time for another attempt.
    async fn wait(&mut self) -> bool {
        let (chance, _) = Uuid::new_v4().as_u64_pair();
        let half = self.wait / 2;
        let wait = half + half.mul_f64((chance % 1024) as f64 / 1024.0);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        if Instant::now() + wait >= self.until {
            return false;
        }
        sleep(wait).await;
        true
    }
}

#[async_trait]
impl Store for RetryingStore {
    fn url(&self) -> String {
        self.inner.url()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.again(|| self.inner.append(evidence)).await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        self.again(|| self.inner.news(since, now)).await
    }

    /// Who keeps a store job by job has to know what failed, and tries again itself.
    fn live(&self) -> Option<&dyn Live> {
        self.inner.live()
    }

    /// All or nothing is to be moved; that is not begun anew behind anybody's back.
    fn portable(&self) -> Option<&dyn Portable> {
        self.inner.portable()
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
        self.again(|| self.inner.between(job, from, to)).await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.again(|| self.inner.oldest()).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        self.again(|| self.inner.read(evidence)).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.again(|| self.inner.load()).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let mut patience = Patience::of(self.within);
        let mut in_doubt = false;
        loop {
            let attempt = async {
                // Asked before each further attempt, and once more if that is lost: it may have been lost to ours.
                if in_doubt && let Some(fate) = self.fate(base, roll).await? {
                    return Ok(fate);
                }
                match self.inner.commit(base, roll, changes).await? {
                    Commit::Lost if in_doubt => Ok(self.fate(base, roll).await?.unwrap_or(Commit::Lost)),
                    answer => Ok(answer),
                }
            };
            match self.once(&patience, attempt).await {
                Err(error) if error.is_transient() => {
                    in_doubt = true;
                    if !patience.wait().await {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.again(|| self.inner.facts(job, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.again(|| self.inner.prune(before)).await
    }
}

#[cfg(all(test, feature = "testkit"))]
mod tests;
