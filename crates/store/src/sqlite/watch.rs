//! Finding out that others have written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::file::{File, Identity};
use super::schema;

/// How often it is looked.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// A connection that only looks whether anybody wrote. The file is asked for one number, which costs next to nothing.
#[derive(Debug)]
pub(super) struct Watch {
    file: Arc<File>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    open: Option<(Option<Identity>, Connection)>,
    /// `pragma data_version` at the last look.
    version: Option<i64>,
    /// How often others had written, as far as the thread that writes had seen.
    changes: Option<u64>,
}

impl Watch {
    pub(super) fn new(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file), seen: Mutex::default() }
    }

    /// Whether anybody has written since this was asked before, this store among them.
    pub(super) fn looks_changed(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = self.file.identity();
        let same = seen.open.take().filter(|(of, _)| identity.is_some() && *of == identity);
        let opened = same.or_else(|| Some((identity, schema::open_to_read(&self.file).ok()?.connection)));
        let Some((of, connection)) = opened else { return false };
        let version = version(&connection).ok();
        let changed = version != seen.version;
        (seen.version, seen.open) = (version, version.map(|_| (of, connection)));
        changed
    }

    /// Whether others have written since this was asked before, given how often they had. When it is asked for the first
    /// time nothing has changed.
    pub(super) fn is_news(&self, changes: u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.changes.replace(changes);
        before.is_some_and(|before| before != changes)
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
}
