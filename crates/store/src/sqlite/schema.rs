//! The tables, and how a file comes to have them.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error;
use crate::{ErrorKind, Result, StoreError};

/// `TNKO`, in the header of the file: `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x544e_4b4f;
/// How long is waited for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// How long the log may get, in pages of 4 KiB, before a process that writes once puts it into the file.
const LOG_PAGES: i32 = 200;

/// What brings a file from one version to the next. Only ever added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// The version that this Tenko writes.
const VERSION: i32 = MIGRATIONS.len() as i32;

/// Opens a file to read and write, and creates what is missing.
pub(super) fn open(path: &Path) -> Result<Connection> {
    create(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate(connection, path)
}

/// Opens a file to read. Where nothing may be written, not even beside it, it is read as it lies there.
pub(super) fn open_to_read(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).or_else(|_| as_it_lies(path))?;
    match version(&connection) {
        Ok(found) => check(found, path).map(|_| connection),
        Err(_) => {
            let connection = as_it_lies(path)?;
            let found = version(&connection).map_err(|source| error::from("read", path, source))?;
            check(found, path).map(|_| connection)
        }
    }
}

/// Lets a process that writes once and ends leave the log as it is: to put it into the file again each time would cost
/// four more flushes. It is done when the log has some length, so that the next process does not read a long one.
pub(super) fn leave_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)
}

fn as_it_lies(path: &Path) -> Result<Connection> {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let uri = format!("file:{escaped}?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags).map_err(|source| error::from("open", path, source))
}

/// SQLite would create the file for everybody to read.
fn create(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| error::io("create", directory, source))?;
    }
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|source| error::io("create", path, source))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = connection.map_err(|source| error::from("open", path, source))?;
    connection.busy_timeout(BUSY).map_err(|source| error::from("open", path, source))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(mut connection: Connection, path: &Path) -> Result<Connection> {
    let failed = |source| error::from("prepare", path, source);
    let found = version(&connection).map_err(failed)?;
    if check(found, path)? == VERSION {
        connection.execute_batch("pragma synchronous = full").map_err(failed)?;
        return Ok(connection);
    }
    connection.execute_batch("pragma journal_mode = wal; pragma synchronous = full").map_err(failed)?;
    let migration =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have been quicker.
    let (_, from) = version(&migration).map_err(failed)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        migration.execute_batch(step).map_err(failed)?;
    }
    migration.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    migration.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    migration.commit().map_err(failed)?;
    Ok(connection)
}

/// The application and the version that the file says it has.
fn version(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok((number("application_id")?, number("user_version")?))
}

/// Gives the version if this Tenko can go on from there.
fn check((application, version): (i32, i32), path: &Path) -> Result<i32> {
    let refuse = |kind, problem: &str, hint: &str| {
        Err(StoreError::new(kind, format!("can't use {}: {problem}", path.display())).hint(hint))
    };
    match (application, version) {
        (0, 0) => Ok(0),
        (APPLICATION_ID, found) if found <= VERSION => Ok(found),
        (APPLICATION_ID, _) => refuse(
            ErrorKind::Newer,
            "a newer version of Tenko has written it",
            "upgrade Tenko on this machine; nothing was changed",
        ),
        _ => refuse(
            ErrorKind::Config,
            "it is the SQLite database of another application",
            "choose another path for the store; nothing was changed",
        ),
    }
}
