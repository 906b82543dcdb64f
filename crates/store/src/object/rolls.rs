//! The rolls: the newest one, and how the next one wins.
//!
//! Old rolls are removed, or expire by a lifecycle rule; then their numbers could be created again by a writer that
//! slept since before. So nobody writes on a roll that was read more than an hour ago without looking whether it is
//! still the newest, and only rolls older than a day are removed.
//!
//! To find the newest takes a LIST, which costs as much as twelve GETs. Whoever decides again within that hour spares it: the
//! roll that was the newest then is at hand, a HEAD shows that it is still there, and whether there is a newer one shows
//! when the next one is created.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tenko_core::format;
use tenko_core::roll::{Changes, Roll};
use uuid::Uuid;

use super::AT_A_TIME;
use super::missed::MissedLately;
use super::objects::{After, Created, ObjectMeta, Objects, PAGE};
use super::packing::{self, MAX_ROLL, PackingError};
use super::proof::Fitness;
use crate::error::{ErrorKind, StoreError};
use crate::layout::{self, ROLL};
use crate::{Commit, Result, Snapshot};

/// For how long a roll that was read may be written on: far shorter than [`KEPT_FOR`].
const FRESH: Duration = Duration::from_secs(3600);
/// How many rolls are always kept.
const KEPT: usize = 20;
/// How old a roll is at least when it is removed.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// After how many commits old rolls are looked for.
const TIDY_EVERY: u64 = 64;
/// How often an unclear commit is looked at again for its fate.
const MAX_UNCLEAR: usize = 16;

/// What this process knows of the rolls.
#[derive(Debug, Default)]
pub(super) struct Rolls {
    newest: Mutex<Option<Seen>>,
    /// The object of a version, as it was read or written.
    at_hand: Mutex<Option<(u64, Bytes)>>,
    /// What was missed as of a version.
    missed: Mutex<(u64, MissedLately)>,
    unclear: Mutex<Vec<Unclear>>,
    may_not_remove: AtomicBool,
}

/// That a version was the newest at a moment.
#[derive(Clone, Copy, Debug)]
struct Seen {
    version: u64,
    at: Instant,
    wall: SystemTime,
}

impl Seen {
    fn now(version: u64) -> Self {
        Self { version, at: Instant::now(), wall: SystemTime::now() }
    }

    /// Both clocks have to agree: the monotonic one may stand still while the machine sleeps.
    fn is_fresh(&self) -> bool {
        self.at.elapsed() <= FRESH && self.wall.elapsed().is_ok_and(|elapsed| elapsed <= FRESH)
    }
}

/// A commit of which the answer got lost.
#[derive(Debug)]
struct Unclear {
    version: u64,
    content: [u8; 32],
    attempt: Uuid,
}

impl Rolls {
    /// Reads the newest roll.
    pub(super) async fn load(&self, objects: &dyn Objects, fitness: &Fitness) -> Result<Snapshot> {
        let (version, roll, _) = self.read(objects, fitness).await?;
        Ok(Snapshot { version, roll })
    }

    /// The roll that was the newest when this process last looked, if it is still there; else the newest.
    pub(super) async fn load_to_commit(&self, objects: &dyn Objects, fitness: &Fitness) -> Result<Snapshot> {
        let Some((version, object)) = self.known() else { return self.load(objects, fitness).await };
        match objects.head(&layout::roll_key(version)).await {
            Ok(Some(_)) => {
                let (roll, _) = read(objects, fitness, version, &object)?;
                Ok(Snapshot { version, roll })
            }
            // It is gone; or it can't be told, because rights have changed.
            Ok(None) => self.load(objects, fitness).await,
            Err(error) if error.kind() == ErrorKind::Denied => self.load(objects, fitness).await,
            Err(error) => Err(error),
        }
    }

    /// The object of the version that was the newest within the last hour.
    fn known(&self) -> Option<(u64, Bytes)> {
        let seen = (*lock(&self.newest)).filter(Seen::is_fresh)?;
        lock(&self.at_hand).clone().filter(|(version, _)| *version == seen.version)
    }

    /// The newest roll and what was missed.
    pub(super) async fn newest(
        &self,
        objects: &dyn Objects,
        fitness: &Fitness,
    ) -> Result<(Roll, MissedLately)> {
        let (_, roll, missed) = self.read(objects, fitness).await?;
        Ok((roll, missed))
    }

    async fn read(&self, objects: &dyn Objects, fitness: &Fitness) -> Result<(u64, Roll, MissedLately)> {
        // Between LIST and GET a roll can be removed only if it is a day old and there are newer ones.
        for _ in 0..3 {
            let seen = Seen::now(newest(objects).await?);
            let found = match seen.version {
                0 => Some((Roll::default(), MissedLately::default())),
                version => match get(objects, version).await? {
                    Some(object) => {
                        let found = read(objects, fitness, version, &object)?;
                        *lock(&self.at_hand) = Some((version, object));
                        Some(found)
                    }
                    None => None,
                },
            };
            if let Some((roll, missed)) = found {
                *lock(&self.missed) = (seen.version, missed.clone());
                *lock(&self.newest) = Some(seen);
                return Ok((seen.version, roll, missed));
            }
        }
        let doing = format!("can't read the newest roll of {}", objects.url());
        Err(StoreError::new(ErrorKind::Unavailable, doing).because("it went away while it was read"))
    }

    /// Creates the version after `base`.
    pub(super) async fn commit(
        &self,
        objects: &dyn Objects,
        fitness: &Fitness,
        base: u64,
        roll: &Roll,
        changes: &Changes,
    ) -> Result<Commit> {
        let json = format::write_roll(roll);
        if !self.is_newest(objects, base).await? {
            return self.settle(objects, base, &json).await;
        }
        let Some(before) = self.missed_in(objects, fitness, base).await? else { return Ok(Commit::Lost) };
        fitness.ensure(objects).await?;
        let version = next(objects, base)?;
        let missed = before.updated(roll, changes);
        let commit = self.write(objects, fitness, version, &json, &missed).await?;
        self.after(objects, commit, missed).await;
        Ok(commit)
    }

    async fn write(
        &self,
        objects: &dyn Objects,
        fitness: &Fitness,
        version: u64,
        json: &[u8],
        missed: &MissedLately,
    ) -> Result<Commit> {
        let content = Sha256::digest(json).into();
        let attempt = self.take_unclear(version, content).unwrap_or_else(Uuid::now_v7);
        let object = packing::pack(json, missed, fitness.place(), attempt);
        let object = object
            .map_err(|error| StoreError::new(ErrorKind::Config, "can't pack the roll").because(error))?;
        let object = Bytes::from(object);
        let written = create(objects, version, object.clone()).await;
        match written {
            Ok(Commit::Won(version)) => *lock(&self.at_hand) = Some((version, object)),
            Ok(_) => {}
            Err(_) => self.remember_unclear(Unclear { version, content, attempt }),
        }
        written
    }

    /// What was missed, as the roll of a version tells it; `None` if that roll is gone.
    async fn missed_in(
        &self,
        objects: &dyn Objects,
        fitness: &Fitness,
        version: u64,
    ) -> Result<Option<MissedLately>> {
        let known = lock(&self.missed).clone();
        if version == 0 || known.0 == version {
            return Ok(Some(if version == 0 { MissedLately::default() } else { known.1 }));
        }
        let Some(object) = get(objects, version).await? else { return Ok(None) };
        Ok(Some(read(objects, fitness, version, &object)?.1))
    }

    async fn is_newest(&self, objects: &dyn Objects, base: u64) -> Result<bool> {
        let known = *lock(&self.newest);
        match known {
            Some(seen) if seen.is_fresh() && seen.version == base => Ok(true),
            Some(seen) if seen.version > base => Ok(false),
            _ => {
                let seen = Seen::now(newest(objects).await?);
                *lock(&self.newest) = Some(seen);
                Ok(seen.version == base)
            }
        }
    }

    /// Somebody was quicker; perhaps it was this process, and the answer got lost.
    async fn settle(&self, objects: &dyn Objects, base: u64, json: &[u8]) -> Result<Commit> {
        let Some(version) = base.checked_add(1) else { return Ok(Commit::Lost) };
        let content = Sha256::digest(json).into();
        let Some(attempt) = self.take_unclear(version, content) else { return Ok(Commit::Lost) };
        let found = objects.get(&layout::roll_key(version), MAX_ROLL).await;
        if found.is_err() {
            self.remember_unclear(Unclear { version, content, attempt });
        }
        let ours = found?.is_some_and(|object| packing::attempt_of(&object) == Some(attempt));
        Ok(if ours { Commit::Won(version) } else { Commit::Lost })
    }

    fn take_unclear(&self, version: u64, content: [u8; 32]) -> Option<Uuid> {
        let mut unclear = lock(&self.unclear);
        let index = unclear.iter().position(|one| one.version == version && one.content == content)?;
        Some(unclear.swap_remove(index).attempt)
    }

    fn remember_unclear(&self, one: Unclear) {
        let mut unclear = lock(&self.unclear);
        if unclear.len() >= MAX_UNCLEAR {
            unclear.remove(0);
        }
        unclear.push(one);
    }

    async fn after(&self, objects: &dyn Objects, commit: Commit, missed: MissedLately) {
        match commit {
            Commit::Won(version) => {
                *lock(&self.missed) = (version, missed);
                let mut newest = lock(&self.newest);
                if newest.is_none_or(|seen| seen.version < version) {
                    *newest = Some(Seen::now(version));
                }
            }
            Commit::Lost | Commit::Kept => *lock(&self.newest) = None,
        }
        if let Commit::Won(version) = commit
            && version % TIDY_EVERY == 0
        {
            self.tidy(objects).await;
        }
    }

    /// Removes old rolls as far as there is a right to; what stays is removed by a lifecycle rule.
    async fn tidy(&self, objects: &dyn Objects) {
        if self.may_not_remove.load(Ordering::Relaxed) {
            return;
        }
        let Ok(old) = old_rolls(objects, Timestamp::now()).await else { return };
        let removed = stream::iter(old).map(|key| async move { objects.delete(&key).await });
        let mut removed = removed.buffer_unordered(AT_A_TIME);
        while let Some(result) = removed.next().await {
            if result.is_err_and(|error| error.kind() == ErrorKind::Denied) {
                self.may_not_remove.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn get(objects: &dyn Objects, version: u64) -> Result<Option<Bytes>> {
    objects.get(&layout::roll_key(version), MAX_ROLL).await
}

fn read(
    objects: &dyn Objects,
    fitness: &Fitness,
    version: u64,
    object: &[u8],
) -> Result<(Roll, MissedLately)> {
    let found =
        packing::unpack(object).map_err(|error| unreadable(objects, &layout::roll_key(version), error))?;
    fitness.note(found.proven);
    Ok((found.roll, found.missed))
}

/// The newest version; 0 if there is none.
async fn newest(objects: &dyn Objects) -> Result<u64> {
    let mut next = Some(After::Key(ROLL.to_owned()));
    let mut limit = 1;
    while let Some(after) = next {
        let page = objects.list(ROLL, &after, limit).await?;
        if let Some(version) = page.objects.iter().find_map(|object| layout::roll_version(&object.key)) {
            return Ok(version);
        }
        next = page.next;
        limit = PAGE;
    }
    Ok(0)
}

fn next(objects: &dyn Objects, base: u64) -> Result<u64> {
    base.checked_add(1).ok_or_else(|| {
        let doing = format!("can't write a roll to {}", objects.url());
        StoreError::new(ErrorKind::Corrupt, doing)
            .because("there is a roll with the highest number there can be")
    })
}

/// Creates a roll; finds out whether one that exists is this one, of which an answer got lost.
async fn create(objects: &dyn Objects, version: u64, object: Bytes) -> Result<Commit> {
    let key = layout::roll_key(version);
    if objects.create(&key, object.clone()).await? == Created::New {
        return Ok(Commit::Won(version));
    }
    let found = objects.get(&key, MAX_ROLL).await?;
    Ok(if found.is_some_and(|found| found == object) { Commit::Won(version) } else { Commit::Lost })
}

/// The keys of rolls that are neither among the newest nor young.
async fn old_rolls(objects: &dyn Objects, now: Timestamp) -> Result<Vec<String>> {
    let page = objects.list(ROLL, &After::Key(ROLL.to_owned()), PAGE).await?;
    let rolls = page.objects.into_iter().filter(|object| layout::roll_version(&object.key).is_some());
    let is_old = |object: &ObjectMeta| now.duration_since(object.last_modified) > KEPT_FOR;
    Ok(rolls.skip(KEPT).filter(is_old).map(|object| object.key).collect())
}

fn unreadable(objects: &dyn Objects, key: &str, error: PackingError) -> StoreError {
    let doing = format!("can't read the newest roll, {}/{key}", objects.url());
    match &error {
        PackingError::Newer { .. } => StoreError::new(ErrorKind::Newer, doing).because(error),
        PackingError::Format(format::FormatError::Newer { .. }) => {
            StoreError::new(ErrorKind::Newer, doing).because(error)
        }
        _ => StoreError::new(ErrorKind::Corrupt, doing).because(error).hint(
            "nothing is decided until it is readable: put back a good copy of it, or remove it, and the roll before it is taken again",
        ),
    }
}

#[cfg(test)]
#[path = "rolls_tests.rs"]
mod tests;
