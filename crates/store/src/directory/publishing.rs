//! Files that are there to be seen: by a web server, by everybody.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, unlinkat};
use uuid::Uuid;

use super::{Directory, split};
use crate::Result;

impl Directory {
    /// Writes a file of the directory itself, readable for all, in place of one that may be there.
    pub(super) fn put_now(&self, key: &str, body: &[u8]) -> Result<()> {
        self.try_put(key, body).map_err(|error| self.failed("write", key, error))
    }

    fn try_put(&self, key: &str, body: &[u8]) -> io::Result<()> {
        let (directories, name) = split(key)?;
        if !directories.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "what is published has no directories"));
        }
        match std::fs::DirBuilder::new().mode(0o755).create(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !self.root.is_dir() => {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        let root = self.open_root()?;
        let temporary = format!(".{}", Uuid::now_v7());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&root, temporary.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        // Whole after a crash, the old one or the new; which of them does not matter.
        let written =
            write(&mut file, body).and_then(|()| Ok(renameat(&root, temporary.as_str(), &root, name)?));
        if written.is_err() {
            // What was wrong is said already.
            unlinkat(&root, temporary.as_str(), UnlinkatFlags::NoRemoveDir).unwrap_or(());
        }
        written
    }
}

fn write(file: &mut File, body: &[u8]) -> io::Result<()> {
    file.write_all(body)?;
    fchmod(&*file, Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH)?;
    file.sync_all()
}
