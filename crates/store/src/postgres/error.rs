//! What PostgreSQL says, by what the caller can do about it.

use std::io;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::{ErrorKind, StoreError};

/// An error of the database while `doing` something to it.
pub(super) fn from(doing: &str, shown: &str, source: Error) -> StoreError {
    let (kind, hint) = sort(&source);
    let error = StoreError::new(kind, format!("can't {doing} {shown}"));
    let error = match hint {
        Some(hint) => error.hint(hint),
        None => error,
    };
    match source {
        // What it says of itself and where it stands is not for people.
        Error::Database(source) => error.because(said(source.as_ref())),
        Error::Io(source) => error.because(source),
        source => error.because(source),
    }
}

/// There was no answer in time.
pub(super) fn silent(doing: &str, shown: &str, seconds: u64) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, format!("can't {doing} {shown}: no answer in {seconds} s"))
}

/// What is stored in a column is not what was written there.
pub(super) fn damaged(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Decode(source.into())
}

/// Whether the transaction as a whole can be tried again at once, as nothing of it was done: it met another, or its
/// connection broke.
pub(super) fn passes(error: &Error) -> bool {
    match error {
        Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            matches!(&*code, "40001" | "40P01" | "57P01" | "57P02" | "57P03") || code.starts_with("08")
        }
        Error::Io(_) | Error::Protocol(_) => true,
        _ => false,
    }
}

/// Whether the server itself said that nothing was done.
pub(super) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            !code.starts_with("57P") && !code.starts_with("08") && code != "40003"
        }
        _ => false,
    }
}

/// The state that the database gave as its reason.
pub(super) fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(DatabaseError::code).map(std::borrow::Cow::into_owned)
}

fn said(error: &dyn DatabaseError) -> String {
    match error.code() {
        Some(code) => format!("{} ({code})", error.message()),
        None => error.message().to_owned(),
    }
}

fn sort(error: &Error) -> (ErrorKind, Option<&'static str>) {
    match error {
        Error::Database(said) => of_state(&said.code().unwrap_or_default()),
        Error::Io(source) => of_network(source),
        Error::Tls(_) => (
            ErrorKind::Config,
            Some(
                "sslrootcert=FILE names the authority of the server's certificate; sslmode says how much is asked of it",
            ),
        ),
        Error::Configuration(_) => (ErrorKind::Config, None),
        Error::Decode(source) | Error::ColumnDecode { source, .. } => match source.downcast_ref() {
            Some(tenko_core::format::FormatError::Newer { .. }) => {
                (ErrorKind::Newer, Some("upgrade Tenko on this machine"))
            }
            _ => (ErrorKind::Corrupt, Some("restore the database from a backup")),
        },
        _ => (ErrorKind::Unavailable, None),
    }
}

fn of_network(error: &io::Error) -> (ErrorKind, Option<&'static str>) {
    match error.kind() {
        io::ErrorKind::PermissionDenied => (ErrorKind::Denied, Some("this user may not use the socket")),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            (ErrorKind::Unavailable, Some("is PostgreSQL running there, and is the port the right one?"))
        }
        _ => (ErrorKind::Unavailable, None),
    }
}

/// By SQLSTATE: appendix A of PostgreSQL's documentation.
fn of_state(code: &str) -> (ErrorKind, Option<&'static str>) {
    match code {
        "28P01" | "28000" => (
            ErrorKind::Denied,
            Some("user and password are taken from the URL, from PGUSER and PGPASSWORD, or from ~/.pgpass"),
        ),
        "3D000" => (ErrorKind::Missing, Some("create the database; its tables are made by themselves")),
        "42501" => (
            ErrorKind::Denied,
            Some(
                "the user needs the right to create a schema in the database, or to own the one that is there",
            ),
        ),
        "42P01" | "42703" | "3F000" => {
            (ErrorKind::Missing, Some("somebody removed tables; restore them from a backup"))
        }
        "42P07" | "42710" => (
            ErrorKind::Config,
            Some("the schema holds the tables of another application: ?schema=NAME names another one"),
        ),
        "53100" => (ErrorKind::Full, Some("make room on the disk of the database")),
        "53300" => (
            ErrorKind::Unavailable,
            Some("the database has no connection left: raise max_connections, or put a pooler before it"),
        ),
        "25006" => (
            ErrorKind::Unavailable,
            Some("this database can only be read: it is a standby, or was made read-only; name the primary"),
        ),
        "0A000" | "54000" | "42883" | "42704" => (ErrorKind::Unfit, Some("PostgreSQL 13 or newer is needed")),
        "XX001" | "XX002" => (ErrorKind::Corrupt, Some("restore the database from a backup")),
        _ if code.starts_with("22") || code.starts_with("23") => (ErrorKind::Corrupt, None),
        _ => (ErrorKind::Unavailable, None),
    }
}
