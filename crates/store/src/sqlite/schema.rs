//! Opening the file, and how it comes to have its tables.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::ffi::ErrorCode;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error;
use super::file::File;
use crate::{ErrorKind, Result, StoreError};

/// `TNKO`, in the header of the file: `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x544e_4b4f;
/// How long is waited for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How much of a log that was put into the file is kept to be written over, in bytes.
const LOG_BYTES: i64 = 16 << 20;

/// What brings a file from one version to the next. Only ever added to.
pub(super) const MIGRATIONS: [&str; 4] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];
/// The version that this Tenko writes.
const VERSION: i32 = MIGRATIONS.len() as i32;

/// Opens a file to read and write, and creates what is missing. Whoever writes has to see that the log stays short.
pub(super) fn open(file: &File) -> Result<Connection> {
    file.create()?;
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let failed = |source| error::from("prepare", file.path(), source);
    let state = look(&connection, file)?;
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
        return Err(error::read_only("write to", file.path()));
    }
    let pragmas = format!(
        "pragma synchronous = full; pragma journal_size_limit = {LOG_BYTES}; pragma wal_autocheckpoint = 0"
    );
    connection.execute_batch(&pragmas).map_err(failed)?;
    if state.is_current() { Ok(connection) } else { migrate(connection, file) }
}

/// The version of the tables in a file, and the one that this Tenko writes. Nothing is changed.
pub(super) fn versions(file: &File) -> Result<(i32, i32)> {
    if !file.path().exists() {
        return Ok((0, VERSION));
    }
    let connection = match connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        Err(error) if error.kind() == ErrorKind::Denied => as_it_lies(file)?,
        connected => connected?,
    };
    Ok((look(&connection, file)?.version, VERSION))
}

/// A connection to read with.
#[derive(Debug)]
pub(super) struct ToRead {
    pub(super) connection: Connection,
    /// Whether it sees what is written after it was opened.
    pub(super) stays_current: bool,
}

/// Opens a file to read. Where nothing may be written, not even the index of its log, it is read as it lies there.
pub(super) fn open_to_read(file: &File) -> Result<ToRead> {
    if !file.path().exists() {
        let missing = StoreError::new(ErrorKind::Missing, format!("there is no {}", file.path().display()));
        return Err(missing.hint("it is created when evidence is stored for the first time"));
    }
    let opened =
        connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| in_use(connection, file));
    match opened {
        Err(error) if error.kind() == ErrorKind::Denied => {
            let connection = as_it_lies(file).map_err(|_| error)?;
            tracing::warn!(path = %file.path().display(), "can't write beside the store: what is in its log is not seen");
            Ok(ToRead { connection: in_use(connection, file)?, stays_current: false })
        }
        opened => Ok(ToRead { connection: opened?, stays_current: true }),
    }
}

/// How many pages are in the log.
pub(super) fn log_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("pragma wal_checkpoint(noop)")?.query_row([], |row| row.get(1))
}

/// Puts the log into the file and makes it empty. Whoever reads from it, or writes, is not waited for; then what can be done
/// without is done.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let emptied = connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
    connection.busy_timeout(BUSY)?;
    emptied
}

fn as_it_lies(file: &File) -> Result<Connection> {
    let path = file.path().display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
        .map_err(|source| error::from("open", file.path(), source))
}

fn connect(file: &File, access: OpenFlags) -> Result<Connection> {
    let failed = |source| error::from("open", file.path(), source);
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file.path(), flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection to a file that has its tables.
fn in_use(connection: Connection, file: &File) -> Result<Connection> {
    if look(&connection, file)?.is_current() {
        return Ok(connection);
    }
    // Empty or old: to be brought up to date by somebody who may write.
    let older =
        StoreError::new(ErrorKind::Missing, format!("{} has not been prepared yet", file.path().display()));
    Err(older.hint("it is prepared when it is opened by somebody who may write"))
}

/// What a file says of itself: application and version.
#[derive(Clone, Copy, Debug)]
struct State {
    application: i32,
    version: i32,
}

impl State {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        Ok(Self { application: number("application_id")?, version: number("user_version")? })
    }

    fn is_current(self) -> bool {
        self.application == APPLICATION_ID && self.version == VERSION
    }
}

/// What a file says of itself, if this Tenko may use it: all of it as of one moment, because another process may be
/// preparing the file.
fn look(connection: &Connection, file: &File) -> Result<State> {
    let failed = |source| error::from("open", file.path(), source);
    if !connection.is_autocommit() {
        return look_once(connection, file);
    }
    connection.execute_batch("begin").map_err(failed)?;
    let seen = look_once(connection, file);
    // An error may have ended it.
    if !connection.is_autocommit() {
        connection.execute_batch("rollback").map_err(failed)?;
    }
    seen
}

fn look_once(connection: &Connection, file: &File) -> Result<State> {
    let path = file.path().display();
    let refuse = |kind, hint: &str, problem: String| Err(StoreError::new(kind, problem).hint(hint));
    let state = match State::of(connection) {
        Err(source) if error::is_no_database(&source) => {
            let refused = StoreError::new(ErrorKind::Config, format!("{path} is no SQLite database"));
            return Err(refused
                .because(source)
                .hint("choose another path for the store; nothing was changed"));
        }
        state => state.map_err(|source| error::from("open", file.path(), source))?,
    };
    let is_empty = || connection.query_row("select count(*) = 0 from sqlite_schema", [], |row| row.get(0));
    match state {
        State { application: APPLICATION_ID, version } if version <= VERSION => Ok(state),
        State { application: APPLICATION_ID, .. } => refuse(
            ErrorKind::Newer,
            "upgrade Tenko on this machine; nothing was changed",
            format!("a newer version of Tenko has written {path}"),
        ),
        State { application: 0, version: 0 }
            if is_empty().map_err(|source| error::from("open", file.path(), source))? =>
        {
            Ok(state)
        }
        State { .. } => refuse(
            ErrorKind::Config,
            "choose another path for the store; nothing was changed",
            format!("{path} is the database of another application"),
        ),
    }
}

fn migrate(mut connection: Connection, file: &File) -> Result<Connection> {
    let failed = |source| error::from("prepare", file.path(), source);
    use_log(&connection).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have been quicker.
    let found = look(&transaction, file)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(found.version).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// SQLite does not wait by itself while two processes change the mode of a new file.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY;
    loop {
        match connection.execute_batch("pragma journal_mode = wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}
