//! One run of a job at a time, on one machine.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Possession of a job's lock file, until dropped or until this process ends, however it ends (flock(2)).
///
/// The child does not inherit it: a daemon that outlives the run does not hold the lock.
#[derive(Debug)]
pub struct JobLock {
    path: PathBuf,
    _file: File,
}

impl JobLock {
    /// Returns where the lock file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the lock `name` in `dir`, or returns `None` at once if another process has it.
///
/// The directory is made (mode 0700) if it is missing. The file stays when the lock is gone and holds the number of the
/// process that had it last; removing it would let two processes lock two files of one name.
///
/// # Errors
/// `InvalidInput` if `name` is empty, begins with a dot or contains a slash or NUL; otherwise what the file system said.
/// Symbolic links are not followed.
pub fn try_acquire(dir: &Path, name: &str) -> io::Result<Option<JobLock>> {
    check_name(name)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let path = dir.join(format!("{name}.lock"));
    let file = open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(sign(path, file)?)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn check_name(name: &str) -> io::Result<()> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} cannot name a lock file")));
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

/// Writes our process number for people who look. A full disk is no reason to give the lock back.
fn sign(path: PathBuf, mut file: File) -> io::Result<JobLock> {
    file.set_len(0)?;
    drop(writeln!(file, "{}", std::process::id()));
    Ok(JobLock { path, _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_gets_nothing_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let first = try_acquire(dir.path(), "backup").unwrap().expect("nobody has it");
        assert!(try_acquire(dir.path(), "backup").unwrap().is_none());
        assert!(try_acquire(dir.path(), "report").unwrap().is_some());
        drop(first);
        assert!(try_acquire(dir.path(), "backup").unwrap().is_some());
    }

    #[test]
    fn a_child_that_lives_on_does_not_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = try_acquire(dir.path(), "backup").unwrap().expect("nobody has it");
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        drop(lock);
        let again = try_acquire(dir.path(), "backup").unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(again.is_some());
    }

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", ".", "../x", "a/b", "/etc/x", "a\0b"] {
            let error = try_acquire(dir.path(), name).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("job.lock")).unwrap();
        assert!(try_acquire(dir.path(), "job").is_err());
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }
}
