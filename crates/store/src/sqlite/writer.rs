//! The thread through which everything is written.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::file::{File, Identity};
use super::known::Known;
use super::{error, schema};
use crate::{ErrorKind, Result, StoreError};

/// How much may wait for the disk; whoever comes then waits for a place.
const QUEUE: usize = 1024;
/// The most that becomes one transaction.
const GROUP: usize = 512;
/// How long the log may get, in pages of 4 KiB, before it is put into the file.
const LOG_PAGES: i64 = 1_000;
/// How long to wait for others who are likely to come; a flush to disk takes several times as long.
const GATHER: Duration = Duration::from_micros(200);

/// What a piece of work is done with: a connection in a transaction, and what is known of the file.
pub(super) struct Desk<'a> {
    pub(super) connection: &'a Connection,
    pub(super) known: &'a mut Known,
}

/// A piece of work, and whom to tell what came of it.
trait Work: Send {
    /// Does it. If the transaction fails, it is done again in another one.
    fn do_at(&mut self, desk: &mut Desk<'_>) -> rusqlite::Result<()>;

    /// Tells that it is on disk, or why it is not.
    fn tell(self: Box<Self>, outcome: std::result::Result<(), &StoreError>);
}

struct Asked<T, W> {
    work: W,
    done: Option<T>,
    asker: oneshot::Sender<Result<T>>,
}

impl<T: Send, W: FnMut(&mut Desk<'_>) -> rusqlite::Result<T> + Send> Work for Asked<T, W> {
    fn do_at(&mut self, desk: &mut Desk<'_>) -> rusqlite::Result<()> {
        self.done = Some((self.work)(desk)?);
        Ok(())
    }

    fn tell(self: Box<Self>, outcome: std::result::Result<(), &StoreError>) {
        let Self { done, asker, .. } = *self;
        let answer = match (outcome, done) {
            (Ok(()), Some(done)) => Ok(done),
            (Err(problem), _) => Err(problem.again()),
            (Ok(()), None) => unreachable!("what is on disk was done"),
        };
        // Whoever does not wait for the answer any more is not told.
        drop(asker.send(answer));
    }
}

type Group = Vec<Box<dyn Work>>;

/// Where to send what is to be written.
#[derive(Debug)]
pub(super) struct Writer {
    file: Arc<File>,
    /// There until this is dropped.
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. When this is dropped, it writes what it was sent, closes the file and ends; that is waited for.
    pub(super) fn start(file: &Arc<File>, connection: Option<Connection>) -> Result<Self> {
        let (queue, work) = mpsc::channel(QUEUE);
        let open = connection.map(|connection| Open::new(file, connection));
        let pen = Pen { file: Arc::clone(file), open, was_full: false };
        let named = thread::Builder::new().name("sqlite-writer".into());
        let started = named.spawn(move || pen.write_all(work));
        let thread = started.map_err(|source| error::io("start the writer of", file.path(), source))?;
        Ok(Self { file: Arc::clone(file), queue: Some(queue), thread: Some(thread) })
    }

    /// Has work done, and waits until it is on disk. It may be begun several times, each time in another transaction,
    /// after the one before was rolled back.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnMut(&mut Desk<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (asker, answered) = oneshot::channel();
        let gone = || error::gone(doing, self.file.path());
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Box::new(Asked { work, done: None, asker })).await.map_err(|_| gone())?;
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
    /// None after an error that spoiled it, and while the file can only be read.
    open: Option<Open>,
    /// Whether the disk was full when something was last written.
    was_full: bool,
}

/// A connection, to which file, and what is known of what is in it.
struct Open {
    identity: Option<Identity>,
    connection: Connection,
    known: Known,
}

impl Open {
    fn new(file: &File, connection: Connection) -> Self {
        Self { identity: file.identity(), connection, known: Known::default() }
    }
}

impl Pen {
    fn write_all(mut self, mut queue: mpsc::Receiver<Box<dyn Work>>) {
        let (mut group, mut before) = (Vec::new(), 0);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            gather(&mut queue, &mut group, before);
            before = group.len();
            if self.was_full {
                self.empty_log();
            }
            self.write_group(std::mem::take(&mut group));
            self.shorten_log();
        }
    }

    /// Puts a long log into the file. SQLite would do it before those who wait for what they wrote are told, although
    /// it is on disk already.
    fn shorten_log(&self) {
        let Some(Open { connection, .. }) = &self.open else { return };
        let shortened = schema::log_pages(connection).and_then(|pages| match pages {
            ..LOG_PAGES => Ok(()),
            _ => connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(())),
        });
        if let Err(error) = shortened {
            // It is tried again after the next group.
            tracing::debug!(%error, path = %self.file.path().display(), "can't shorten the log of the store");
        }
    }

    /// Puts the log into the file, however short it is, and gives its room back: on a small disk it may be what filled it.
    /// That takes less room than the log has, in which what was written again and again lies as often.
    fn empty_log(&mut self) {
        // If it can't be opened, whoever wants to write is told why.
        let Ok(Open { connection, .. }) = self.open() else { return };
        if let Err(error) = schema::empty_log(connection) {
            // It is tried again before the next group.
            tracing::debug!(%error, path = %self.file.path().display(), "can't empty the log of the store");
        }
    }

    /// Writes a group in one transaction. If it fails for a reason that need not concern all of it, each piece of work
    /// stands alone, so that one which can't be done does not take the others with it.
    fn write_group(&mut self, mut group: Group) {
        let done = self.write(|desk| group.iter_mut().try_for_each(|work| work.do_at(desk)));
        match done {
            Ok(()) => group.into_iter().for_each(|work| work.tell(Ok(()))),
            Err(problem) if group.len() > 1 && !concerns_all(&problem) => {
                group.drain(..).for_each(|work| self.write_group(vec![work]));
            }
            Err(problem) => group.into_iter().for_each(|work| work.tell(Err(&problem))),
        }
    }

    fn write(&mut self, work: impl FnOnce(&mut Desk<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let written = self.try_to_write(work);
        self.was_full = matches!(&written, Err(error) if error.kind() == ErrorKind::Full);
        written
    }

    fn try_to_write(&mut self, work: impl FnOnce(&mut Desk<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let Open { connection, known, .. } = self.open()?;
        let written = in_transaction(connection, |connection| {
            known.begin(connection)?;
            work(&mut Desk { connection, known: &mut *known })?;
            known.end(connection)
        });
        written.map_err(|source| {
            self.open = self.open.take().filter(|_| !error::spoils_connection(&source));
            if let Some(open) = &mut self.open {
                open.known.forget_all();
            }
            error::from("write to", self.file.path(), source)
        })
    }

    /// The connection, a new one if there is none or if another file lies there now.
    fn open(&mut self) -> Result<&mut Open> {
        let identity = self.file.identity();
        let open = self.open.take().filter(|open| identity.is_some() && open.identity == identity);
        let open = match open {
            Some(open) => open,
            None => Open::new(&self.file, schema::open(&self.file)?),
        };
        Ok(self.open.insert(open))
    }
}

/// Waits a moment for as much as there was the time before: those who were answered together come again together, and
/// the first of them would else have a transaction of its own. Who comes alone does not wait.
fn gather(queue: &mut mpsc::Receiver<Box<dyn Work>>, group: &mut Group, expected: usize) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn writer_whose_thread(does: impl FnOnce(mpsc::Receiver<Box<dyn Work>>) + Send + 'static) -> Writer {
        let (queue, work) = mpsc::channel(QUEUE);
        let file = Arc::new(File::new(Path::new("/nowhere/tenko.db")));
        Writer { file, queue: Some(queue), thread: Some(thread::spawn(move || does(work))) }
    }

    #[tokio::test]
    async fn fault_16_that_the_writing_thread_has_died_is_said_and_nobody_waits_for_it() {
        let dead = writer_whose_thread(drop);
        let dying = writer_whose_thread(|mut work| drop(work.blocking_recv()));
        for writer in [dead, dying] {
            let error = writer.ask("append to", |_| Ok(())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_eq!(error.to_string(), "can't append to /nowhere/tenko.db: nobody answered");
        }
    }
}
