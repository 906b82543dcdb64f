//! Finding out that others have written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::file::{File, Identity};
use super::schema;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(250);

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
    /// When it was looked last.
    looked_at: Option<Instant>,
}

impl Watch {
    pub(super) fn new(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file), seen: Mutex::default() }
    }

    /// When it is to be looked next. Who begins to wait anew, again and again, does not put it off by that.
    pub(super) fn next_look(&self) -> Instant {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.looked_at.unwrap_or_else(Instant::now) + EVERY
    }

    /// Whether anybody has written since this was asked before, this store among them.
    pub(super) fn looks_changed(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.looked_at = Some(Instant::now());
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
