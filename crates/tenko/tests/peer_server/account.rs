//! The account: what was sent and answered, against what is stored and what was told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use tenko_core::notice::{NoticeKind, id};
use tenko_core::{ChannelName, Reason, Slug, Verdict};
use uuid::Uuid;

use crate::home::{Home, JobKept, Kept};
use crate::load::Sent;
use crate::receiver::Told;

/// Figures, for whoever reads the output.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    pub(crate) flips: usize,
    pub(crate) notices: usize,
    pub(crate) repeated: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, unanswered, flips, notices, repeated } = self;
        write!(f, "{acknowledged} pings acknowledged, {unanswered} not, {flips} flips, {notices} notices, ")?;
        write!(f, "{repeated} of them told again")
    }
}

/// Nothing waits any more that could be told.
pub(crate) fn all_is_told(home: &Home) -> bool {
    home.kept().jobs.iter().all(|job| job.waiting == 0)
}

/// Proves that nothing that was acknowledged is lost or there twice, that each flip was told under one id, and nothing else.
pub(crate) fn prove(home: &Home, sent: &[Sent]) -> Figures {
    let (kept, acknowledged) = prove_what_is_stored(home, sent);
    let told = home.receiver.told();
    let expected = kept.jobs.iter().map(|job| (job.name.to_string(), incidents(job))).collect();
    let notices = told_once_each(&told, &expected);
    let flips = kept.jobs.iter().map(|job| job.flips().count()).sum();
    let unanswered = sent.len() - acknowledged;
    Figures { acknowledged, unanswered, flips, notices, repeated: told.len() - notices }
}

/// Proves that nothing that was acknowledged is lost or there twice, and that verdicts follow each other. Gives what is stored, and
/// how much of it was acknowledged.
pub(crate) fn prove_what_is_stored(home: &Home, sent: &[Sent]) -> (Kept, usize) {
    let kept = home.kept();
    let acknowledged = each_is_there_once(&kept, sent);
    kept.jobs.iter().for_each(verdicts_follow);
    (kept, acknowledged)
}

/// What was acknowledged is there once; what was not, at most once; and nothing else.
fn each_is_there_once(kept: &Kept, sent: &[Sent]) -> usize {
    let mut found: HashMap<(&str, Uuid, &str), usize> = HashMap::new();
    for piece in &kept.evidence {
        let rid = piece.report.rid.unwrap_or(piece.run.0);
        *found.entry((piece.job.as_str(), rid, piece.kind.word())).or_default() += 1;
    }
    let mut acknowledged = 0;
    for ping in sent {
        let count = found.remove(&(&*ping.job, ping.rid, ping.kind)).unwrap_or(0);
        if ping.acknowledged.is_some() {
            acknowledged += 1;
            assert_eq!(count, 1, "was acknowledged: {ping:?}");
        }
        assert!(count <= 1, "is there {count} times: {ping:?}");
    }
    assert!(found.is_empty(), "nobody sent {found:?}");
    acknowledged
}

/// Each flip begins where the one before it ended, so that none is lost and none is there twice.
fn verdicts_follow(job: &JobKept) {
    let mut before = Verdict::New;
    for flip in job.flips() {
        assert_eq!(flip.old, before, "{} at {}: {:#?}", job.name, flip.at, job.passes);
        assert_ne!(flip.old, flip.new, "{}", job.name);
        before = flip.new;
    }
    assert_eq!(job.verdict.unwrap_or(Verdict::New), before, "{}", job.name);
}

/// What has to be told of an incident, under which ids.
struct Owed {
    opened_at: Timestamp,
    alarm: Uuid,
    recovery: Uuid,
    /// It was open when the decision that opened it had been made.
    is_alarming: bool,
    /// It was over, and no other was open, when the decision that ended it had been made.
    is_over: bool,
}

/// Of each decision what is true in the end is told, and no more: an incident that another one follows in the same decision needs
/// no recovery, and one that came and went in between nothing at all.
fn incidents(job: &JobKept) -> Vec<Owed> {
    let ops = ChannelName::new("ops").unwrap();
    let id_of = |at, kind| id(&job.name, at, kind, &ops);
    let mut owed: Vec<Owed> = Vec::new();
    let mut was_open = false;
    for pass in &job.passes {
        let known = owed.len();
        for flip in pass.iter().filter(|flip| flip.new == Verdict::Down) {
            let (alarm, recovery) = (id_of(flip.at, NoticeKind::Down), id_of(flip.at, NoticeKind::Up));
            owed.push(Owed { opened_at: flip.at, alarm, recovery, is_alarming: false, is_over: false });
        }
        let is_open = pass.last().unwrap().new == Verdict::Down;
        // The one that was known is the one that is told to be over, if there was one.
        let told = if was_open && !is_open { known.checked_sub(1) } else { owed.len().checked_sub(1) };
        if let Some(told) = told.filter(|_| was_open || owed.len() > known) {
            owed[told].is_alarming |= is_open;
            owed[told].is_over |= !is_open;
        }
        was_open = is_open;
    }
    owed
}

/// What is owed was told, each alarm before its recovery, or both as one. Nothing else was told, and whatever has one id says one
/// thing. Says how many different notices there were.
fn told_once_each(told: &[Told], expected: &BTreeMap<String, Vec<Owed>>) -> usize {
    let mut first: HashMap<Uuid, (usize, &Told)> = HashMap::new();
    for (place, notice) in told.iter().enumerate() {
        let (_, known) = first.entry(notice.id).or_insert((place, notice));
        assert_eq!(*known, notice, "one id, two things");
    }
    let count = first.len();
    for (job, incidents) in expected {
        for owed in incidents {
            let alarm = first.remove(&owed.alarm);
            let recovery = first.remove(&owed.recovery);
            let about = || format!("{job}, down at {}: {alarm:#?}, {recovery:#?}", owed.opened_at);
            assert!(owed.is_alarming || alarm.is_none(), "{}", about());
            assert_eq!(recovery.is_some(), owed.is_over, "{}", about());
            match (alarm, recovery) {
                (Some((alarm, _)), Some((recovery, _))) => assert!(alarm < recovery, "{}", about()),
                (None, Some((_, told))) => assert!(told.brief, "{}", about()),
                (alarm, None) => assert_eq!(alarm.is_some(), owed.is_alarming, "{}", about()),
            }
        }
    }
    let others: Vec<&Told> = first.values().map(|(_, told)| *told).collect();
    assert!(others.is_empty(), "told for no reason: {others:#?}");
    count
}

/// So much may lie between two readings of one clock.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(20);

/// No job was called missed at a moment at which a success was acknowledged that answered that due.
pub(crate) fn none_was_missed_that_had_answered(home: &Home, sent: &[Sent], span: SignedDuration) -> usize {
    let kept = home.kept();
    let at: HashMap<(Slug, Uuid), Timestamp> = kept
        .evidence
        .iter()
        .filter(|piece| piece.kind.is_end())
        .map(|piece| ((piece.job.clone(), piece.report.rid.unwrap_or(piece.run.0)), piece.effective_at()))
        .collect();
    let mut missed = 0;
    for job in &kept.jobs {
        let answered: BTreeSet<_> = sent
            .iter()
            .filter(|ping| ping.job == job.name.as_str() && matches!(ping.kind, "success" | "fail"))
            .filter_map(|ping| Some((*at.get(&(job.name.clone(), ping.rid))?, ping.acknowledged?)))
            .collect();
        for flip in job.flips().filter(|flip| flip.reason == Some(Reason::Missed)) {
            missed += 1;
            let wrong =
                answered.iter().find(|(at, answered)| *answered + AT_ONCE < flip.at && *at + span > flip.at);
            assert!(wrong.is_none(), "{} missed at {}, but {wrong:?}", job.name, flip.at);
        }
    }
    missed
}
