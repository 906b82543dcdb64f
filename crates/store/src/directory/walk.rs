//! Lists a directory tree in the order of keys, without following links.

use std::io;
use std::os::fd::OwnedFd;

use jiff::Timestamp;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};

use super::{name_bytes, open_directory};
use crate::object::objects::ObjectMeta;

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// What the key begins with.
    pub(super) prefix: &'a str,
    /// What the key is greater than.
    pub(super) after: &'a str,
    /// So many at most.
    pub(super) limit: usize,
    /// Whether only those count that have no `/` behind the prefix.
    pub(super) flat: bool,
}

/// The files that are wanted, sorted by key.
pub(super) fn list(root: OwnedFd, wanted: Wanted<'_>) -> io::Result<Vec<ObjectMeta>> {
    let mut walk = Walk { wanted, found: Vec::new() };
    walk.visit(root, "")?;
    Ok(walk.found)
}

struct Walk<'a> {
    wanted: Wanted<'a>,
    found: Vec<ObjectMeta>,
}

impl Walk<'_> {
    fn visit(&mut self, directory: OwnedFd, path: &str) -> io::Result<()> {
        let mut directory = Dir::from_fd(directory)?;
        for name in self.names(&mut directory, path)? {
            if self.found.len() >= self.wanted.limit {
                break;
            }
            let key = format!("{path}{name}");
            match key.strip_suffix('/') {
                Some(_) => self.enter(&directory, &name, &key)?,
                None => self.look_at(&directory, &name, key)?,
            }
        }
        Ok(())
    }

    /// What may hold something wanted, in the order of keys; directories end in `/`.
    fn names(&self, directory: &mut Dir, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry?;
            let Some(name) = as_key_part(entry.file_name().to_bytes()) else { continue };
            let name = match entry.file_type() {
                Some(Type::File) => name,
                Some(Type::Directory) => name + "/",
                // Some file systems do not say.
                None => name,
                Some(_) => continue,
            };
            if self.may_hold(&format!("{path}{name}")) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn may_hold(&self, key: &str) -> bool {
        let Wanted { prefix, after, flat, .. } = self.wanted;
        if key.ends_with('/') {
            let leads_to_prefix = prefix.starts_with(key) || (key.starts_with(prefix) && !flat);
            return leads_to_prefix && (key > after || after.starts_with(key));
        }
        key.starts_with(prefix) && key > after || prefix.starts_with(key)
    }

    fn enter(&mut self, parent: &Dir, name: &str, key: &str) -> io::Result<()> {
        let name = name.trim_end_matches('/');
        match open_directory_at(parent, name) {
            Ok(child) => self.visit(child, key),
            // It went away, or was replaced by a link: then there is nothing of ours.
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn look_at(&mut self, parent: &Dir, name: &str, key: String) -> io::Result<()> {
        let stat = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFDIR {
            return self.enter(parent, name, &(key + "/"));
        }
        if kind == SFlag::S_IFREG && key.as_str() > self.wanted.after && key.starts_with(self.wanted.prefix) {
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            self.found.push(meta(key, size, timestamp(stat.st_mtime, stat.st_mtime_nsec)));
        }
        Ok(())
    }
}

fn open_directory_at(parent: &Dir, name: &str) -> Result<OwnedFd, Errno> {
    let parent = std::os::fd::AsFd::as_fd(parent).try_clone_to_owned();
    let parent = parent.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let opened = open_directory(&parent, name.as_ref());
    opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// A name as part of a key; what is being written or can be no key is passed over.
fn as_key_part(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name_bytes(std::os::unix::ffi::OsStrExt::from_bytes(name))).ok()?;
    (!name.starts_with('.')).then(|| name.to_owned())
}

pub(super) fn meta(key: String, size: u64, last_modified: Timestamp) -> ObjectMeta {
    let etag = Some(format!("{:x}-{size:x}", last_modified.as_nanosecond()));
    ObjectMeta { key, size, last_modified, etag }
}

pub(super) fn timestamp(seconds: i64, nanoseconds: i64) -> Timestamp {
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or(0);
    Timestamp::new(seconds, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
