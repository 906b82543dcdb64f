//! A small file system of a test's own, which can be filled. Needs root.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs. It is taken away with this.
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
}

impl Disk {
    /// Makes a directory and mounts one there, of a size as `mount` understands it.
    pub(crate) fn at(path: &Path, size: &str) -> Self {
        fs::create_dir(path).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs", path.to_str().unwrap()]);
        Self { path: path.to_owned() }
    }

    /// Leaves no room. Each processor counts the blocks it took by itself for a while, so one refusal is not the end.
    pub(crate) fn fill(&self) {
        fs::create_dir(self.path.join("ballast")).unwrap();
        let mut refused = 0;
        for number in 0.. {
            let mut file = fs::File::create(self.path.join(format!("ballast/{number}"))).unwrap();
            let full = std::io::copy(&mut std::io::repeat(0).take(64 << 10), &mut file);
            refused = if full.is_ok() { 0 } else { refused + 1 };
            assert!(full.is_ok() || full.unwrap_err().kind() == std::io::ErrorKind::StorageFull);
            if refused == 50 {
                return;
            }
        }
    }

    pub(crate) fn make_room(&self) {
        fs::remove_dir_all(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A disk that stays is no reason to fail.
        drop(Command::new("umount").arg("-l").arg(&self.path).status());
    }
}

/// Mounts something, or mounts it differently.
pub(crate) fn mount(arguments: &[&str]) {
    let done = Command::new("mount").args(arguments).output().unwrap();
    assert!(done.status.success(), "a tmpfs is needed, so root: {}", String::from_utf8_lossy(&done.stderr));
}
