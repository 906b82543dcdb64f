//! For processes that do one thing and end: no runtime, and no second thread.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tenko_core::Evidence;

use super::file::{File, Identity};
use super::known::Known;
use super::writer::{self, Desk};
use super::{error, evidence, schema};
use crate::{Appended, Result};

/// How long the log may get, in pages of 4 KiB, before a process that writes once puts it into the file. Each such
/// process reads all of it, and a run adds about five pages.
const LOG_PAGES: i64 = 64;

/// A store that was opened to add evidence to it once.
#[derive(Debug)]
pub struct Opened {
    file: File,
    /// Which file was opened.
    identity: Option<Identity>,
    connection: Connection,
}

impl Opened {
    /// Opens the store at `path` and makes all ready that can be before the evidence is there.
    ///
    /// # Errors
    /// As [`super::SqliteStore::open`].
    pub fn new(path: &Path) -> Result<Self> {
        let file = File::new(path);
        let connection = schema::open(&file)?;
        prepare(&connection).map_err(|source| error::from("open", path, source))?;
        Ok(Self { identity: file.identity(), file, connection })
    }

    /// Adds evidence and returns when it is on disk.
    ///
    /// # Errors
    /// As [`crate::Store::append`].
    pub fn append(self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let now = self.file.identity();
        let mut opened =
            if now.is_some() && now == self.identity { self } else { Self::new(self.file.path())? };
        let added = writer::in_transaction(&mut opened.connection, |connection| {
            let desk = &mut Desk { connection, known: &mut Known::default() };
            evidence::append(desk, evidence, Timestamp::now())
        })
        .map_err(|source| error::from("add evidence to", opened.file.path(), source))?;
        if let Err(error) = empty_log(&opened.connection) {
            // The evidence is on disk. The next process finds a longer log and tries it, too.
            tracing::debug!(%error, path = %opened.file.path().display(), "can't empty the log of the store");
        }
        Ok(added)
    }
}

/// The log stays as it is when the process ends: to put it into the file each time would cost four more flushes.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    evidence::prepare(connection)
}

/// Puts a long log into the file and makes it empty. It would not do to put it into the file only: who opens the file
/// alone reads the log anew and does not know how much of it is in the file, so that it would never be begun again.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    if schema::log_pages(connection)? < LOG_PAGES {
        return Ok(());
    }
    schema::empty_log(connection)
}
