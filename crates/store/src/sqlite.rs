//! `sqlite:///path.db`: one file on one machine.
//!
//! All writes go through one thread. Whatever has arrived while it was busy becomes one transaction (group commit), and
//! nobody is answered before that is on disk: WAL with `synchronous=FULL`. Several processes may use the file at once.

mod addresses;
mod columns;
mod decide;
mod entries;
mod error;
mod evidence;
mod file;
mod fresh;
#[cfg(test)]
mod fresh_tests;
mod known;
mod live;
mod nodes;
mod once;
mod outbox;
#[cfg(test)]
mod plan_tests;
mod portable;
mod readers;
mod rolls;
mod schema;
mod stretches;
#[cfg(test)]
mod stretches_tests;
mod watch;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

use crate::live::Live;
use crate::portable::Portable;
use crate::{Appended, Commit, ErrorKind, Facts, News, Result, Snapshot, Store, StoreError};
use file::File;
use readers::Readers;
use watch::Watch;
use writer::{Desk, Writer};

pub use once::Opened;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    file: Arc<File>,
    readers: Arc<Readers>,
    writer: Writer,
    watch: Arc<Watch>,
}

impl SqliteStore {
    /// Opens the file, and creates it, its directory and its tables if they are missing. A directory that is created
    /// is for its owner alone, and so is the file. A file that can only be read is opened to be read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the file is something else, [`ErrorKind::Newer`] if a newer Tenko wrote it; neither is
    /// touched. [`ErrorKind::Denied`] if it may not be read, or created.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Arc::new(File::new(path));
        let connection = match schema::open(&file) {
            Err(error) if error.kind() == ErrorKind::Denied => {
                schema::open_to_read(&file).map_err(|_| error)?;
                None
            }
            opened => Some(opened?),
        };
        let writer = Writer::start(&file, connection)?;
        let (readers, watch) = (Arc::new(Readers::new(&file)), Arc::new(Watch::new(&file)));
        Ok(Self { file, readers, writer, watch })
    }

    /// The version of the tables in the file at `path`, 0 if there are none, and the one that this Tenko writes. Nothing
    /// is changed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn versions(path: &Path) -> Result<(i32, i32)> {
        schema::versions(&File::new(path))
    }

    /// Reads on a connection of its own, so that it waits for no writer and no writer waits for it.
    async fn reading<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = Arc::clone(&self.readers);
        let joined = tokio::task::spawn_blocking(move || readers.read(doing, work));
        joined.await.map_err(|source| error::gone(doing, self.file.path()).because(source))?
    }
}

/// Adds evidence to the store at `path` and returns when it is on disk. For processes that do one thing and end: no
/// runtime and no second thread.
///
/// # Errors
/// As [`SqliteStore::open`] and [`Store::append`].
pub fn append_now(path: &Path, evidence: &[Evidence]) -> Result<Vec<Appended>> {
    Opened::new(path)?.append(evidence)
}

#[async_trait]
impl Store for SqliteStore {
    fn url(&self) -> String {
        format!("sqlite://{}", self.file.path().display())
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let evidence = evidence.to_vec();
        let append = move |desk: &mut Desk<'_>| evidence::append(desk, &evidence, Timestamp::now());
        self.writer.ask("add evidence to", append).await
    }

    async fn news(&self, since: &Cursor, _now: Timestamp) -> Result<News> {
        // The cursor of another store says nothing here: all of it is new.
        let since = since.0.parse().unwrap_or(0);
        self.reading("read new evidence in", move |connection| evidence::news(connection, since)).await
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        let job = job.cloned();
        self.reading("read evidence in", move |connection| {
            evidence::between(connection, job.as_ref(), from, to)
        })
        .await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.reading("read evidence in", stretches::oldest).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        let wanted = evidence.clone();
        let found =
            self.reading("read evidence in", move |connection| evidence::read(connection, &wanted)).await?;
        found.ok_or_else(|| {
            let Evidence { job, run, kind, .. } = evidence;
            StoreError::new(
                ErrorKind::Missing,
                format!("{kind} of run {run} of {job} is not in {}", self.url()),
            )
        })
    }

    async fn load(&self) -> Result<Snapshot> {
        self.reading("read the roll in", rolls::load).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let part = rolls::Part::of(base, roll, changes);
        self.writer.ask("commit to", move |desk| rolls::commit(desk, &part, Timestamp::now())).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        let job = job.clone();
        self.reading("read facts in", move |connection| rolls::facts(connection, &job, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut all = 0;
        loop {
            let removed = self.writer.ask("prune", move |desk| rolls::prune(desk.connection, before)).await?;
            all += removed;
            if removed == 0 {
                return Ok(all);
            }
        }
    }

    fn portable(&self) -> Option<&dyn Portable> {
        Some(self)
    }

    fn live(&self) -> Option<&dyn Live> {
        Some(self)
    }
}
