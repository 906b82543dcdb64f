//! Connections that only read.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::error;
use super::file::{File, Identity};
use super::schema::{self, ToRead};
use crate::Result;

/// How many connections are kept open while nobody reads.
const KEPT: usize = 4;

/// Connections that only read, to be used by one reader at a time.
#[derive(Debug)]
pub(super) struct Readers {
    file: Arc<File>,
    idle: Mutex<Vec<(Option<Identity>, Connection)>>,
}

impl Readers {
    pub(super) fn new(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file), idle: Mutex::default() }
    }

    /// Lends a connection to `work`. It is used again only if all went well.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let identity = self.file.identity();
        let lent = match self.take(identity) {
            Some(connection) => ToRead { connection, stays_current: true },
            None => schema::open_to_read(&self.file)?,
        };
        let done = work(&lent.connection).map_err(|source| error::from(doing, self.file.path(), source))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if lent.stays_current && idle.len() < KEPT && identity.is_some() {
            idle.push((identity, lent.connection));
        }
        Ok(done)
    }

    fn take(&self, identity: Option<Identity>) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, _)| *of == identity);
        idle.pop().map(|(_, connection)| connection)
    }
}
