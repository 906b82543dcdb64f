//! Notices: the intention to tell one channel about one flip or reminder.
//!
//! The id of a notice follows from what it tells, so that two checkers which decide the same thing decide the same
//! notice, and a receiver that gets it twice can see that it did.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::evidence::{Evidence, Exit, Output, RunId, cut};
use crate::flaw::Flaw;
use crate::job::Job;
use crate::judge::{Gap, deadline_of};
use crate::name::{ChannelName, Slug};
use crate::state::{Blind, Flip, Heard, Incident, JobState, Reason, Verdict};

/// The namespace of notice ids (`UUIDv5`, RFC 9562 section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x0192_6c1e_7e0c_5a3f_9b57_7465_6e6b_6f21);

/// In how many roll calls in a row the evidence must be unreadable before somebody is told.
pub const BLIND_TRIES: u32 = 3;

/// So many changes of verdict within an hour are told to be many: who is told so often should know that it is no
/// accident, and can ask for more `failures` and `recoveries` in a row.
pub const FLAPPING: u8 = 5;

/// The intention to tell one channel one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Never changes, and is the same for every checker that decides the same.
    pub id: Uuid,
    /// Whom to tell.
    pub channel: ChannelName,
    /// Of which job.
    pub job: Slug,
    /// What.
    pub kind: NoticeKind,
    /// When what it tells became true.
    pub at: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// All that the message needs.
    pub facts: Facts,
}

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The job went down.
    Down,
    /// The job is up again.
    Up,
    /// The job is still down; the number of the reminder, from 1.
    Reminder(u64),
    /// The evidence of the job can't be read.
    Unknown,
    /// The evidence of the job can be read again.
    Known,
    /// A run ended, but its evidence could not be stored; the wrapper tells this itself.
    Unstored,
    /// Somebody wanted to see whether the channel works.
    Test,
}

/// What there is to say, kept with the notice so that it can be said later without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// IANA name of the zone in which the job's times are shown.
    pub time_zone: String,
    /// The schedule, in short words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The job's own line about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where to read what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Why the job is, or was, down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it went down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since: Option<Timestamp>,
    /// When it was up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_since: Option<Timestamp>,
    /// The due that nobody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// By when it should have been answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// How that run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// How long that run took.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::evidence::duration_ms")]
    pub duration: Option<SignedDuration>,
    /// The limit that a run did not keep: `max_runtime` when it overran, `min_runtime` when it was too quick.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::evidence::duration_ms")]
    pub limit: Option<SignedDuration>,
    /// Where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What else was said: why evidence is bad, what a store answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How often the verdict changed in the hour before, if that was often ([`FLAPPING`] or more); no more are counted than
    /// [`MAX_FLIPS`](crate::state::MAX_FLIPS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flips: Option<u8>,
    /// What is wrong with a plain object; `message` says the same in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
    /// Whether the run was ended because it exceeded its time-out.
    #[serde(default)]
    pub timed_out: bool,
    /// Whether evidence that was delivered late showed that the job had been well.
    #[serde(default)]
    pub late_delivered: bool,
    /// Whether it is about the whole store, and not about the job that it names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_store: bool,
    /// Whether nothing is known of the time before the roll call that tells it, because its store forgets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nothing_before: bool,
    /// Whether nobody had been told that the job was down, because it is up again already.
    #[serde(default)]
    pub brief: bool,
}

impl Facts {
    /// The longest text from outside that is kept with a notice, in bytes; of output see [`Output::MAX_TOLD`].
    pub const MAX_TEXT: usize = 2_000;

    /// What is known of a job at a moment.
    pub fn of(job: &Job, state: &JobState) -> Self {
        let fold = &state.fold;
        let of_run = |heard: &Heard| Some(heard.run) == fold.bad_run;
        let ended = state.last_fail.filter(of_run).or(state.last_success.filter(of_run));
        Self {
            time_zone: job.schedule.time_zone().iana_name().unwrap_or("UTC").to_owned(),
            schedule: job.schedule.in_words(),
            description: job.description.clone(),
            runbook: job.runbook.clone(),
            reason: fold.reason,
            due: fold.unanswered,
            deadline: fold.unanswered.map(|due| deadline_of(job, fold, due)),
            last_success: state.last_success.map(|heard| heard.at),
            run: fold.bad_run,
            exit: ended.and_then(|heard| heard.exit),
            duration: ended.and_then(|heard| heard.duration),
            limit: limit(job, fold.reason),
            ..Self::default()
        }
    }

    /// Adds what a run said of itself, as much of it as can be told on.
    #[must_use]
    pub fn with_evidence(mut self, evidence: &Evidence) -> Self {
        let bounded = |mut text: String| {
            cut(&mut text, Self::MAX_TEXT);
            text
        };
        let report = evidence.report.clone();
        self.run = Some(evidence.run);
        if let crate::Kind::Fail(exit) = evidence.kind {
            self.exit = exit;
        }
        self.duration = report.duration.or(self.duration);
        self.host = report.host.map(bounded);
        self.output = report.output.map(Output::bounded);
        self.message = report.message.map(bounded);
        self.flaw = report.flaw;
        self.timed_out = report.timed_out;
        self
    }
}

/// How many flips there were in the hour up to the last one, if they are many.
fn flapping(state: &JobState) -> Option<u8> {
    let hour = SignedDuration::from_hours(1);
    let last = state.flips.last()?.at;
    let recent = |flip: &&Flip| flip.old != Verdict::Paused && last.duration_since(flip.at) < hour;
    let count = u8::try_from(state.flips.iter().filter(recent).count()).unwrap_or(u8::MAX);
    (count >= FLAPPING).then_some(count)
}

/// The limit whose breach is the reason.
fn limit(job: &Job, reason: Option<Reason>) -> Option<SignedDuration> {
    match reason? {
        Reason::Overran => job.limits.max_runtime,
        Reason::TooQuick => job.limits.min_runtime,
        Reason::Missed | Reason::Failed | Reason::BadEvidence => None,
    }
}

/// What became of a job in one roll call, as far as people have to be told.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The incident that was open before.
    pub was: Option<Incident>,
    /// The flips of this roll call, in order.
    pub flips: &'a [Flip],
    /// When the roll was called.
    pub now: Timestamp,
}

/// Writes the notices that a roll call owes for one job: one for each channel, for what is true now, however much
/// happened before; and one for an incident that came and went unseen. Marks them as written in `state`.
pub fn tell(job: &Job, state: &mut JobState, pass: Pass<'_>, gaps: &[Gap]) -> Vec<Notice> {
    let Some((kind, incident, brief)) = owed(job, state, pass) else { return Vec::new() };
    let flip = pass.flips.last();
    let mut known = Facts::of(job, state);
    known.reason = Some(incident.reason);
    known.limit = limit(job, known.reason);
    known.down_since = Some(incident.opened_at);
    known.brief = brief;
    known.flips = flapping(state).filter(|_| matches!(kind, NoticeKind::Down | NoticeKind::Up));
    if kind == NoticeKind::Up {
        known.up_since = flip.map(|flip| flip.at);
        known.late_delivered = flip.is_some_and(|flip| flip.late_delivered);
    }
    if let Some(open) = &mut state.incident {
        open.told = true;
        // Those that fell due before the alarm itself was written are never made up for.
        let due = job.remind.map_or(0, |every| reminders_due(open, every, pass.now));
        open.reminders = open.reminders.max(due);
    }
    state.refresh(job, gaps);
    let at = match kind {
        NoticeKind::Up => flip.map_or(pass.now, |flip| flip.at),
        NoticeKind::Reminder(_) => pass.now,
        _ => incident.opened_at,
    };
    let make = |channel: &ChannelName| Notice {
        id: id(&job.slug, incident.opened_at, kind, channel),
        channel: channel.clone(),
        job: job.slug.clone(),
        kind,
        at,
        created_at: pass.now,
        facts: known.clone(),
    };
    job.channels.iter().map(make).collect()
}

/// What is to be told, about which incident, and whether it came and went unseen. Nobody is reminded of what can't be
/// seen at the moment.
fn owed(job: &Job, state: &JobState, pass: Pass<'_>) -> Option<(NoticeKind, Incident, bool)> {
    if let Some(open) = state.incident {
        if !open.told {
            return Some((NoticeKind::Down, open, false));
        }
        let every = job.remind.filter(|_| state.blind.is_none())?;
        let number = reminders_due(&open, every, pass.now);
        return (number > open.reminders).then_some((NoticeKind::Reminder(number), open, false));
    }
    if state.stored_verdict() != Verdict::Up {
        return None;
    }
    if let Some(told) = pass.was.filter(|was| was.told) {
        return Some((NoticeKind::Up, told, false));
    }
    let unseen = pass.flips.iter().rev().find(|flip| flip.new == Verdict::Down)?;
    let incident = Incident { opened_at: unseen.at, reason: unseen.reason?, told: true, reminders: 0 };
    Some((NoticeKind::Up, incident, true))
}

/// How many reminders should have been written by `now`; those that were skipped are never made up for.
fn reminders_due(incident: &Incident, every: SignedDuration, now: Timestamp) -> u64 {
    let open_for = now.duration_since(incident.opened_at).as_millis().max(0);
    u64::try_from(open_for / every.as_millis().max(1)).unwrap_or(0)
}

/// Notes that the evidence of a job could not be read in a roll call. Flips nothing; after [`BLIND_TRIES`] roll calls
/// in a row it is told, once.
pub fn could_not_tell(job: &Job, state: &mut JobState, problem: &str, now: Timestamp) -> Vec<Notice> {
    let blind = state.blind.get_or_insert_with(|| Blind {
        since: now,
        tries: 0,
        problem: String::new(),
        told: false,
    });
    problem.clone_into(&mut blind.problem);
    cut(&mut blind.problem, Facts::MAX_TEXT);
    if blind.told {
        return Vec::new();
    }
    blind.tries = blind.tries.saturating_add(1);
    if blind.tries < BLIND_TRIES {
        return Vec::new();
    }
    blind.told = true;
    let blind = blind.clone();
    about_sight(job, state, NoticeKind::Unknown, &blind, now)
}

/// Notes that the evidence of a job could be read. Whoever was told that it could not is told.
pub fn could_tell(job: &Job, state: &mut JobState, now: Timestamp) -> Vec<Notice> {
    match state.blind.take() {
        Some(blind) if blind.told => about_sight(job, state, NoticeKind::Known, &blind, now),
        _ => Vec::new(),
    }
}

fn about_sight(job: &Job, state: &JobState, kind: NoticeKind, blind: &Blind, now: Timestamp) -> Vec<Notice> {
    let facts = Facts {
        down_since: Some(blind.since),
        message: Some(blind.problem.clone()),
        reason: None,
        limit: None,
        ..Facts::of(job, state)
    };
    let make = |channel: &ChannelName| Notice {
        id: id(&job.slug, blind.since, kind, channel),
        channel: channel.clone(),
        job: job.slug.clone(),
        kind,
        at: if kind == NoticeKind::Unknown { blind.since } else { now },
        created_at: now,
        facts: facts.clone(),
    };
    job.channels.iter().map(make).collect()
}

/// The id of what is told: it follows from the job, the moment at which the incident was opened, the kind and the
/// channel, and from nothing else.
pub fn id(job: &Slug, opened_at: Timestamp, kind: NoticeKind, channel: &ChannelName) -> Uuid {
    let kind = match kind {
        NoticeKind::Down => "down".to_owned(),
        NoticeKind::Up => "up".to_owned(),
        NoticeKind::Reminder(number) => format!("reminder:{number}"),
        NoticeKind::Unknown => "unknown".to_owned(),
        NoticeKind::Known => "known".to_owned(),
        NoticeKind::Unstored => "unstored".to_owned(),
        NoticeKind::Test => "test".to_owned(),
    };
    Uuid::new_v5(&NAMESPACE, format!("{job}/{opened_at}/{kind}/{channel}").as_bytes())
}

impl Notice {
    /// A notice that tells of nothing, to see whether a channel works.
    pub fn test(channel: ChannelName, job: Slug, now: Timestamp) -> Self {
        let kind = NoticeKind::Test;
        let facts = Facts { time_zone: "UTC".to_owned(), ..Facts::default() };
        Self { id: id(&job, now, kind, &channel), channel, job, kind, at: now, created_at: now, facts }
    }
}
