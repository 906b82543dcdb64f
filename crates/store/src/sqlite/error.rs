//! What SQLite says, by what the caller can do about it.

use std::io;
use std::path::Path;

use rusqlite::ffi::{self, ErrorCode};

use crate::{ErrorKind, StoreError};

/// An error of SQLite while `doing` something to the file.
pub(super) fn from(doing: &str, path: &Path, source: rusqlite::Error) -> StoreError {
    let kind = kind(&source);
    with_hint(StoreError::new(kind, format!("can't {doing} {}", path.display()))).because(source)
}

/// An error of the file system while `doing` something to the file.
pub(super) fn io(doing: &str, path: &Path, source: io::Error) -> StoreError {
    let kind = match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ErrorKind::Missing
        }
        _ => ErrorKind::Unavailable,
    };
    with_hint(StoreError::new(kind, format!("can't {doing} {}", path.display()))).because(source)
}

/// The thread that should have done it is gone.
pub(super) fn gone(doing: &str, path: &Path) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, format!("can't {doing} {}: nobody answered", path.display()))
}

/// The file could be opened to be read only.
pub(super) fn read_only(doing: &str, path: &Path) -> StoreError {
    with_hint(StoreError::new(
        ErrorKind::Denied,
        format!("can't {doing} {}: it can only be read", path.display()),
    ))
}

/// What is stored in a column is not what was written there.
pub(super) fn damaged(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, source.into())
}

/// Whether the connection can't be trusted any more: what it believes to be on disk may not be there.
pub(super) fn spoils_connection(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
        )
    )
}

/// A row was not understood, which concerns whoever wanted to read it alone.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::FromSqlConversionFailure(..))
}

/// The file is no SQLite database at all.
pub(super) fn is_no_database(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

fn with_hint(error: StoreError) -> StoreError {
    let hint = match error.kind() {
        ErrorKind::Full => "make room on the disk",
        ErrorKind::Denied => {
            "the file and its directory must be writable for this user; SQLite keeps a log beside the file"
        }
        ErrorKind::Corrupt => "restore the file from a backup, or move it away to begin anew",
        ErrorKind::Config
        | ErrorKind::Missing
        | ErrorKind::Unavailable
        | ErrorKind::Newer
        | ErrorKind::Unfit => {
            return error;
        }
    };
    error.hint(hint)
}

fn kind(error: &rusqlite::Error) -> ErrorKind {
    let rusqlite::Error::SqliteFailure(code, _) = error else { return unreadable(error) };
    match code.code {
        ErrorCode::DiskFull => ErrorKind::Full,
        // The index of the log can't grow.
        ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => ErrorKind::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            ErrorKind::Denied
        }
        ErrorCode::CannotOpen => ErrorKind::Denied,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorKind::Corrupt,
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => ErrorKind::Corrupt,
        ErrorCode::TooBig => ErrorKind::Unfit,
        _ => ErrorKind::Unavailable,
    }
}

/// A row that was not understood: of a newer Tenko, or damaged.
fn unreadable(error: &rusqlite::Error) -> ErrorKind {
    let rusqlite::Error::FromSqlConversionFailure(_, _, source) = error else { return ErrorKind::Corrupt };
    match source.downcast_ref() {
        Some(tenko_core::format::FormatError::Newer { .. }) => ErrorKind::Newer,
        _ => ErrorKind::Corrupt,
    }
}
