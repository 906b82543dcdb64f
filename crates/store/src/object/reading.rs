//! Evidence by its keys: what is new, what happened when, and one body.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tenko_core::evidence::{Kind, RunId};
use tenko_core::format::{self, FormatError, MAX_EVIDENCE};
use tenko_core::roll::Cursor;
use tenko_core::{Evidence, Slug};

use super::objects::{After, ObjectMeta, Objects, PAGE};
use super::{AT_A_TIME, too_long};
use crate::error::{ErrorKind, StoreError};
use crate::layout::{self, EVIDENCE, EvidenceKey};
use crate::{News, Result, Unreadable};

/// How far the clocks of senders may be behind that of the store without that news comes late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// How many keys of evidence that was sent a while ago are remembered.
const REMEMBERED: usize = 4096;

/// Evidence is one by these, whatever its exit is said to be.
type Identity = (Slug, RunId, &'static str);

fn identity(job: &Slug, run: RunId, kind: Kind) -> Identity {
    (job.clone(), run, kind.word())
}

/// Under which keys evidence was sent first.
#[derive(Debug, Default)]
pub(super) struct Sent(Mutex<HashMap<Identity, EvidenceKey>>);

impl Sent {
    /// The key under which evidence is to be stored: the one of the first try, as far as that is remembered.
    pub(super) fn first(&self, key: EvidenceKey) -> EvidenceKey {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let first = known.entry(identity(&key.job, key.run, key.kind)).or_insert_with(|| key.clone());
        if (first.kind, first.at, &first.digest) != (key.kind, key.at, &key.digest) {
            *first = key;
        }
        first.clone()
    }
}

/// Everything that was sent since the cursor, and a bit more.
///
/// The cursor is a moment by the store's clock, never later than `now`: nothing that is still to come can lie further
/// back than [`OVERLAP`] before it, unless its sender's clock is that far behind, or ever.
pub(super) async fn news(objects: &dyn Objects, since: &Cursor, now: Timestamp) -> Result<News> {
    let from = since.0.parse::<Timestamp>().ok();
    let start = from.and_then(|from| from.checked_sub(OVERLAP).ok());
    let listed = list(objects, start).await?;
    let newest = listed.iter().map(|object| object.last_modified).max();
    let cursor = newest.map(|newest| newest.min(now)).into_iter().chain(from).max();
    let mut news = sort_out(listed);
    news.cursor = cursor.map_or_else(|| since.clone(), |cursor| Cursor(cursor.to_string()));
    Ok(news)
}

/// Evidence that happened in `from..to`. It may have been sent at any time since, so that everything sent since `from`
/// is listed: as many requests as there are thousands of pieces of evidence since then.
pub(super) async fn between(
    objects: &dyn Objects,
    job: Option<&Slug>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Evidence>> {
    if from >= to {
        return Ok(Vec::new());
    }
    let mut found = sort_out(list(objects, Some(from)).await?).evidence;
    found.retain(|one| job.is_none_or(|job| one.job == *job) && one.at >= from && one.at < to);
    found.sort_by(|a, b| (a.at, &a.job, a.run, a.kind.word()).cmp(&(b.at, &b.job, b.run, b.kind.word())));
    Ok(found)
}

/// When the evidence was sent that was sent first: a lifecycle rule goes by that. One request, unless other things lie
/// before it.
pub(super) async fn oldest(objects: &dyn Objects) -> Result<Option<Timestamp>> {
    let mut next = Some((After::Key(EVIDENCE.to_owned()), 1));
    while let Some((after, limit)) = next {
        let page = objects.list(EVIDENCE, &after, limit).await?;
        let keys = page.objects.iter().filter_map(|object| object.key.parse::<EvidenceKey>().ok());
        if let Some(first) = keys.map(|key| key.sent).min() {
            return Ok(Some(first));
        }
        next = page.next.map(|after| (after, PAGE));
    }
    Ok(None)
}

/// All objects that lie where evidence does, from a moment of sending.
async fn list(objects: &dyn Objects, from: Option<Timestamp>) -> Result<Vec<ObjectMeta>> {
    let start = from.map_or_else(|| EVIDENCE.to_owned(), layout::start_after);
    let mut listed = Vec::new();
    let mut next = Some(After::Key(start));
    while let Some(after) = next {
        let page = objects.list(EVIDENCE, &after, PAGE).await?;
        listed.extend(page.objects);
        next = page.next;
    }
    Ok(listed)
}

/// Evidence, each piece once, and what is none. Of several objects of one piece the first that was sent counts.
fn sort_out(listed: Vec<ObjectMeta>) -> News {
    let mut news = News::default();
    let mut seen = HashSet::new();
    for object in listed {
        match object.key.parse::<EvidenceKey>() {
            Ok(key) => {
                if seen.insert(identity(&key.job, key.run, key.kind)) {
                    news.evidence.push(key.evidence(Some(received_at(object.last_modified))));
                }
            }
            Err(error) => {
                let problem = error.to_string();
                news.unreadable.push(Unreadable { key: object.key, problem });
            }
        }
    }
    news
}

/// When an object was there at the latest. Buckets keep whole seconds, and Linux takes the times of files from a clock
/// that ticks every ten milliseconds at the slowest; the end of that span is taken, because evidence must not seem to
/// have been there before it happened.
fn received_at(last_modified: Timestamp) -> Timestamp {
    let within = if last_modified.subsec_nanosecond() == 0 { 999 } else { 10 };
    last_modified.checked_add(SignedDuration::from_millis(within)).unwrap_or(last_modified)
}

/// The same evidence with its body, which anybody may have written.
pub(super) async fn read(objects: &dyn Objects, evidence: &Evidence) -> Result<Evidence> {
    let key = match &evidence.key {
        Some(key) => key.parse::<EvidenceKey>().map_err(|error| {
            let doing = format!("can't read {}/{key}", objects.url());
            StoreError::new(ErrorKind::Corrupt, doing).because(error)
        })?,
        None => EvidenceKey::new(evidence, evidence.at),
    };
    let name = key.to_string();
    let failed = |kind| StoreError::new(kind, format!("can't read {}/{name}", objects.url()));
    let Some(body) = objects.get(&name, MAX_EVIDENCE).await? else {
        return Err(failed(ErrorKind::Missing).because("it is not there (any more)"));
    };
    if body.len() > MAX_EVIDENCE {
        return Err(too_long(objects.url(), &name, MAX_EVIDENCE));
    }
    let read = format::read_evidence(&body).map_err(|error| failed(kind_of(&error)).because(error))?;
    if EvidenceKey::new(&read, key.sent) != key {
        return Err(failed(ErrorKind::Corrupt).because("it says something else than its key"));
    }
    Ok(Evidence { received_at: evidence.received_at, key: Some(name), ..read })
}

pub(super) fn kind_of(error: &FormatError) -> ErrorKind {
    match error {
        FormatError::Newer { .. } => ErrorKind::Newer,
        FormatError::TooLong { .. } | FormatError::Malformed(_) => ErrorKind::Corrupt,
    }
}

/// Removes what happened before a moment, and whatever else lies in the days before. Late evidence may lie anywhere,
/// so that all keys are listed.
pub(super) async fn prune(objects: &dyn Objects, before: Timestamp) -> Result<u64> {
    let old = |key: &str| match key.parse::<EvidenceKey>() {
        Ok(key) => key.at < before,
        Err(_) => layout::is_of_day_before(key, before),
    };
    let listed = list(objects, None).await?;
    let old: Vec<String> = listed.into_iter().map(|object| object.key).filter(|key| old(key)).collect();
    let removed = stream::iter(old).map(|key| async move { objects.delete(&key).await });
    let removed: Result<Vec<()>> = removed.buffered(AT_A_TIME).try_collect().await;
    match removed {
        Ok(removed) => Ok(removed.len() as u64),
        // Where the right is missing, a lifecycle rule does it.
        Err(error) if error.kind() == ErrorKind::Denied => Ok(0),
        Err(error) => Err(error),
    }
}
