//! The thread through which everything is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;
use tenko_core::Evidence;
use tokio::sync::{mpsc, oneshot};

use super::{error, write};
use crate::{Appended, Commit, Result};

/// How much may wait for the disk; whoever comes then waits, too.
const QUEUE: usize = 1024;
/// The most that becomes one transaction.
const BATCH: usize = 512;

/// Where to send what is to be written.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    queue: mpsc::Sender<Work>,
}

#[derive(Debug)]
enum Work {
    Append(Vec<Evidence>, oneshot::Sender<Result<Vec<Appended>>>),
    Commit(Arc<write::Part>, oneshot::Sender<Result<Commit>>),
    Prune(Timestamp, oneshot::Sender<Result<u64>>),
}

/// What came of a piece of work, before it is on disk.
enum Done {
    Append(Vec<Appended>),
    Commit(Commit),
    Prune(u64),
}

impl Writer {
    /// Starts the thread. It ends when this is dropped and everything is written.
    pub(super) fn start(path: &Path, connection: Connection) -> Result<Self> {
        let (queue, work) = mpsc::channel(QUEUE);
        let place = path.to_owned();
        let named = thread::Builder::new().name("sqlite-writer".into());
        let started = named.spawn(move || write_all(connection, work, &place));
        started.map_err(|source| error::io("start the writer of", path, source))?;
        Ok(Self { path: path.to_owned(), queue })
    }

    pub(super) async fn append(&self, evidence: Vec<Evidence>) -> Result<Vec<Appended>> {
        self.ask("add evidence to", |answer| Work::Append(evidence, answer)).await
    }

    pub(super) async fn commit(&self, part: Arc<write::Part>) -> Result<Commit> {
        self.ask("commit to", |answer| Work::Commit(part, answer)).await
    }

    pub(super) async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut all = 0;
        loop {
            let removed = self.ask("prune", |answer| Work::Prune(before, answer)).await?;
            all += removed;
            if removed == 0 {
                return Ok(all);
            }
        }
    }

    async fn ask<T>(&self, doing: &str, work: impl FnOnce(oneshot::Sender<Result<T>>) -> Work) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let sent = self.queue.send(work(answer)).await;
        sent.map_err(|_| error::gone(doing, &self.path))?;
        answered.await.map_err(|_| error::gone(doing, &self.path))?
    }
}

fn write_all(mut connection: Connection, mut queue: mpsc::Receiver<Work>, path: &Path) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH {
            let Ok(next) = queue.try_recv() else { break };
            batch.push(next);
        }
        write_batch(&mut connection, &mut batch, path);
    }
}

/// Writes a batch in one transaction. If that fails, each piece of work stands alone, so that one which can't be done
/// does not take the others with it.
fn write_batch(connection: &mut Connection, batch: &mut Vec<Work>, path: &Path) {
    let together = write::in_transaction(connection, |transaction| {
        batch.iter().map(|work| do_one(transaction, work)).collect::<rusqlite::Result<Vec<Done>>>()
    });
    match together {
        Ok(done) => batch.drain(..).zip(done).for_each(|(work, done)| answer(work, Ok(done), path)),
        Err(error) if batch.len() == 1 => {
            batch.drain(..).for_each(|work| answer(work, Err(dup(&error)), path))
        }
        Err(_) => {
            for work in batch.drain(..) {
                let done = write::in_transaction(connection, |transaction| do_one(transaction, &work));
                answer(work, done, path);
            }
        }
    }
}

/// Errors of SQLite can't be copied; code and text can.
fn dup(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => rusqlite::Error::SqliteFailure(*code, text.clone()),
        other => error::damaged(other.to_string()),
    }
}

fn do_one(connection: &Connection, work: &Work) -> rusqlite::Result<Done> {
    match work {
        Work::Append(evidence, _) => write::append(connection, evidence, Timestamp::now()).map(Done::Append),
        Work::Commit(part, _) => write::commit(connection, part).map(Done::Commit),
        Work::Prune(before, _) => {
            write::prune(connection, *before).map(|removed| Done::Prune(removed as u64))
        }
    }
}

/// Whoever does not wait for the answer any more is not told.
fn answer(work: Work, done: rusqlite::Result<Done>, path: &Path) {
    match work {
        Work::Append(_, asker) => {
            drop(asker.send(finish(done, "add evidence to", path, |done| match done {
                Done::Append(appended) => Some(appended),
                _ => None,
            })))
        }
        Work::Commit(_, asker) => drop(asker.send(finish(done, "commit to", path, |done| match done {
            Done::Commit(commit) => Some(commit),
            _ => None,
        }))),
        Work::Prune(_, asker) => drop(asker.send(finish(done, "prune", path, |done| match done {
            Done::Prune(removed) => Some(removed),
            _ => None,
        }))),
    }
}

fn finish<T>(
    done: rusqlite::Result<Done>,
    doing: &str,
    path: &Path,
    pick: impl FnOnce(Done) -> Option<T>,
) -> Result<T> {
    let done = done.map_err(|source| error::from(doing, path, source))?;
    pick(done).ok_or_else(|| error::gone(doing, path))
}
