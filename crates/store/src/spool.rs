//! Evidence that could not be stored, kept on this machine until it can.
//!
//! Each destination has a directory of its own, named by a digest of its URL, with one file for each piece of evidence.
//! A file is complete or not there: it is written aside, flushed, and renamed. Sending the same evidence twice does no
//! harm, so a piece is removed only after it was sent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tenko_core::Evidence;
use tenko_core::format::{self, MAX_EVIDENCE};

/// The most pieces that are kept for one destination; the oldest give way.
pub const MAX_PIECES: usize = 10_000;
/// The most bytes that are kept for one destination; the oldest give way.
pub const MAX_BYTES: u64 = 64 << 20;

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
    /// Whether another process is at it, so that nothing was done.
    pub busy: bool,
}

impl Spool {
    /// The spool for the destination `url` below `root`, created if it is not there. Only its owner can read it: the
    /// URL may be a secret.
    pub fn for_store(root: &Path, url: &str) -> io::Result<Self> {
        let directory = place(root, url);
        let named = directory.join("url");
        if !named.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            write_whole(&named, url.as_bytes())?;
        }
        Ok(Self { directory })
    }

    /// The spool for the destination `url`, if there is one.
    pub fn existing(root: &Path, url: &str) -> io::Result<Option<Self>> {
        let directory = place(root, url);
        Ok(directory.try_exists()?.then_some(Self { directory }))
    }

    /// All spools below `root`, with their destinations.
    pub fn all(root: &Path) -> io::Result<Vec<(String, Self)>> {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut spools = Vec::new();
        for entry in entries {
            let directory = entry?.path();
            match fs::read_to_string(directory.join("url")) {
                Ok(url) => spools.push((url, Self { directory })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        spools.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(spools)
    }

    /// Keeps a piece of evidence; it is on disk when this returns. Gives how many older pieces had to give way.
    pub fn put(&self, evidence: &Evidence) -> io::Result<usize> {
        let body = format::write_evidence(evidence);
        let dropped = self.make_room(body.len() as u64)?;
        write_whole(&self.directory.join(file_name(evidence)), &body)?;
        Ok(dropped)
    }

    /// The files that wait, oldest first.
    pub fn pending(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Hands at most `most` pieces to `send`, oldest first, and removes those that it says were sent. Stops at the first
    /// that was not: the rest would fare no better. Of several processes one does this, the others leave it to it.
    pub fn drain(&self, most: usize, mut send: impl FnMut(&Evidence) -> bool) -> io::Result<Drained> {
        let lock =
            OpenOptions::new().create(true).append(true).mode(0o600).open(self.directory.join("lock"))?;
        if lock.try_lock().is_err() {
            return Ok(Drained { busy: true, left: self.pending()?.len(), ..Drained::default() });
        }
        let files = self.pending()?;
        let mut drained = Drained { left: files.len(), ..Drained::default() };
        for file in files.iter().take(most) {
            match read(file)? {
                Some(evidence) if !send(&evidence) => break,
                Some(_) => {
                    fs::remove_file(file)?;
                    drained.sent += 1;
                }
                None => drained.bad.push(self.move_aside(file)?),
            }
            drained.left -= 1;
        }
        Ok(drained)
    }

    fn move_aside(&self, file: &Path) -> io::Result<PathBuf> {
        let aside = self.directory.join("bad");
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        let target = aside.join(file.file_name().unwrap_or_default());
        fs::rename(file, &target)?;
        Ok(target)
    }

    fn make_room(&self, wanted: u64) -> io::Result<usize> {
        let files = self.pending()?;
        let sizes: Vec<u64> =
            files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).collect();
        let mut bytes: u64 = sizes.iter().sum();
        let mut dropped = 0;
        for (file, size) in files.iter().zip(sizes) {
            let fits = files.len() - dropped < MAX_PIECES && bytes + wanted <= MAX_BYTES;
            if fits {
                break;
            }
            fs::remove_file(file)?;
            bytes -= size;
            dropped += 1;
        }
        Ok(dropped)
    }
}

fn place(root: &Path, url: &str) -> PathBuf {
    let digest: String = Sha256::digest(url).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    root.join(digest)
}

/// Sorts by time, and holds nothing that a sender could choose freely.
fn file_name(evidence: &Evidence) -> String {
    let at = evidence.at.as_millisecond();
    format!("{at:016}-{}.{}.json", evidence.run, evidence.kind)
}

/// What lies in a file; `None` if it is no evidence.
fn read(file: &Path) -> io::Result<Option<Evidence>> {
    let mut body = Vec::new();
    File::open(file)?.take(MAX_EVIDENCE as u64 + 1).read_to_end(&mut body)?;
    Ok(format::read_evidence(&body).ok())
}

/// Writes a file so that it is whole or not there, even after a loss of power.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        // What could not be finished is no use to anybody; that it can't be removed either changes nothing.
        drop(fs::remove_file(&draft));
        return written;
    }
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tenko_core::{Kind, RunId, Slug};

    use super::*;

    fn piece(number: u128) -> Evidence {
        let at = Timestamp::from_second(1_700_000_000 + number as i64).unwrap();
        Evidence::new(Slug::new("job").unwrap(), RunId(uuid::Uuid::from_u128(number)), Kind::Success, at)
    }

    #[test]
    fn what_was_kept_comes_out_once_oldest_first() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::for_store(root.path(), "s3://bucket").unwrap();
        for number in [3, 1, 2, 2] {
            spool.put(&piece(number)).unwrap();
        }
        let mut sent = Vec::new();
        let take = |evidence: &Evidence| {
            sent.push(evidence.clone());
            sent.len() < 3
        };
        let drained = spool.drain(100, take).unwrap();
        assert_eq!(drained, Drained { sent: 2, left: 1, ..Drained::default() });
        assert_eq!(sent, [piece(1), piece(2), piece(3)]);
        assert_eq!(spool.drain(100, |_| true).unwrap().sent, 1);
        assert_eq!(spool.drain(100, |_| true).unwrap(), Drained::default());
    }

    #[test]
    fn each_destination_has_its_own() {
        let root = tempfile::tempdir().unwrap();
        Spool::for_store(root.path(), "s3://a").unwrap().put(&piece(1)).unwrap();
        Spool::for_store(root.path(), "https://b/../../etc").unwrap().put(&piece(2)).unwrap();
        let all = Spool::all(root.path()).unwrap();
        let urls: Vec<&str> = all.iter().map(|(url, _)| url.as_str()).collect();
        assert_eq!(urls, ["https://b/../../etc", "s3://a"]);
        assert!(Spool::existing(root.path(), "s3://c").unwrap().is_none());
        assert!(Spool::all(&root.path().join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn fault_92_what_is_no_evidence_is_moved_aside_and_said() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::for_store(root.path(), "s3://a").unwrap();
        fs::write(spool.directory.join("0000-bad.json"), "{\"v\":1").unwrap();
        fs::write(spool.directory.join("0001-half.99.tmp"), "{").unwrap();
        spool.put(&piece(1)).unwrap();
        let drained = spool.drain(100, |_| true).unwrap();
        assert_eq!((drained.sent, drained.left, drained.bad.len()), (1, 0, 1));
        assert!(drained.bad[0].ends_with("bad/0000-bad.json"));
    }

    #[test]
    fn while_one_sends_the_others_leave_it_to_it() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::for_store(root.path(), "s3://a").unwrap();
        spool.put(&piece(1)).unwrap();
        let first = spool.drain(100, |_| {
            let second = Spool::for_store(root.path(), "s3://a").unwrap().drain(100, |_| true).unwrap();
            assert!(second.busy);
            true
        });
        assert_eq!(first.unwrap().sent, 1);
    }
}
