//! Keeps and returns, decides nothing.
//!
//! A [`Store`] holds evidence, which is only ever added, and one [`Roll`], which is replaced as a whole or in part by
//! whoever wins. One URL chooses the store ([`open`]); all of them pass the same conformance suite.

pub mod aws;
pub mod backup;
#[cfg(feature = "testkit")]
pub mod conformance;
mod credentials;
pub mod directory;
pub mod error;
#[cfg(feature = "testkit")]
pub mod faulty;
pub mod layout;
pub mod live;
pub mod memory;
mod object;
pub mod open;
pub mod portable;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod retry;
pub mod spool;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod stored;
#[cfg(feature = "testkit")]
pub mod testkit_peers;
#[cfg(all(feature = "testkit", feature = "postgres"))]
pub mod testkit_postgres;
#[cfg(feature = "testkit")]
pub mod testkit_s3;
pub mod tls;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::state::{Flip, Missed};
use tenko_core::{Evidence, Slug};

pub use error::{ErrorKind, StoreError};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use retry::RetryingStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// The result of asking a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A store that is shared between tasks.
pub type SharedStore = Arc<dyn Store>;

/// Where evidence and decisions live.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// The URL of the store as it may be shown: without credentials.
    fn url(&self) -> String;

    /// Adds evidence. When this returns, it is durable. Evidence is idempotent by job, run and kind: adding it again
    /// changes nothing and is no error ([`Appended::Known`]). On error nothing is promised of any of it, and
    /// all of it can be added again.
    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>>;

    /// Evidence that was added since `since` (all of it, if that is the default), in any order, perhaps with some
    /// that was returned before, and the cursor for the next time. Bodies may be left out. `now` is the reader's time.
    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News>;

    /// Whether [`Store::news`] can overlook evidence of a sender whose clock is far off, so that
    /// [`Store::between`] is worth asking before a due counts as missed.
    fn may_overlook(&self) -> bool {
        false
    }

    /// Whether all that it keeps ends with this process, so that what is not known may have been known before, and nobody
    /// goes on from here.
    fn forgets(&self) -> bool {
        false
    }

    /// The time by the clock of the store, as its last answer told it. `None` where it tells none, or has no other clock
    /// than that of this machine.
    fn answered_at(&self) -> Option<Timestamp> {
        None
    }

    /// Evidence of `job`, or of all jobs, that happened in `from..to` by its own time, sorted by it, each piece once.
    /// Bodies may be left out.
    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>>;

    /// From when on evidence of any job is kept, as its oldest piece shows: what happened before may have been removed.
    /// `None` if there is none at all.
    async fn oldest(&self) -> Result<Option<Timestamp>> {
        let all = self.between(None, Timestamp::MIN, Timestamp::MAX).await?;
        Ok(all.first().map(|piece| piece.at))
    }

    /// The same evidence with its body.
    async fn read(&self, evidence: &Evidence) -> Result<Evidence>;

    /// The newest roll; the empty one with version 0 if there is none.
    async fn load(&self) -> Result<Snapshot>;

    /// The roll for whoever decides on it and commits: the newest, or the one that was the newest when this process last
    /// looked, if it is still there. Whether it is the newest shows when it is committed on; after [`Commit::Lost`] it is read
    /// anew. Where reading costs less than finding out, as in buckets, this spares the latter.
    async fn load_to_commit(&self) -> Result<Snapshot> {
        self.load().await
    }

    /// Replaces the roll of version `base` by `roll`, in which `changes` changed. However many try, one wins; the
    /// others get [`Commit::Lost`], and nothing of theirs is kept. What was committed is durable.
    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit>;

    /// Facts about a job, newest first, at most `limit`, as far back as the store keeps them.
    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts>;

    /// Removes evidence and facts from before `before`, where the store has the right to. Says how many.
    async fn prune(&self, before: Timestamp) -> Result<u64>;

    /// The same store for servers that keep it job by job; `None` where none can.
    fn live(&self) -> Option<&dyn live::Live> {
        None
    }

    /// The same store for whoever takes all that is kept elsewhere; `None` where nobody can.
    fn portable(&self) -> Option<&dyn portable::Portable> {
        None
    }
}

/// What became of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was added.
    Added,
    /// It was there already.
    Known,
}

/// What is new.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The evidence.
    pub evidence: Vec<Evidence>,
    /// What lies where evidence should, and is none.
    pub unreadable: Vec<Unreadable>,
    /// Up to where this is all.
    pub cursor: Cursor,
}

/// Something that is no evidence, or of which the body can't be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it lies.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A roll and its version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The version; 0 for the empty roll that nobody wrote.
    pub version: u64,
    /// The roll.
    pub roll: Roll,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It won; this is the new version.
    Won(u64),
    /// Somebody else was quicker. Read again, decide again.
    Lost,
    /// A server keeps this store and decides; nothing was stored.
    Kept,
}

/// What a store knows of a job's past.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Changes of verdict, newest first.
    pub flips: Vec<Flip>,
    /// Dues that nobody answered in time, newest first.
    pub missed: Vec<Missed>,
}
