//! What SQLite says, by what the caller can do about it.

use std::path::Path;

use rusqlite::ffi::ErrorCode;

use crate::{ErrorKind, StoreError};

/// An error of SQLite while `doing` something to the file.
pub(super) fn from(doing: &str, path: &Path, source: rusqlite::Error) -> StoreError {
    let kind = kind(&source);
    let error = StoreError::new(kind, format!("can't {doing} {}", path.display()));
    let error = match kind {
        ErrorKind::Full => error.hint("make room on the disk; what could not be stored is kept or repeated"),
        ErrorKind::Denied => error.hint("the file and its directory must be writable for this user"),
        ErrorKind::Unavailable => error.hint("another process is writing for long; try again"),
        ErrorKind::Corrupt => error.hint("restore the file from a backup, or move it away to begin anew"),
        _ => error,
    };
    error.because(source)
}

fn kind(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::Full,
        Some(
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorKind::Denied,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure) => {
            ErrorKind::Unavailable
        }
        Some(ErrorCode::CannotOpen) => ErrorKind::Missing,
        Some(_) => ErrorKind::Corrupt,
        None => ErrorKind::Corrupt,
    }
}

/// An error of the file system.
pub(super) fn io(doing: &str, path: &Path, source: std::io::Error) -> StoreError {
    use std::io::ErrorKind as Io;
    let kind = match source.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Missing,
    };
    StoreError::new(kind, format!("can't {doing} {}", path.display())).because(source)
}

/// The thread that should have done it is gone.
pub(super) fn gone(doing: &str, path: &Path) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, format!("can't {doing} {}: the writer has ended", path.display()))
}

/// What is stored in a column is not what was written there.
pub(super) fn damaged(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, source.into())
}
