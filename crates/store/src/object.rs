//! The store in a place that keeps objects: a bucket or a directory.
//!
//! Evidence is one object each, created and never written again. A roll is one object per version; whoever creates
//! the next version has won. Nothing but creating what does not exist is asked of the place, and the place is made to
//! prove that it refuses to create what does.
//!
//! What differs from other stores: of each job only the newest flips and missed dues are kept, in the roll; and evidence
//! that two processes delivered at different times lies there twice, and is told once.

mod answer;
#[cfg(feature = "azure")]
mod azure;
pub(crate) mod bucket;
mod cloud;
pub(crate) mod connection;
#[cfg(feature = "gcs")]
mod google;
mod missed;
pub(crate) mod objects;
mod packing;
mod proof;
mod reading;
mod rights;
mod rolls;
pub(crate) mod s3;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tenko_core::format::{self, FormatError, MAX_EVIDENCE};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

pub(crate) use connection::client;

use crate::error::{ErrorKind, StoreError};
use crate::layout::EvidenceKey;
use crate::{Appended, Commit, Facts, News, Result, Snapshot, Store};
use objects::{Created, Objects};
use proof::Fitness;
use reading::Sent;
use rolls::Rolls;

/// How many objects are written or removed at a time.
const AT_A_TIME: usize = 16;

/// Tells the time. Only tests have another clock than that of the machine.
pub(crate) type Clock = fn() -> Timestamp;

/// A store in a place that keeps objects.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    objects: Arc<dyn Objects>,
    clock: Clock,
    sent: Sent,
    rolls: Rolls,
    fitness: Fitness,
}

impl ObjectStore {
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        let fitness = Fitness::new(&objects.identity());
        Self { objects, clock: Timestamp::now, sent: Sent::default(), rolls: Rolls::default(), fitness }
    }

    async fn append_one(&self, evidence: &Evidence) -> Result<Appended> {
        let (key, body) = to_store(evidence, (self.clock)())?;
        // Tried again, it goes where it went before, so that it lies there once.
        let key = self.sent.first(key);
        Ok(match self.objects.create(&key.to_string(), body).await? {
            Created::New => Appended::Added,
            Created::Exists => Appended::Known,
        })
    }
}

#[async_trait]
impl Store for ObjectStore {
    fn may_overlook(&self) -> bool {
        true
    }

    fn answered_at(&self) -> Option<Timestamp> {
        self.objects.answered_at()
    }

    fn url(&self) -> String {
        self.objects.url().to_owned()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let each = stream::iter(0..evidence.len()).map(|index| self.append_one(&evidence[index]));
        each.buffered(AT_A_TIME).try_collect().await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        reading::news(&*self.objects, since, now).await
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        reading::between(&*self.objects, job, from, to).await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        reading::oldest(&*self.objects).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        reading::read(&*self.objects, evidence).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.rolls.load(&*self.objects, &self.fitness).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        self.rolls.commit(&*self.objects, &self.fitness, base, roll, changes).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        let (roll, missed) = self.rolls.newest(&*self.objects, &self.fitness).await?;
        let mut flips = roll.states.get(job).map(|state| state.flips.clone()).unwrap_or_default();
        flips.sort_by_key(|flip| std::cmp::Reverse(flip.at));
        flips.truncate(limit);
        let mut missed = missed.of(job);
        missed.truncate(limit);
        Ok(Facts { flips, missed })
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        reading::prune(&*self.objects, before).await
    }
}

/// Key and body under which evidence is stored that is first sent at `now`. A report that nobody would read because it is
/// too long loses output.
pub(crate) fn to_store(evidence: &Evidence, now: Timestamp) -> Result<(EvidenceKey, Bytes)> {
    let key = EvidenceKey::new(evidence, now);
    let whole = format::write_evidence(evidence);
    let body = if whole.len() > MAX_EVIDENCE { shortened(evidence) } else { whole };
    if body.len() > MAX_EVIDENCE {
        let found = body.len();
        let doing = format!("can't store evidence of {}", evidence.job);
        return Err(StoreError::new(ErrorKind::Config, doing).because(FormatError::TooLong { found }));
    }
    Ok((key, body.into()))
}

/// The body with as much of the output as there is room for, and no more of the message than is said in a page.
fn shortened(evidence: &Evidence) -> Vec<u8> {
    let mut evidence = evidence.clone();
    let mut room = MAX_EVIDENCE;
    loop {
        let body = format::write_evidence(&evidence);
        if body.len() <= MAX_EVIDENCE || room == 0 {
            return body;
        }
        room /= 2;
        if let Some(message) = &mut evidence.report.message {
            message.truncate(message.floor_char_boundary(room / 4));
        }
        if let Some(output) = &mut evidence.report.output {
            output.exact = None;
            let before = output.head.len() + output.tail.len();
            output.head.truncate(output.head.floor_char_boundary(room / 4));
            let cut = output.tail.ceil_char_boundary(output.tail.len().saturating_sub(room / 2));
            output.tail.drain(..cut);
            let lost = (before - output.head.len() - output.tail.len()) as u64;
            output.omitted = output.omitted.saturating_add(lost);
        }
    }
}

/// What is said of an object that is longer than anything Tenko writes.
pub(crate) fn too_long(url: &str, key: &str, at_most: usize) -> StoreError {
    StoreError::new(ErrorKind::Corrupt, format!("can't read {url}/{key}"))
        .because(format!("it is longer than the {at_most} bytes that are allowed"))
}
