//! Objects in a local directory, as durable and as exclusive as in a bucket.
//!
//! An object becomes visible by link(2), which refuses an existing name and shows nothing half written; it is
//! acknowledged when it, and every directory that was made for it, is on disk. No symbolic link below the root is
//! ever followed, listed or written through: each step is taken by `openat` with `O_NOFOLLOW`. Files are 0600,
//! directories 0700, whatever the umask. Names that begin with a dot are no objects: they are files being written.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use tenko_core::Evidence;
use uuid::Uuid;

use crate::error::{ErrorKind, StoreError};
use crate::object::objects::{After, Created, ObjectMeta, Objects, PAGE, Page, Published};
use crate::{Appended, Result};

mod publishing;
mod walk;

/// A directory that keeps objects.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    root: Arc<Path>,
    url: Arc<str>,
}

/// Adds evidence to the store in directory `root`, without a runtime: for the wrapper of a job, which has to start in no time.
/// The same promises as [`crate::Store::append`].
pub fn append_now(root: &Path, evidence: &[Evidence]) -> Result<Vec<Appended>> {
    let directory = Directory::new(root);
    let now = Timestamp::now();
    let each = evidence.iter().map(|evidence| {
        let (key, body) = crate::object::to_store(evidence, now)?;
        Ok(match directory.create_now(&key.to_string(), &body)? {
            Created::New => Appended::Added,
            Created::Exists => Appended::Known,
        })
    });
    each.collect()
}

impl Directory {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.into(), url: format!("file://{}", root.display()).into() }
    }

    fn create_now(&self, key: &str, body: &[u8]) -> Result<Created> {
        let mut created = self.try_create(key, body);
        // Somebody who prunes may have removed a directory that was empty for a moment.
        for _ in 0..3 {
            match &created {
                Err(error) if error.kind() == io::ErrorKind::NotFound => created = self.try_create(key, body),
                _ => break,
            }
        }
        created.map_err(|error| self.failed("write", key, error))
    }

    fn try_create(&self, key: &str, body: &[u8]) -> io::Result<Created> {
        let (directories, name) = split(key)?;
        let mut path = self.root_for_writing()?;
        for step in directories {
            let next = make_directory(path.last(), step)?;
            path.push(next);
        }
        let temporary = format!(".{}", Uuid::now_v7());
        let created = write_and_link(path.last(), &temporary, name, body);
        // A crash before this leaves a dotted file behind, which nobody reads.
        let unlinked = unlinkat(path.last(), temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        let created = created?;
        path.sync()?;
        unlinked.or_else(|errno| if errno == Errno::ENOENT { Ok(()) } else { Err(errno) })?;
        Ok(created)
    }

    /// The root, which is made if only its last part is missing.
    fn root_for_writing(&self) -> io::Result<Opened> {
        let made = match std::fs::DirBuilder::new().mode(0o700).create(&self.root) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) if self.root.is_dir() && error.kind() != io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if made && let Some(parent) = self.root.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Opened(vec![Step { handle: self.open_root()?, made_here: false }]))
    }

    fn open_root(&self) -> io::Result<OwnedFd> {
        // The root itself may be reached through links: whoever named it chose them.
        Ok(nix::fcntl::open(&*self.root, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// Opens an existing file for reading; `None` if there is none.
    fn open_file(&self, key: &str) -> io::Result<Option<File>> {
        let (directories, name) = split(key)?;
        let mut directory = self.open_root()?;
        for step in directories {
            match open_directory(&directory, step.as_ref()) {
                Ok(next) => directory = next,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match openat(&directory, name, flags, Mode::empty()) {
            Ok(handle) => Ok(Some(File::from(handle))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn get_now(&self, key: &str, at_most: usize) -> Result<Option<Bytes>> {
        let read = self.open_file(key).and_then(|file| file.map(|file| read_all(file, at_most)).transpose());
        read.map_err(|error| self.failed("read", key, error))?
            .map(|bytes| bytes.ok_or_else(|| crate::object::too_long(&self.url, key, at_most)))
            .transpose()
    }

    fn head_now(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let look = || {
            let Some(file) = self.open_file(key)? else { return Ok(None) };
            let found = file.metadata()?;
            let modified = walk::timestamp(found.mtime(), found.mtime_nsec());
            Ok(found.is_file().then(|| walk::meta(key.to_owned(), found.len(), modified)))
        };
        look().map_err(|error| self.failed("read", key, error))
    }

    fn part_now(&self, key: &str, range: &Range<u64>) -> Result<Option<Bytes>> {
        let read = |file: File| read_part(file, range);
        let read = self.open_file(key).and_then(|file| file.map(read).transpose());
        read.map_err(|error| self.failed("read", key, error))
    }

    fn list_now(&self, wanted: walk::Wanted<'_>) -> Result<Page> {
        let limit = wanted.limit.min(PAGE);
        let root = self.open_root().map_err(|error| self.failed("list", "", error))?;
        let mut objects = walk::list(root, walk::Wanted { limit: limit + 1, ..wanted })
            .map_err(|error| self.failed("list", wanted.prefix, error))?;
        let more = objects.len() > limit;
        objects.truncate(limit);
        let next = objects.last().filter(|_| more).map(|last| After::Key(last.key.clone()));
        Ok(Page { objects, next })
    }

    fn delete_now(&self, key: &str) -> Result<()> {
        self.try_delete(key).map_err(|error| self.failed("remove", key, error))
    }

    fn try_delete(&self, key: &str) -> io::Result<()> {
        let (directories, name) = split(key)?;
        let mut path = vec![(self.open_root()?, "")];
        for step in directories {
            match open_directory(&path[path.len() - 1].0, step.as_ref()) {
                Ok(next) => path.push((next, step)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match unlinkat(&path[path.len() - 1].0, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => remove_empty(&path),
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    fn failed(&self, verb: &str, key: &str, error: io::Error) -> StoreError {
        let separator = if key.is_empty() { "" } else { "/" };
        let error_of = |kind| StoreError::new(kind, format!("can't {verb} {}{separator}{key}", self.url));
        let failed = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::ENOENT => error_of(ErrorKind::Missing).hint(self.hint_to_make()),
            Errno::EACCES | Errno::EPERM => error_of(ErrorKind::Denied).hint(self.hint_to_permit()),
            Errno::EROFS => error_of(ErrorKind::Denied).hint("the file system is mounted read-only"),
            Errno::ENOSPC | Errno::EDQUOT => {
                error_of(ErrorKind::Full).hint("free some space; nothing of it was kept")
            }
            Errno::ELOOP | Errno::ENOTDIR => error_of(ErrorKind::Corrupt).hint(
                "a symbolic link or a file lies where a directory should; Tenko follows no links: remove it",
            ),
            Errno::EOPNOTSUPP | Errno::EMLINK => error_of(ErrorKind::Unfit)
                .hint("the file system has no hard links, by which one writer wins; use another, or sqlite:"),
            _ => error_of(ErrorKind::Unavailable),
        };
        failed.because(error)
    }

    fn hint_to_make(&self) -> String {
        format!("create it: mkdir -p -m 700 {}", self.root.display())
    }

    fn hint_to_permit(&self) -> String {
        format!("the user that runs Tenko needs to read and write {}", self.root.display())
    }
}

/// A directory on the way to an object.
struct Step {
    handle: OwnedFd,
    made_here: bool,
}

/// The directories from the root to an object.
struct Opened(Vec<Step>);

impl Opened {
    fn last(&self) -> &OwnedFd {
        &self.0[self.0.len() - 1].handle
    }

    fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Puts the last directory on disk, and all that hold one that was made.
    fn sync(&self) -> io::Result<()> {
        for (index, step) in self.0.iter().enumerate().rev() {
            let holds_a_new_one = self.0.get(index + 1).is_none_or(|next| next.made_here);
            if holds_a_new_one {
                nix::unistd::fsync(&step.handle)?;
            }
        }
        Ok(())
    }
}

/// Opens a directory, and makes it if there is none. Another process may have made it a moment ago and not have
/// synced its parent yet, so that it counts as made here unless it is older than a minute.
fn make_directory(parent: &OwnedFd, name: &str) -> io::Result<Step> {
    match mkdirat(parent, name, Mode::S_IRWXU) {
        Ok(()) => Ok(Step { handle: open_directory(parent, name.as_ref())?, made_here: true }),
        Err(Errno::EEXIST) => {
            let handle = open_directory(parent, name.as_ref())?;
            let age = Timestamp::now().as_second() - nix::sys::stat::fstat(&handle)?.st_ctime;
            Ok(Step { handle, made_here: age < 60 })
        }
        Err(errno) => Err(errno.into()),
    }
}

fn open_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

fn write_and_link(directory: &OwnedFd, temporary: &str, name: &str, body: &[u8]) -> io::Result<Created> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(directory, temporary, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    file.write_all(body)?;
    file.sync_all()?;
    match linkat(directory, temporary, directory, name, AtFlags::empty()) {
        Ok(()) => Ok(Created::New),
        Err(Errno::EEXIST) => Ok(Created::Exists),
        // link(2): the file system does not support the creation of hard links.
        Err(Errno::EPERM) => Err(Errno::EOPNOTSUPP.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes directories that became empty, the innermost first. One that is in use stays.
fn remove_empty(path: &[(OwnedFd, &str)]) {
    for pair in path.windows(2).rev() {
        if unlinkat(&pair[0].0, pair[1].1, UnlinkatFlags::RemoveDir).is_err() {
            return;
        }
    }
}

/// All of a file, or `None` if it is longer than allowed.
fn read_all(file: File, at_most: usize) -> io::Result<Option<Bytes>> {
    if !file.metadata()?.is_file() {
        return Err(Errno::ELOOP.into());
    }
    let mut bytes = Vec::new();
    file.take(at_most as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= at_most).then(|| bytes.into()))
}

fn read_part(mut file: File, range: &Range<u64>) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    file.seek(io::SeekFrom::Start(range.start))?;
    file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// The directories of a key and the name in the last of them. Keys come from `layout`; this is the second lock.
fn split(key: &str) -> io::Result<(Vec<&str>, &str)> {
    let mut parts: Vec<&str> = key.split('/').collect();
    let harmless = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains('\0');
    if !parts.iter().all(harmless) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the key would leave its place"));
    }
    let name = parts.pop().unwrap_or_default();
    Ok((parts, name))
}

fn name_bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

#[async_trait]
impl Objects for Directory {
    fn url(&self) -> &str {
        &self.url
    }

    fn identity(&self) -> String {
        let real: PathBuf = self.root.canonicalize().unwrap_or_else(|_| self.root.to_path_buf());
        format!("file://{}", real.display())
    }

    fn tags_tell_content(&self) -> bool {
        false
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<Created> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.create_now(&key, &body)).await
    }

    async fn put(&self, key: &str, body: Bytes, _: Published) -> Result<()> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.put_now(&key, &body)).await
    }

    async fn get(&self, key: &str, at_most: usize) -> Result<Option<Bytes>> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.get_now(&key, at_most)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.head_now(&key)).await
    }

    async fn list(&self, prefix: &str, after: &After, limit: usize) -> Result<Page> {
        let (prefix, after) = (prefix.to_owned(), after.key().to_owned());
        let list = move |directory: &Self| {
            directory.list_now(walk::Wanted { prefix: &prefix, after: &after, limit, flat: false })
        };
        self.blocking(list).await
    }

    async fn list_flat(&self, prefix: &str, after: &After, limit: usize) -> Result<Page> {
        let (prefix, after) = (prefix.to_owned(), after.key().to_owned());
        let list = move |directory: &Self| {
            directory.list_now(walk::Wanted { prefix: &prefix, after: &after, limit, flat: true })
        };
        self.blocking(list).await
    }

    async fn part(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.part_now(&key, &range)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.blocking(move |directory| directory.delete_now(&key)).await
    }
}

impl Directory {
    /// Runs on a thread that may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        task: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let directory = self.clone();
        let done = tokio::task::spawn_blocking(move || task(&directory)).await;
        done.unwrap_or_else(|error| {
            let doing = format!("can't work on {}", self.url);
            Err(StoreError::new(ErrorKind::Unavailable, doing).because(error))
        })
    }
}
