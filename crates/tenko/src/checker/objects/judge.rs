//! Which evidence follows from what is known of objects. Pure: the same objects at the same time make the same evidence.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tenko_core::schedule::{Direction, Schedule};
use tenko_core::state::Heard;
use tenko_core::{Evidence, Flaw, FlawKind, Job, Kind, RunId};
use tenko_store::open::ObjectMeta;
use uuid::Uuid;

use super::View;
use super::known::{Gap, Known, Trouble, Want};
use crate::config::{Keys, PlainObject};

/// The namespace of run ids of plain objects (`UUIDv5`, RFC 9562 section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x0192_6c1e_7e0c_5a3f_9b57_706c_6169_6e21);
/// For so many dues before one an object to compare with is looked for.
const LOOK_BACK: usize = 7;
/// Among so many dues at most: several may have the same keys.
const MOST_WALKED: usize = 1000;

/// A job that waits for objects.
pub(super) struct Case<'a> {
    pub(super) job: &'a Job,
    pub(super) object: &'a PlainObject,
    /// The dues it waits for, in order.
    pub(super) dues: Vec<Timestamp>,
    /// Its last success so far.
    pub(super) last_success: Option<Heard>,
    pub(super) view: View,
}

/// What follows.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) evidence: Vec<Evidence>,
    /// What has to be known first; then the rest is not complete.
    pub(super) wants: BTreeSet<Want>,
    /// Why the objects of some due could not be seen.
    pub(super) problem: Option<String>,
}

/// Says what the objects that are known say of a job.
pub(super) fn judge(case: &Case<'_>, known: &Known) -> Judged {
    let mut judged = Judged::default();
    let mut good = None;
    for due in &case.dues {
        match case.answer(*due, known, &mut good) {
            Ok(evidence) => judged.evidence.extend(evidence),
            Err(Gap::Unasked(want)) => drop(judged.wants.insert(want)),
            Err(Gap::Blind(trouble)) => judged.problem = Some(case.told(trouble)),
        }
    }
    judged
}

/// Objects of one due.
struct Matching<'a> {
    due: Timestamp,
    keys: Keys,
    /// Whether no due before or after has the same keys, so that its key alone says which due an object answers.
    own: bool,
    /// From when on an object is one of this due, if its key does not say so.
    opens: Timestamp,
    /// All that match, in the order of their time.
    objects: Vec<&'a ObjectMeta>,
}

impl<'a> Case<'a> {
    /// The answer to a due, if there is one. `good` is the last good object of the dues before, as far as this roll call
    /// has judged any.
    fn answer<'k>(
        &self,
        due: Timestamp,
        known: &'k Known,
        good: &mut Option<&'k ObjectMeta>,
    ) -> Result<Option<Evidence>, Gap> {
        let matching = self.matching(due, known)?;
        let Some(newest) = matching.objects.last().copied() else { return Ok(None) };
        let written = newest.last_modified;
        if let Some((most, age)) = self.object.max_age.zip(age(due, written)).filter(|(most, age)| age > most)
        {
            let flaw = Flaw { object: self.object.named(&newest.key), kind: FlawKind::TooOld { age, most } };
            return Ok(self.at_the_deadline(&matching, written, flaw));
        }
        let of_this_due = matching.own || written >= matching.opens || self.object.max_age.is_some();
        if let Some(flaw) = self.too_few(&matching) {
            return Ok(self.at_the_deadline(&matching, written, flaw).filter(|_| of_this_due));
        }
        let at = if of_this_due { self.moment(&matching, written) } else { written };
        // What is younger than its `max_age` may answer several dues.
        let run = self.run(newest, (at != written && !matching.own).then_some(due));
        let flaw = match self.last_success.is_some_and(|last| last.run == run) {
            true => None,
            false => self.flaw(&matching, newest, known, *good)?,
        };
        if flaw.is_none() {
            *good = Some(newest);
        }
        Ok(Some(self.evidence(run, at, flaw)))
    }

    fn matching<'k>(&self, due: Timestamp, known: &'k Known) -> Result<Matching<'k>, Gap> {
        let (job, view) = (self.job, self.view);
        let keys = self.keys(due);
        let next = job.schedule.next_due(due, due);
        let others = [next, self.dues_before(due).next()].into_iter().flatten();
        let own = self.object.is_dated() && others.map(|other| self.keys(other)).all(|other| other != keys);
        // The newest due takes whatever there is: the clock of the server may be ahead.
        let closes =
            next.map(|next| before(next, job.limits.early)).filter(|closes| *closes <= view.now && !own);
        let there = |object: &&ObjectMeta| {
            object.last_modified <= view.written_by
                && closes.is_none_or(|closes| object.last_modified < closes)
        };
        let objects = find(&keys, known)?.into_iter().filter(there).collect();
        Ok(Matching { due, keys, own, opens: before(due, job.limits.early), objects })
    }

    /// When an object answers its due: it may have been written while another was open, if its key says which it is for.
    fn moment(&self, matching: &Matching<'_>, written: Timestamp) -> Timestamp {
        let due = matching.due;
        if !matching.own {
            return if written < matching.opens { due } else { written };
        }
        let next = self.job.schedule.next_due(due, due);
        let early = self.job.limits.early + SignedDuration::from_millis(1);
        let latest = next.map_or(self.view.now, |next| before(next, early));
        written.clamp(due, latest.max(due))
    }

    /// What is not there yet is bad evidence when its time is over.
    fn at_the_deadline(&self, matching: &Matching<'_>, written: Timestamp, flaw: Flaw) -> Option<Evidence> {
        let limits = &self.job.limits;
        let grace = limits.start_within.map_or(limits.grace, |within| within.min(limits.grace));
        let deadline = matching.due.checked_add(grace).unwrap_or(Timestamp::MAX);
        if self.view.now < deadline {
            return None;
        }
        let what = std::mem::discriminant(&flaw.kind);
        let identity = format!("{}/{} {} {what:?}", self.object.base(), matching.keys, matching.due);
        let at = if matching.own { self.moment(matching, written) } else { written };
        let run = RunId(Uuid::new_v5(&NAMESPACE, identity.as_bytes()));
        Some(self.evidence(run, at.max(deadline), Some(flaw)))
    }

    fn too_few(&self, matching: &Matching<'_>) -> Option<Flaw> {
        let wanted = u64::from(self.object.min_count?);
        let since = match self.object.max_age {
            Some(most) => before(matching.due, most),
            None if matching.own => Timestamp::MIN,
            None => matching.opens,
        };
        let least = self.object.min_size.unwrap_or(0);
        let counts = |object: &&&ObjectMeta| object.last_modified >= since && object.size >= least;
        let (found, counted) =
            (matching.objects.len() as u64, matching.objects.iter().filter(counts).count() as u64);
        (counted < wanted).then(|| Flaw {
            object: self.object.named(&matching.keys.to_string()),
            kind: FlawKind::TooFew { found, counted, wanted },
        })
    }

    /// What is wrong with an object in itself, or beside those before it.
    fn flaw(
        &self,
        matching: &Matching<'_>,
        newest: &ObjectMeta,
        known: &Known,
        good: Option<&ObjectMeta>,
    ) -> Result<Option<Flaw>, Gap> {
        let flaw = |kind| Some(Flaw { object: self.object.named(&newest.key), kind });
        if let Some(least) = self.object.min_size.filter(|least| newest.size < *least) {
            return Ok(flaw(FlawKind::TooSmall { size: newest.size, least }));
        }
        if self.object.changed
            && let Some(previous) = self.previous(matching, newest, known).next().transpose()?
            && previous.size == newest.size
            && known.sameness(&previous.key, &newest.key)? == Some(true)
        {
            return Ok(flaw(FlawKind::Unchanged { previous: self.object.named(&previous.key) }));
        }
        let Some(at_most) = self.object.shrink_at_most else { return Ok(None) };
        let previous = match good {
            Some(good) => Some(good),
            None => self.last_good(matching, newest, known)?,
        };
        let shrunk = previous.filter(|previous| at_most.is_exceeded(newest.size, previous.size));
        Ok(shrunk.and_then(|previous| {
            flaw(FlawKind::Shrunk {
                size: newest.size,
                previous: self.object.named(&previous.key),
                previous_size: previous.size,
                at_most,
            })
        }))
    }

    /// The object of the last success; if it is gone or there was none, the newest before that is large enough.
    fn last_good<'k>(
        &self,
        matching: &Matching<'k>,
        newest: &'k ObjectMeta,
        known: &'k Known,
    ) -> Result<Option<&'k ObjectMeta>, Gap> {
        let mut likely = None;
        for previous in self.previous(matching, newest, known) {
            let previous = previous?;
            let is_of = |last: Heard| {
                last.run == self.run(previous, None) || last.run == self.run(previous, Some(last.at))
            };
            if self.last_success.is_some_and(is_of) {
                return Ok(Some(previous));
            }
            let large_enough = self.object.min_size.is_none_or(|least| previous.size >= least);
            likely = likely.or(large_enough.then_some(previous));
            // What is older than the last success cannot be its object.
            let may_follow = self.last_success.is_some_and(|last| previous.last_modified > last.at);
            if likely.is_some() && !may_follow {
                break;
            }
        }
        Ok(likely)
    }

    /// The objects before, the newest first: of the same keys, if several dues share them, and of the keys of dues before,
    /// of each the newest.
    fn previous<'k, 's>(
        &'s self,
        matching: &'s Matching<'k>,
        newest: &'k ObjectMeta,
        known: &'k Known,
    ) -> impl Iterator<Item = Result<&'k ObjectMeta, Gap>> + use<'a, 'k, 's> {
        let before_this = matching.opens.min(newest.last_modified);
        let shared = matching.objects.iter().rev().copied();
        let shared = shared.filter(move |object| !matching.own && object.last_modified < before_this).map(Ok);
        let mut last = matching.keys.clone();
        let walked = if self.object.is_dated() { MOST_WALKED } else { 0 };
        let keys = self.dues_before(matching.due).take(walked).filter_map(move |due| {
            let keys = self.keys(due);
            (keys != last).then(|| {
                last = keys.clone();
                keys
            })
        });
        let of_dues = keys.take(LOOK_BACK).filter_map(move |keys| {
            let there = |object: &&ObjectMeta| object.last_modified <= self.view.written_by;
            find(&keys, known).map(|found| found.into_iter().rfind(there)).transpose()
        });
        shared.chain(of_dues)
    }

    fn keys(&self, due: Timestamp) -> Keys {
        self.object.keys(due, self.job.schedule.time_zone())
    }

    /// The dues before one, nearest first. Those of `every` count from the last success; before it they were as far apart.
    fn dues_before(&self, due: Timestamp) -> Box<dyn Iterator<Item = Timestamp> + '_> {
        match &self.job.schedule {
            Schedule::Every { period, .. } => {
                let period = *period;
                Box::new(std::iter::successors(due.checked_sub(period).ok(), move |due| {
                    due.checked_sub(period).ok()
                }))
            }
            schedule => Box::new(schedule.occurrences(due, due, Direction::Back)),
        }
    }

    fn run(&self, object: &ObjectMeta, due: Option<Timestamp>) -> RunId {
        let ObjectMeta { key, last_modified, size, etag } = object;
        let due = due.map(|due| format!(" for {due}")).unwrap_or_default();
        let identity = format!("{}/{key} {last_modified} {size} {etag:?}{due}", self.object.base());
        RunId(Uuid::new_v5(&NAMESPACE, identity.as_bytes()))
    }

    fn evidence(&self, run: RunId, at: Timestamp, flaw: Option<Flaw>) -> Evidence {
        let kind = if flaw.is_some() { Kind::Fail(None) } else { Kind::Success };
        let mut evidence = Evidence::new(self.job.slug.clone(), run, kind, at);
        evidence.report.message = flaw.as_ref().map(ToString::to_string);
        evidence.report.flaw = flaw;
        evidence
    }

    /// Why objects could not be seen, and what helps.
    fn told(&self, trouble: Trouble) -> String {
        let wildcards = trouble.refused && self.object.has_wildcards();
        let hint = match self.object.base().strip_prefix("s3://").filter(|_| wildcards) {
            Some(bucket) => Some(format!(
                "grant s3:ListBucket on arn:aws:s3:::{bucket} itself, with the condition \"StringLike\": {{\"s3:prefix\": \"{}*\"}}; wildcards need it",
                self.object.fixed_prefix()
            )),
            None => trouble.hint,
        };
        trouble.problem + &hint.map(|hint| format!(" ({hint})")).unwrap_or_default()
    }
}

/// The objects with these keys, in the order of their time.
fn find<'k>(keys: &Keys, known: &'k Known) -> Result<Vec<&'k ObjectMeta>, Gap> {
    if let Some(key) = keys.exact() {
        return known.object(key).map(|found| found.into_iter().collect());
    }
    let listing = known.listing(keys.prefix())?;
    Ok(listing.iter().filter(|object| keys.matches(&object.key)).collect())
}

/// How old an object was when it was due, if it was older than that.
fn age(due: Timestamp, written: Timestamp) -> Option<SignedDuration> {
    (written < due).then(|| due.duration_since(written))
}

fn before(moment: Timestamp, length: SignedDuration) -> Timestamp {
    moment.checked_sub(length).unwrap_or(Timestamp::MIN)
}
