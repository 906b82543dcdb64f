//! Reads backups.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::form::{self, Line};
use super::{Counts, End, Header, Trailer, VERSION};
use crate::portable::Piece;
use crate::{ErrorKind, Result, StoreError};

/// The longest line that is read, in bytes: longer than any piece.
const LONGEST_LINE: u64 = 64 << 20;
/// As much memory as the stream may ask for: 2 to the power of this.
const WINDOW: u32 = 27;

/// Reads a backup piece by piece. What it gives out is right; whether that is all is known only when it has ended.
pub struct BackupReader<R: Read> {
    lines: BufReader<zstd::Decoder<'static, BufReader<R>>>,
    digest: Sha256,
    counts: Counts,
    header: Header,
    ended: bool,
}

impl<R: Read> fmt::Debug for BackupReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupReader").field("header", &self.header).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Versioned {
    tenko_backup: u64,
}

impl<R: Read> BackupReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`ErrorKind::Newer`] if a newer Tenko wrote it; [`ErrorKind::Corrupt`] if it is damaged, or no backup at all.
    pub fn begin(file: R) -> Result<Self> {
        let mut decoder = zstd::Decoder::new(file).map_err(damaged)?;
        decoder.window_log_max(WINDOW).map_err(damaged)?;
        let mut lines = BufReader::new(decoder);
        let first = line(&mut lines)?;
        let Versioned { tenko_backup: version } = serde_json::from_slice(&first).map_err(damaged)?;
        if version > u64::from(VERSION) {
            let newer = format!("a newer version of Tenko has written the backup (form {version})");
            return Err(StoreError::new(ErrorKind::Newer, newer).hint("upgrade Tenko on this machine"));
        }
        let header = serde_json::from_slice(&first).map_err(damaged)?;
        let digest = Sha256::new_with_prefix(&first);
        Ok(Self { lines, digest, counts: Counts::new(), header, ended: false })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads all of it, and gives how many pieces there are of each kind.
    ///
    /// # Errors
    /// As those of the pieces.
    pub fn check(mut self) -> Result<Counts> {
        for piece in self.by_ref() {
            piece?;
        }
        Ok(self.counts)
    }

    fn piece(&mut self) -> Result<Option<Piece>> {
        let text = line(&mut self.lines)?;
        if let Ok(End { end }) = serde_json::from_slice(&text) {
            return self.end(&end).map(|()| None);
        }
        self.digest.update(&text);
        let line: Line = serde_json::from_slice(&text).map_err(damaged)?;
        let piece = form::read(line).map_err(damaged)?;
        *self.counts.entry(form::kind(&piece).to_owned()).or_default() += 1;
        Ok(Some(piece))
    }

    fn end(&mut self, end: &Trailer) -> Result<()> {
        if end.sha256 != form::hex(&self.digest.clone().finalize()) {
            return Err(damaged("its SHA-256 is another"));
        }
        if end.counts != self.counts {
            return Err(damaged("pieces are missing"));
        }
        match self.lines.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(damaged("something follows its end")),
            Err(error) => Err(damaged(error)),
        }
    }
}

impl<R: Read> Iterator for BackupReader<R> {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = self.piece().transpose();
        self.ended = !matches!(piece, Some(Ok(_)));
        piece
    }
}

fn line(lines: &mut impl io::BufRead) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    lines.take(LONGEST_LINE).read_until(b'\n', &mut text).map_err(damaged)?;
    match text.last() {
        Some(b'\n') => Ok(text),
        _ => Err(damaged("it has no end")),
    }
}

fn damaged(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    let error = StoreError::new(ErrorKind::Corrupt, "this is no backup of Tenko, or it is damaged");
    error.because(problem).hint("nothing of it was used")
}
