//! The thread through which everything is written.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tenko_core::Evidence;
use tokio::sync::{mpsc, oneshot};

use super::file::{File, Identity};
use super::{error, evidence, rolls, schema};
use crate::{Appended, Commit, ErrorKind, Result, StoreError};

/// How much may wait for the disk; whoever comes then waits for a place.
const QUEUE: usize = 1024;
/// The most that becomes one transaction.
const GROUP: usize = 512;
/// How long the log may get, in pages of 4 KiB, before it is put into the file.
const LOG_PAGES: i64 = 1_000;
/// How long to wait for others who are likely to come; a flush to disk takes several times as long.
const GATHER: Duration = Duration::from_micros(200);

/// What is to be written, and whom to tell what came of it.
#[derive(Debug)]
pub(super) enum Work {
    Append(Vec<Evidence>, oneshot::Sender<Result<Vec<Appended>>>),
    Commit(rolls::Part, oneshot::Sender<Result<Commit>>),
    Prune(Timestamp, oneshot::Sender<Result<u64>>),
}

/// What came of a piece of work, once it is on disk.
enum Done {
    Append(Vec<Appended>),
    Commit(Commit),
    Prune(u64),
}

/// Where to send what is to be written.
#[derive(Debug)]
pub(super) struct Writer {
    file: Arc<File>,
    /// There until this is dropped.
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. When this is dropped, it writes what it was sent, closes the file and ends; that is waited for.
    pub(super) fn start(file: &Arc<File>, connection: Option<Connection>) -> Result<Self> {
        let (queue, work) = mpsc::channel(QUEUE);
        let open = connection.map(|connection| (file.identity(), connection));
        let pen = Pen { file: Arc::clone(file), open };
        let named = thread::Builder::new().name("sqlite-writer".into());
        let started = named.spawn(move || pen.write_all(work));
        let thread = started.map_err(|source| error::io("start the writer of", file.path(), source))?;
        Ok(Self { file: Arc::clone(file), queue: Some(queue), thread: Some(thread) })
    }

    /// Has work done, and waits until it is on disk.
    pub(super) async fn ask<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(oneshot::Sender<Result<T>>) -> Work,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let gone = || error::gone(doing, self.file.path());
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(work(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, those who waited for it were told.
            drop(thread.join());
        }
    }
}

/// Does some work in a transaction that is on disk when this returns.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// What the thread holds.
struct Pen {
    file: Arc<File>,
    /// The connection, and to which file. None after an error that spoiled it, and while the file can only be read.
    open: Option<(Option<Identity>, Connection)>,
}

impl Pen {
    fn write_all(mut self, mut queue: mpsc::Receiver<Work>) {
        let (mut group, mut before) = (Vec::new(), 0);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            gather(&mut queue, &mut group, before);
            before = group.len();
            self.write_group(std::mem::take(&mut group));
            self.shorten_log();
        }
    }

    /// Puts a long log into the file. SQLite would do it before those who wait for what they wrote are told, although
    /// it is on disk already.
    fn shorten_log(&self) {
        let Some((_, connection)) = &self.open else { return };
        let shortened = schema::log_pages(connection).and_then(|pages| match pages {
            ..LOG_PAGES => Ok(()),
            _ => connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(())),
        });
        if let Err(error) = shortened {
            // It is tried again after the next group.
            tracing::debug!(%error, path = %self.file.path().display(), "can't shorten the log of the store");
        }
    }

    /// Writes a group in one transaction. If it fails for a reason that need not concern all of it, each piece of work
    /// stands alone, so that one which can't be done does not take the others with it.
    fn write_group(&mut self, mut group: Vec<Work>) {
        let done =
            self.write("write to", |connection| group.iter().map(|work| work.do_in(connection)).collect());
        match done {
            Ok(done) => zip(group, done),
            Err(problem) if group.len() > 1 && !concerns_all(&problem) => {
                group.drain(..).for_each(|work| self.write_group(vec![work]));
            }
            Err(problem) => group.drain(..).for_each(|work| work.refuse(&problem)),
        }
    }

    fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let connection = self.connection()?;
        in_transaction(connection, work).map_err(|source| {
            if error::spoils_connection(&source) {
                self.open = None;
            }
            error::from(doing, self.file.path(), source)
        })
    }

    /// The connection, a new one if there is none or if another file lies there now.
    fn connection(&mut self) -> Result<&mut Connection> {
        let identity = self.file.identity();
        let open = self.open.take().filter(|(of, _)| identity.is_some() && *of == identity);
        let open = match open {
            Some(open) => open,
            None => {
                let connection = schema::open(&self.file)?;
                (self.file.identity(), connection)
            }
        };
        Ok(&mut self.open.insert(open).1)
    }
}

/// Waits a moment for as much as there was the time before: those who were answered together come again together, and
/// the first of them would else have a transaction of its own. Who comes alone does not wait.
fn gather(queue: &mut mpsc::Receiver<Work>, group: &mut Vec<Work>, expected: usize) {
    let until = Instant::now() + GATHER;
    while group.len() < expected && Instant::now() < until {
        match queue.try_recv() {
            Ok(work) => group.push(work),
            Err(_) => thread::yield_now(),
        }
    }
}

/// Whether a group would fare no better one by one: it would only wait as often as it has parts.
fn concerns_all(problem: &StoreError) -> bool {
    match problem.kind() {
        ErrorKind::Corrupt | ErrorKind::Full | ErrorKind::Unfit => false,
        ErrorKind::Config
        | ErrorKind::Denied
        | ErrorKind::Missing
        | ErrorKind::Unavailable
        | ErrorKind::Newer => true,
    }
}

fn zip(group: Vec<Work>, done: Vec<Done>) {
    for (work, done) in group.into_iter().zip(done) {
        // Whoever does not wait for the answer any more is not told.
        match (work, done) {
            (Work::Append(_, asker), Done::Append(appended)) => drop(asker.send(Ok(appended))),
            (Work::Commit(_, asker), Done::Commit(commit)) => drop(asker.send(Ok(commit))),
            (Work::Prune(_, asker), Done::Prune(removed)) => drop(asker.send(Ok(removed))),
            _ => unreachable!("do_in answers each kind of work with its own kind"),
        }
    }
}

impl Work {
    fn do_in(&self, connection: &Connection) -> rusqlite::Result<Done> {
        match self {
            Self::Append(evidence, _) => {
                evidence::append(connection, evidence, Timestamp::now()).map(Done::Append)
            }
            Self::Commit(part, _) => rolls::commit(connection, part).map(Done::Commit),
            Self::Prune(before, _) => rolls::prune(connection, *before).map(Done::Prune),
        }
    }

    fn refuse(self, problem: &StoreError) {
        match self {
            Self::Append(_, asker) => drop(asker.send(Err(error::again(problem)))),
            Self::Commit(_, asker) => drop(asker.send(Err(error::again(problem)))),
            Self::Prune(_, asker) => drop(asker.send(Err(error::again(problem)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn writer_whose_thread(does: impl FnOnce(mpsc::Receiver<Work>) + Send + 'static) -> Writer {
        let (queue, work) = mpsc::channel(QUEUE);
        let file = Arc::new(File::new(Path::new("/nowhere/tenko.db")));
        Writer { file, queue: Some(queue), thread: Some(thread::spawn(move || does(work))) }
    }

    #[tokio::test]
    async fn fault_16_that_the_writing_thread_has_died_is_said_and_nobody_waits_for_it() {
        let dead = writer_whose_thread(drop);
        let dying = writer_whose_thread(|mut work| drop(work.blocking_recv()));
        for writer in [dead, dying] {
            let error = writer.ask("append to", |answer| Work::Append(Vec::new(), answer)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.to_string(), "can't append to /nowhere/tenko.db: nobody answered");
        }
    }
}
