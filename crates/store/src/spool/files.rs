//! The files of a spool.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use tenko_core::Evidence;
use tenko_core::format::{self, FormatError, MAX_EVIDENCE};
use uuid::Uuid;

/// A file and what the directory tells of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    modified: SystemTime,
}

impl Entry {
    pub(super) fn is_older_than(&self, age: SignedDuration) -> bool {
        let elapsed = self.modified.elapsed().unwrap_or_default();
        SignedDuration::try_from(elapsed).is_ok_and(|elapsed| elapsed > age)
    }
}

/// The regular files with this extension; no links, which somebody else may have put there.
pub(super) fn list(directory: &Path, extension: &str) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        let Some(data) = not_there(entry.metadata())? else { continue };
        if data.is_file() {
            found.push(Entry { path, bytes: data.len(), modified: data.modified()? });
        }
    }
    Ok(found)
}

/// Sorts by time, and holds nothing that a sender could choose freely.
pub(super) fn name(evidence: &Evidence) -> String {
    format!("{}-{}.{}.json", stamp(evidence.at), evidence.run, evidence.kind)
}

/// What the names of files of a moment begin with.
pub(super) fn stamp(moment: Timestamp) -> String {
    format!("{:016}", moment.as_millisecond().max(0))
}

/// What lies in a file.
pub(super) fn read(file: &Path) -> io::Result<Result<Evidence, FormatError>> {
    let mut body = Vec::new();
    File::open(file)?.take(MAX_EVIDENCE as u64 + 1).read_to_end(&mut body)?;
    Ok(format::read_evidence(&body))
}

/// Writes a file so that it is whole or not there, even after a loss of power.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.tmp", Uuid::new_v4().simple()));
    let written = write_draft(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // What could not be finished is no use to anybody; that it can't be removed either changes nothing.
        drop(fs::remove_file(&draft));
        return written;
    }
    path.parent().map_or(Ok(()), sync_directory)
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes sure that the names in a directory outlive a loss of power.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Nothing, if it failed because it is not there.
pub(super) fn not_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if is_gone(&error) => Ok(None),
        done => done.map(Some),
    }
}

/// Whether it is not there.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
