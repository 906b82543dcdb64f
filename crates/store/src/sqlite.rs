//! `sqlite:///path.db`: one file on one machine.
//!
//! All writes go through one thread. Whatever has arrived while it was busy becomes one transaction (group commit), and
//! nobody is answered before that is on disk: WAL with `synchronous=FULL`. Several processes may use the file at once.

mod error;
mod read;
mod schema;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

use crate::{Appended, Commit, Facts, News, Result, Snapshot, Store};
use writer::Writer;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file, and creates it, its directory and its tables if they are missing. A directory that is created
    /// is for its owner alone, and so is the file.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = schema::open(path)?;
        Ok(Self { path: path.to_owned(), writer: Writer::start(path, connection)? })
    }

    /// Reads on a connection of its own, so that writing does not wait for it.
    async fn reading<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        let joined = tokio::task::spawn_blocking(move || {
            let connection = schema::open_to_read(&path)?;
            work(&connection).map_err(|source| error::from(doing, &path, source))
        });
        joined.await.map_err(|source| error::gone(doing, &self.path).because(source))?
    }
}

/// Adds evidence to the store at `path` and returns when it is on disk. For processes that do one thing and end: no
/// runtime and no second thread.
pub fn append_now(path: &Path, evidence: &[Evidence]) -> Result<Vec<Appended>> {
    let mut connection = schema::open(path)?;
    let doing = "add evidence to";
    schema::leave_log(&connection).map_err(|source| error::from(doing, path, source))?;
    write::in_transaction(&mut connection, |transaction| {
        write::append(transaction, evidence, Timestamp::now())
    })
    .map_err(|source| error::from(doing, path, source))
}

#[async_trait]
impl Store for SqliteStore {
    fn url(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.writer.append(evidence.to_vec()).await
    }

    async fn news(&self, since: &Cursor, _now: Timestamp) -> Result<News> {
        let since = since.0.parse::<i64>().unwrap_or(0);
        self.reading("read new evidence in", move |connection| read::news(connection, since)).await
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        let job = job.cloned();
        self.reading("read evidence in", move |connection| read::between(connection, job.as_ref(), from, to))
            .await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        Ok(evidence.clone())
    }

    async fn load(&self) -> Result<Snapshot> {
        self.reading("read the roll in", read::snapshot).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        let part = write::Part::of(base, roll, changes);
        self.writer.commit(Arc::new(part)).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        let job = job.clone();
        self.reading("read facts in", move |connection| read::facts(connection, &job, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.writer.prune(before).await
    }
}
