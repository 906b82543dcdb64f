//! Evidence that could not be stored, kept on this machine until it can.
//!
//! Each destination has a directory of its own, named by a digest of its URL, with one file for each piece of evidence.
//! A file is complete or not there: it is written aside, flushed, and renamed. Sending the same evidence twice does no
//! harm, so a piece is removed only after it was sent.

mod files;

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tenko_core::format::{self, FormatError};
use tenko_core::{Evidence, Report};

use files::{Entry, is_gone, not_there, read, sync_directory, write_whole};

/// The most pieces that are kept for one destination; the oldest give way.
pub const MAX_PIECES: usize = 10_000;
/// The most bytes that are kept for one destination; the oldest give way.
pub const MAX_BYTES: u64 = 64 << 20;
/// How long a piece is kept, by its own time. What is older can't change what is known of a job.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// How long a file that was not finished may have been left alone before it is removed.
const DRAFT_AGE: SignedDuration = SignedDuration::from_hours(1);

/// What holds evidence for one destination.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
}

/// What became of the pieces in a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many were sent.
    pub sent: usize,
    /// How many are left.
    pub left: usize,
    /// Files that are no evidence; they were moved to `bad/`.
    pub bad: Vec<PathBuf>,
    /// Files that can't be read at the moment, or that a newer Tenko wrote; they are among those that are left.
    pub unread: Vec<PathBuf>,
    /// Whether another process is at it, so that nothing was done.
    pub busy: bool,
}

impl Spool {
    /// The spool for the destination `url` below `root`, created if it is not there. Only its owner can read it: the
    /// URL may be a secret.
    pub fn for_store(root: &Path, url: &str) -> io::Result<Self> {
        let directory = place(root, url);
        let named = directory.join("url");
        if !named.try_exists()? {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            write_whole(&named, url.as_bytes())?;
            [Some(root), root.parent()].into_iter().flatten().try_for_each(sync_directory)?;
        }
        Ok(Self { directory })
    }

    /// The spool for the destination `url`, if there is one.
    pub fn existing(root: &Path, url: &str) -> io::Result<Option<Self>> {
        let directory = place(root, url);
        Ok(directory.try_exists()?.then_some(Self { directory }))
    }

    /// All spools below `root`, with their destinations, sorted by them.
    pub fn all(root: &Path) -> io::Result<Vec<(String, Self)>> {
        let Some(entries) = not_there(fs::read_dir(root))? else { return Ok(Vec::new()) };
        let mut spools = Vec::new();
        for entry in entries {
            let directory = entry?.path();
            match fs::read_to_string(directory.join("url")) {
                Ok(url) => spools.push((url, Self { directory })),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        spools.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(spools)
    }

    /// Keeps a piece of evidence; it is on disk when this returns. Gives how many older pieces had to give way.
    ///
    /// If the disk is full, output is left out, and then older pieces give way.
    pub fn put(&self, evidence: &Evidence) -> io::Result<usize> {
        let body = format::write_evidence(evidence);
        let path = self.directory.join(files::name(evidence));
        let mut dropped = self.make_room(body.len() as u64)?;
        let mut written = write_whole(&path, &body);
        if is_full(&written) {
            let short = format::write_evidence(&without_output(evidence));
            written = write_whole(&path, &short);
            let mut older = self.entries()?.into_iter().filter(|entry| entry.path != path);
            while is_full(&written)
                && let Some(oldest) = older.next()
            {
                not_there(fs::remove_file(&oldest.path))?;
                dropped += 1;
                written = write_whole(&path, &short);
            }
        }
        written.map(|()| dropped)
    }

    /// The files that wait, oldest first.
    pub fn pending(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.entries()?.into_iter().map(|entry| entry.path).collect())
    }

    /// Hands at most `most` pieces to `send`, oldest first, and removes those that it says were sent. Stops at the first
    /// that was not: the rest would fare no better. Of several processes one does this, the others leave it to it.
    pub fn drain(&self, most: usize, mut send: impl FnMut(&Evidence) -> bool) -> io::Result<Drained> {
        let lock =
            OpenOptions::new().create(true).append(true).mode(0o600).open(self.directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Drained { busy: true, left: self.pending()?.len(), ..Drained::default() });
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        self.remove_drafts()?;
        let files = self.pending()?;
        let mut drained = Drained { left: files.len(), ..Drained::default() };
        for file in files.into_iter().take(most) {
            match read(&file) {
                Ok(Ok(evidence)) if !send(&evidence) => break,
                Ok(Ok(_)) => {
                    not_there(fs::remove_file(&file))?;
                    drained.sent += 1;
                }
                Ok(Err(FormatError::Newer { .. })) => {
                    drained.unread.push(file);
                    continue;
                }
                Ok(Err(_)) => drained.bad.push(self.move_aside(&file)?),
                // It had to give way meanwhile.
                Err(error) if is_gone(&error) => {}
                Err(_) => {
                    drained.unread.push(file);
                    continue;
                }
            }
            drained.left -= 1;
        }
        Ok(drained)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = files::list(&self.directory, "json")?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn move_aside(&self, file: &Path) -> io::Result<PathBuf> {
        let aside = self.directory.join("bad");
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        let target = aside.join(file.file_name().unwrap_or_default());
        fs::rename(file, &target)?;
        Ok(target)
    }

    /// Removes the oldest until one more piece of `wanted` bytes may be kept, and what is too old in any case.
    fn make_room(&self, wanted: u64) -> io::Result<usize> {
        let entries = self.entries()?;
        let (mut pieces, mut bytes) = (entries.len(), entries.iter().map(|entry| entry.bytes).sum::<u64>());
        let oldest = files::stamp(Timestamp::now() - MAX_AGE);
        let mut dropped = 0;
        for entry in entries {
            let is_too_old = entry.path.file_name().is_some_and(|name| *name < *oldest);
            if pieces < MAX_PIECES && bytes + wanted <= MAX_BYTES && !is_too_old {
                break;
            }
            not_there(fs::remove_file(&entry.path))?;
            pieces -= 1;
            bytes -= entry.bytes;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Removes what a process had begun to write when it ended.
    fn remove_drafts(&self) -> io::Result<()> {
        for draft in files::list(&self.directory, "tmp")? {
            if draft.is_older_than(DRAFT_AGE) {
                not_there(fs::remove_file(&draft.path))?;
            }
        }
        Ok(())
    }
}

fn place(root: &Path, url: &str) -> PathBuf {
    let digest: String = Sha256::digest(url).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    root.join(digest)
}

fn is_full(written: &io::Result<()>) -> bool {
    let full =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    written.as_ref().is_err_and(full)
}

fn without_output(evidence: &Evidence) -> Evidence {
    let mark =
        evidence.report.output.as_ref().map(|_| "the output was left out: the disk was full".to_owned());
    let message = evidence.report.message.clone().filter(|message| message.len() < 200).or(mark);
    let report = Report { output: None, message, ..evidence.report.clone() };
    Evidence { report, ..evidence.clone() }
}

#[cfg(test)]
mod tests;
