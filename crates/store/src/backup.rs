//! The file in which all that a store keeps is taken elsewhere.
//!
//! It is a zstd stream, which any `zstd -d` unpacks to lines of JSON: one that says what it is, one for each piece, and one
//! that says how many there are and what their SHA-256 is. A file that was cut off, or in which anything is another, is
//! recognised before anything of it is used.

mod form;
mod reader;
mod writer;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use reader::BackupReader;
pub use writer::BackupWriter;

/// The version of the form that is written. Everything ever written can be read.
pub const VERSION: u32 = 1;

/// What a backup says of itself at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of its form.
    #[serde(rename = "tenko_backup")]
    pub version: u32,
    /// Which Tenko wrote it.
    pub written_by: String,
    /// When it was begun.
    pub at: Timestamp,
    /// The URL of the store that it was taken from, as it may be shown.
    pub store: String,
}

/// How many pieces of each kind there are.
pub type Counts = BTreeMap<String, u64>;

/// What a backup says at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    /// How many pieces there are.
    counts: Counts,
    /// SHA-256 of all lines before this one, in hex.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: Trailer,
}

#[cfg(test)]
mod tests;
