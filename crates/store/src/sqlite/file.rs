//! The file itself: which one it is, and that it is still there.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error;
use crate::Result;

/// The file of a store.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
}

/// Tells whether a path still leads to the same file: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file the path leads to now. A connection to one that was moved away or removed would go on without an
    /// error, and what is written there would be lost.
    pub(super) fn identity(&self) -> Option<Identity> {
        fs::metadata(&self.path).ok().map(|found| Identity(found.dev(), found.ino()))
    }

    /// Creates the file, empty, if there is none. SQLite itself would let everybody read it.
    pub(super) fn create(&self) -> Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|source| error::io("create", directory, source))?;
        }
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path);
        match made {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(error::io("create", &self.path, source))
            }
            _ => Ok(()),
        }
    }
}
