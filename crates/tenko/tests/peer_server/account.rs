//! The account: what was sent and answered, against what is stored and what was told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use tenko_core::notice::{NoticeKind, id};
use tenko_core::state::Flip;
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
    let kept = home.kept();
    let told = home.receiver.told();
    let (acknowledged, unanswered) = each_is_there_once(&kept, sent);
    let mut expected = BTreeMap::new();
    for job in &kept.jobs {
        verdicts_follow(job);
        expected.insert(job.name.to_string(), incidents(job));
    }
    let notices = told_once_each(&told, &expected);
    let flips = kept.jobs.iter().map(|job| job.flips.len()).sum();
    Figures { acknowledged, unanswered, flips, notices, repeated: told.len() - notices }
}

/// What was acknowledged is there once; what was not, at most once; and nothing else.
fn each_is_there_once(kept: &Kept, sent: &[Sent]) -> (usize, usize) {
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
    (acknowledged, sent.len() - acknowledged)
}

/// Each flip begins where the one before it ended, so that none is lost and none is there twice.
fn verdicts_follow(job: &JobKept) {
    let mut before = Verdict::New;
    for (number, flip) in job.flips.iter().enumerate() {
        let around = &job.flips[number.saturating_sub(4)..job.flips.len().min(number + 5)];
        assert_eq!(flip.old, before, "{} at {}: {around:#?}", job.name, flip.at);
        assert_ne!(flip.old, flip.new, "{}", job.name);
        before = flip.new;
    }
    assert_eq!(job.verdict.unwrap_or(Verdict::New), before, "{}", job.name);
}

/// An incident: its alarm, and its recovery if it has ended, by the ids under which they have to be told.
struct Owed {
    opened: Flip,
    alarm: Uuid,
    recovery: Uuid,
    is_over: bool,
}

fn incidents(job: &JobKept) -> Vec<Owed> {
    let ops = ChannelName::new("ops").unwrap();
    let mut owed: Vec<Owed> = Vec::new();
    for flip in &job.flips {
        if flip.new == Verdict::Down {
            let id_of = |kind| id(&job.name, flip.at, kind, &ops);
            let (alarm, recovery) = (id_of(NoticeKind::Down), id_of(NoticeKind::Up));
            owed.push(Owed { opened: *flip, alarm, recovery, is_over: false });
        } else if flip.old == Verdict::Down {
            owed.last_mut().unwrap().is_over = true;
        }
    }
    owed
}

/// Each alarm was told, or came and went unseen and its recovery says so; each recovery was told, after its alarm. Nothing else
/// was, and whatever has one id says one thing. Says how many different notices there were.
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
            let about = || format!("{job}, down at {}: {alarm:?}, {recovery:?}", owed.opened.at);
            assert_eq!(recovery.is_some(), owed.is_over, "{}", about());
            match (alarm, recovery) {
                (Some((alarm, _)), Some((recovery, _))) => assert!(alarm < recovery, "{}", about()),
                (None, Some((_, told))) => assert!(told.brief, "{}", about()),
                (Some(_), None) => {}
                (None, None) => panic!("nobody was told: {}", about()),
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
        for flip in job.flips.iter().filter(|flip| flip.reason == Some(Reason::Missed)) {
            missed += 1;
            let wrong =
                answered.iter().find(|(at, answered)| *answered + AT_ONCE < flip.at && *at + span > flip.at);
            assert!(wrong.is_none(), "{} missed at {}, but {wrong:?}", job.name, flip.at);
        }
    }
    missed
}
