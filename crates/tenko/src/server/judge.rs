//! What is decided about jobs inside a transaction: everything here is told in, nothing is asked of anybody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tenko_core::call::{self, Called};
use tenko_core::judge::Gap;
use tenko_core::outbox::Outbox;
use tenko_core::{Evidence, Notice, Slug};
use tenko_store::live::{Decided, Entry, Kept};

use super::roster::Roster;
use crate::checker::failing;

/// When a job that could not be judged is looked at again.
const PUT_OFF: SignedDuration = SignedDuration::from_mins(1);

/// What there is to go by.
#[derive(Clone, Debug)]
pub(super) struct Grounds {
    pub(super) roster: Arc<Roster>,
    pub(super) gaps: Arc<[Gap]>,
    pub(super) now: Timestamp,
}

/// What is decided about the jobs of one transaction, one after the other.
#[derive(Debug)]
pub(super) struct Sitting {
    pub(super) grounds: Grounds,
    pub(super) decided: Decided,
    /// Whether there is something to tell somebody.
    pub(super) notices: bool,
    /// Jobs that could not be judged, because of a mistake in Tenko itself.
    pub(super) unjudged: Vec<Slug>,
    /// Whether a job has to be looked for its object.
    pub(super) to_survey: bool,
    next_look: Option<Timestamp>,
}

/// Why a job is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause<'a> {
    /// What is new of it.
    pub(super) news: &'a [Evidence],
    /// Why its object could not be looked at, if it could not.
    pub(super) blind: Option<&'a str>,
    /// Whether it was looked for its object.
    pub(super) looked: bool,
    /// Whether it is to be kept whatever follows, because something else about it has changed.
    pub(super) anew: bool,
    /// Whether only what is expected of it may have changed.
    pub(super) followed: bool,
    /// Whether the time has come that was kept with it: then another has to be kept, whatever is decided.
    pub(super) due: bool,
}

impl Sitting {
    pub(super) fn new(grounds: Grounds) -> Self {
        Self {
            grounds,
            decided: Decided::default(),
            notices: false,
            unjudged: Vec::new(),
            to_survey: false,
            next_look: None,
        }
    }

    /// Judges one job. Should that panic, the job stays as it was, and the others go on.
    pub(super) fn judge(&mut self, slug: Slug, mut entry: Entry, cause: Cause<'_>) {
        if self.grounds.roster.has_left(&slug, &entry) {
            if cause.news.is_empty() {
                return self.forget(slug, entry);
            }
            // It is heard of anew.
            entry.state = None;
        }
        let spare = cause.due.then(|| entry.clone());
        let grounds = &self.grounds;
        // What is half done is lost with the entry.
        let done = catch_unwind(AssertUnwindSafe(|| grounds.judge(&slug, entry, cause)));
        match done {
            Ok(Some(judged)) => self.take(slug, judged, cause),
            Ok(None) => {}
            Err(_) => self.put_off(slug, spare),
        }
    }

    /// When one of the jobs that were judged has to be looked at again.
    pub(super) fn looks_again_at(&self) -> Option<Timestamp> {
        self.next_look
    }

    /// Forgets a job; what is still to be told of it stays.
    fn forget(&mut self, slug: Slug, entry: Entry) {
        let entry = Entry { items: entry.items, ..Entry::default() };
        self.decided.kept.push(Kept { job: slug, entry, wake_at: None });
    }

    fn take(&mut self, slug: Slug, judged: Judged, cause: Cause<'_>) {
        let Judged { entry, called, notices, changed, wake_at, to_survey } = judged;
        self.to_survey |= to_survey;
        if !called.unjudged.is_empty() {
            let spare = cause.due.then_some(entry);
            return self.put_off(slug, spare);
        }
        self.notices |= notices;
        let next = entry.state.as_ref().and_then(|state| state.look_again_at);
        self.next_look = self.next_look.into_iter().chain(next).min();
        self.decided.flips.extend(called.changes.flips);
        self.decided.missed.extend(called.changes.missed);
        if changed || cause.due || cause.anew {
            self.decided.kept.push(Kept { job: slug, entry, wake_at });
        }
    }

    fn put_off(&mut self, slug: Slug, spare: Option<Entry>) {
        self.unjudged.push(slug.clone());
        if let Some(entry) = spare {
            let wake_at = self.grounds.now.checked_add(PUT_OFF).ok();
            self.decided.kept.push(Kept { job: slug, entry, wake_at });
        }
    }
}

struct Judged {
    entry: Entry,
    called: Called,
    notices: bool,
    changed: bool,
    wake_at: Option<Timestamp>,
    to_survey: bool,
}

impl Judged {
    fn to_survey(entry: Entry) -> Self {
        let (called, wake_at) = (Called::default(), None);
        Self { entry, called, notices: false, changed: true, wake_at, to_survey: true }
    }
}

impl Grounds {
    /// Judges one job. Nothing is to be done, if nothing is expected of it by the passing of time.
    fn judge(&self, slug: &Slug, mut entry: Entry, cause: Cause<'_>) -> Option<Judged> {
        let declared = follow_declaration(&mut entry, cause.news);
        let job = self.roster.expected(slug, entry.declaration.as_ref());
        if job.plain_object && !cause.looked && (cause.due || cause.followed) {
            // Whether its object is there has to be looked up first.
            return cause.due.then(|| Judged::to_survey(entry));
        }
        let known_blind = entry.state.as_ref().and_then(|state| state.blind.as_ref());
        let still = known_blind.filter(|_| job.plain_object && !cause.looked);
        let still = still.map(|blind| blind.problem.clone());
        let blind = cause.blind.or(still.as_deref());
        let mut called = call::call_one(&job, &mut entry.state, cause.news, blind, &self.gaps, self.now);
        let marked = self.mark(slug, &mut entry);
        let told = std::mem::take(&mut called.notices);
        let notices = !told.is_empty();
        tell(&mut entry, told, cause.news);
        let wake_at =
            entry.state.as_ref().and_then(|state| state.look_again_at).filter(|_| !job.plain_object);
        let changed = declared || marked || notices || !called.changes.jobs.is_empty();
        Some(Judged { entry, called, notices, changed, wake_at, to_survey: false })
    }

    /// Notes whether the configuration knows the job: if it knows it no longer, it is forgotten. Says whether that is new.
    fn mark(&self, slug: &Slug, entry: &mut Entry) -> bool {
        let configured = self.roster.is_configured(slug);
        let Some(state) = &mut entry.state else { return false };
        std::mem::replace(&mut state.configured, configured) != configured
    }
}

/// Takes up the newest declaration in new evidence. Says whether it is another than before.
fn follow_declaration(entry: &mut Entry, news: &[Evidence]) -> bool {
    let declaring = news.iter().filter_map(|piece| {
        let declaration = piece.declaration.as_ref().filter(|declaration| declaration.spec.is_some())?;
        Some((piece.effective_at(), declaration))
    });
    let Some((_, newest)) = declaring.max_by_key(|(at, _)| *at) else { return false };
    let known = entry.declaration.as_ref().is_some_and(|known| known.digest == newest.digest);
    if !known {
        entry.declaration = Some(newest.clone());
    }
    !known
}

/// Puts notices into the outbox, with what the runs that they are about said of themselves.
fn tell(entry: &mut Entry, notices: Vec<Notice>, news: &[Evidence]) {
    if notices.is_empty() {
        return;
    }
    let news: Vec<&Evidence> = news.iter().collect();
    let in_full = notices.into_iter().map(|mut notice| {
        if let Some(piece) = failing(&notice, &news) {
            notice.facts = std::mem::take(&mut notice.facts).with_evidence(piece);
        }
        notice
    });
    let mut outbox = Outbox { items: std::mem::take(&mut entry.items) };
    outbox.add(in_full);
    entry.items = outbox.items;
}
