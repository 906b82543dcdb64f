//! Writes backups.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Counts, End, Header, Trailer, form};
use crate::portable::Piece;
use crate::{ErrorKind, Result, StoreError};

/// More takes longer than it saves.
const LEVEL: i32 = 3;

/// Writes a backup. It is none before [`finish`](Self::finish) has returned.
pub struct BackupWriter<W: Write> {
    out: zstd::Encoder<'static, W>,
    digest: Sha256,
    counts: Counts,
}

impl<W: Write> fmt::Debug for BackupWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupWriter").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl<W: Write> BackupWriter<W> {
    /// Begins a backup.
    ///
    /// # Errors
    /// [`ErrorKind::Full`] if there is no room; [`ErrorKind::Unavailable`] if it can't be written for another reason.
    pub fn begin(out: W, header: &Header) -> Result<Self> {
        let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(failed)?;
        encoder.include_checksum(true).map_err(failed)?;
        let mut writer = Self { out: encoder, digest: Sha256::new(), counts: Counts::new() };
        writer.line(header)?;
        Ok(writer)
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn add(&mut self, piece: Piece) -> Result<()> {
        let kind = form::kind(&piece);
        let line = form::write(piece).map_err(|problem| failed(io::Error::other(problem)))?;
        self.line(&line)?;
        match self.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(kind.to_owned(), 1)),
        }
        Ok(())
    }

    /// Ends it, and gives back what it was written to, and how many pieces there are of each kind.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn finish(mut self) -> Result<(W, Counts)> {
        let sha256 = form::hex(&self.digest.clone().finalize());
        let end = End { end: Trailer { counts: self.counts.clone(), sha256 } };
        self.line(&end)?;
        let mut out = self.out.finish().map_err(failed)?;
        out.flush().map_err(failed)?;
        Ok((out, self.counts))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        self.digest.update(&text);
        self.out.write_all(&text).map_err(failed)
    }
}

fn failed(error: io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Unavailable,
    };
    StoreError::new(kind, "can't write the backup").because(error)
}
