//! What must hold of the fold, whatever happens and in whatever order it is heard.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::call::{Called, Roster, call};
use crate::evidence::Kind;
use crate::job::Limits;
use crate::name::{ChannelName, Slug};
use crate::roll::Roll;
use crate::schedule::{Schedule, ScheduleSpec};
use crate::state::MAX_RUNNING;

const START: i64 = 1_795_996_800; // 2026-11-30T00:00:00Z
pub(crate) const MINUTES: i64 = 12 * 60;

pub(crate) fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(START + minute * 60).unwrap()
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(crate) fn slug() -> Slug {
    Slug::new("job").unwrap()
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let spec = prop_oneof![
        Just(ScheduleSpec::default()),
        Just(ScheduleSpec { every: Some("45m".into()), ..ScheduleSpec::default() }),
        Just(ScheduleSpec { cron: vec!["7,30 * * * *".into()], ..ScheduleSpec::default() }),
        Just(ScheduleSpec { cron: vec!["0 */3 * * *".into()], ..ScheduleSpec::default() }),
    ];
    spec.prop_map(|spec| Schedule::resolve(&spec, &TimeZone::UTC).unwrap())
}

fn limits() -> impl Strategy<Value = Limits> {
    let length = |longest: i64| prop::option::of((1..longest).prop_map(minutes));
    (1..100_i64, length(40), length(90), length(10), 0..12_i64, 1..4_u32, 1..4_u32).prop_map(
        |(grace, start_within, max_runtime, min_runtime, early, failures, recoveries)| Limits {
            grace: minutes(grace),
            start_within,
            max_runtime,
            min_runtime,
            early: minutes(early),
            failures,
            recoveries,
            ..Limits::default()
        },
    )
}

fn job() -> impl Strategy<Value = Job> {
    (schedule(), limits(), prop::option::of((30..200_i64).prop_map(minutes))).prop_map(
        |(schedule, limits, remind)| {
            let channels = vec![ChannelName::new("ops").unwrap()];
            Job { limits, remind, channels, expected_from: Some(minute(0)), ..Job::new(slug(), schedule) }
        },
    )
}

pub(crate) fn piece(run: u128, kind: Kind, at: Timestamp) -> Evidence {
    Evidence { received_at: Some(at), ..Evidence::new(slug(), RunId(Uuid::from_u128(run)), kind, at) }
}

/// Runs that start, end well or badly, or do not end, each once, some without a start; whole minutes, so that things
/// happen at the same moment. At most `most` of them end.
pub(crate) fn runs(most: usize) -> impl Strategy<Value = Vec<Evidence>> {
    let run = (0..MINUTES, 0..120_i64, 0..5_u8, any::<bool>());
    prop::collection::vec(run, 0..=most).prop_map(|runs| {
        let of_run = |(run, (start, took, fate, heard)): (usize, (i64, i64, u8, bool))| {
            let run = run as u128 + 1;
            let end = match fate {
                0 => None,
                1 => Some(Kind::Fail(None)),
                _ => Some(Kind::Success),
            };
            let started = (heard || end.is_none()).then(|| piece(run, Kind::Start, minute(start)));
            started.into_iter().chain(end.map(|kind| piece(run, kind, minute(start + took))))
        };
        let mut all: Vec<Evidence> = runs.into_iter().enumerate().flat_map(of_run).collect();
        all.sort_by_key(|piece| (piece.at, piece.kind.is_end(), piece.run));
        all
    })
}

/// All that must not depend on the order of arrival.
#[derive(Debug, PartialEq)]
struct Outcome {
    fold: Fold,
    base: Fold,
    running: Vec<crate::state::UnderWay>,
    newest: [Option<crate::state::Heard>; 3],
    look_again_at: Option<Timestamp>,
}

fn outcome(job: &Job, mut state: JobState) -> Outcome {
    let end = minute(MINUTES + 400);
    step(job, &mut state, Event::TimePassed, &[], end);
    state.incident = None;
    state.refresh(job, &[]);
    Outcome {
        fold: Fold { until: end, ..state.fold },
        base: state.base,
        running: state.running,
        newest: [state.last_start, state.last_success, state.last_fail],
        look_again_at: state.look_again_at,
    }
}

fn hear(job: &Job, state: &mut JobState, piece: &Evidence) {
    step(job, state, Event::Evidence(piece), &[], minute(MINUTES + 400));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// As many answers as fit into the tail can come in any order, twice, with time passing in between.
    #[test]
    fn the_order_of_arrival_does_not_matter(
        job in job(),
        (sorted, shuffled) in runs(2).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        twice in any::<prop::sample::Index>(),
        looks in prop::collection::vec(0..MINUTES + 300, 6),
    ) {
        let mut plain = JobState::new(&job, minute(0));
        sorted.iter().for_each(|piece| hear(&job, &mut plain, piece));
        let mut mixed = JobState::new(&job, minute(0));
        for (index, piece) in shuffled.iter().enumerate() {
            hear(&job, &mut mixed, piece);
            if let Some(at) = looks.get(index) {
                step(&job, &mut mixed, Event::TimePassed, &[], minute(*at));
            }
            hear(&job, &mut mixed, &shuffled[twice.index(index + 1)]);
        }
        prop_assert_eq!(outcome(&job, plain), outcome(&job, mixed));
    }

    /// Of more answers, each can be as late as fits into the tail.
    #[test]
    fn a_piece_that_is_a_little_late_changes_nothing(
        job in job(),
        sorted in runs(12),
        late in any::<prop::sample::Index>(),
        by in 1..4_usize,
    ) {
        if sorted.is_empty() { return Ok(()) }
        let from = late.index(sorted.len());
        let ends_after = |to: usize| sorted[from + 1..=to].iter().filter(|piece| piece.kind.is_end()).count();
        let most = 2 * job.limits.failures.max(job.limits.recoveries) as usize;
        let to = (from + by).min(sorted.len() - 1);
        if ends_after(to) >= most { return Ok(()) }
        let mut arriving = sorted.clone();
        let piece = arriving.remove(from);
        // Of runs that end in the same moment as the oldest remembered one, the bound says nothing.
        if sorted.iter().filter(|other| other.at == piece.at).count() > 1 { return Ok(()) }
        arriving.insert(to, piece);
        let (mut plain, mut mixed) = (JobState::new(&job, minute(0)), JobState::new(&job, minute(0)));
        sorted.iter().for_each(|piece| hear(&job, &mut plain, piece));
        arriving.iter().for_each(|piece| hear(&job, &mut mixed, piece));
        prop_assert_eq!(outcome(&job, plain), outcome(&job, mixed));
    }

    /// At any time the fold follows from what is remembered, and what was let go was decided right.
    #[test]
    fn what_is_kept_gives_the_same_fold(job in job(), all in runs(14)) {
        let mut state = JobState::new(&job, minute(0));
        for piece in &all {
            hear(&job, &mut state, piece);
            step(&job, &mut state, Event::TimePassed, &[], piece.at);
            let mut folding = Folding::resume(&job, &[], state.base, &[]);
            folding.replay(&state.tail, &state.running, state.fold.until);
            prop_assert_eq!(folding.finish(state.fold.until).0, state.fold);
        }
    }

    /// Evidence handed in one by one, or all at once.
    #[test]
    fn together_is_the_same_as_one_by_one(
        job in job(),
        all in runs(10),
        known in 0..MINUTES,
    ) {
        let (old, new): (Vec<&Evidence>, Vec<&Evidence>) = all.iter().partition(|piece| piece.run.0.as_u128() % 2 == 0);
        let mut one_by_one = JobState::new(&job, minute(0));
        step_all(&job, &mut one_by_one, &old, &[], minute(known));
        step(&job, &mut one_by_one, Event::TimePassed, &[], minute(known));
        let mut together = one_by_one.clone();
        for piece in &new {
            step(&job, &mut one_by_one, Event::Evidence(piece), &[], minute(MINUTES + 400));
        }
        step_all(&job, &mut together, &new, &[], minute(MINUTES + 400));
        prop_assert_eq!(outcome(&job, one_by_one), outcome(&job, together));
    }

    /// A roll call every minute finds nothing that one at the announced moments does not, at the same moment.
    #[test]
    fn look_again_at_is_never_too_late(job in job(), all in runs(8), gap in prop::option::of((0..MINUTES, 0..90_i64))) {
        let jobs = BTreeMap::from([(slug(), job)]);
        let mut often = Roll::default();
        let mut seldom = Roll::default();
        for roll in [&mut often, &mut seldom] {
            if let Some((from, length)) = gap {
                roll.add_gap(Gap { from: minute(from), to: minute(from + length) });
            }
        }
        for now in 0..MINUTES + 200 {
            let news: Vec<Evidence> = all.iter().filter(|piece| piece.at == minute(now)).cloned().collect();
            let of_often = roll_call(&jobs, &mut often, &news, minute(now));
            let due = seldom.states.get(&slug()).is_none_or(|state| state.look_again_at.is_some_and(|at| at <= minute(now)));
            let of_seldom = if due || !news.is_empty() {
                roll_call(&jobs, &mut seldom, &news, minute(now))
            } else {
                Called::default()
            };
            prop_assert_eq!(&of_often.changes, &of_seldom.changes, "at minute {}", now);
            prop_assert_eq!(&of_often.notices, &of_seldom.notices);
            let state = &often.states[&slug()];
            prop_assert!(state.look_again_at.is_none_or(|at| at > minute(now)));
            let again = roll_call(&jobs, &mut often, &news, minute(now));
            prop_assert_eq!(again.changes, crate::roll::Changes::default());
            prop_assert!(again.notices.is_empty());
        }
    }

    /// Flips join: each begins with the verdict with which the one before ended, and the incident is that of the last.
    #[test]
    fn flips_follow_each_other(job in job(), all in runs(10).prop_shuffle(), looks in prop::collection::vec(0..MINUTES, 10)) {
        let mut state = JobState::new(&job, minute(0));
        let mut verdict = Verdict::New;
        for (piece, now) in all.iter().zip(looks) {
            for event in [Event::Evidence(piece), Event::TimePassed] {
                let step = step(&job, &mut state, event, &[], minute(now));
                prop_assert!(step.changed || step.flips.is_empty());
                for flip in step.flips {
                    prop_assert_eq!(flip.old, verdict);
                    prop_assert_ne!(flip.new, flip.old);
                    prop_assert_eq!(flip.reason.is_some(), flip.new == Verdict::Down);
                    verdict = flip.new;
                }
                prop_assert_eq!(state.fold.verdict, verdict);
                prop_assert_eq!(state.incident.is_some(), verdict == Verdict::Down);
            }
        }
    }

    /// No clock, however wrong, makes it panic, hang or grow.
    #[test]
    fn hostile_times_do_no_harm(
        job in job(),
        pieces in prop::collection::vec((hostile(), prop::option::of(hostile()), 0..4_u8, 0..50_u128, prop::option::of(any::<i64>())), 0..60),
        gap in (hostile(), hostile()),
        nows in prop::collection::vec(hostile(), 3),
    ) {
        let job = Job { expected_from: None, ..job };
        let jobs = BTreeMap::from([(slug(), job)]);
        let mut roll = Roll::default();
        roll.add_gap(Gap { from: gap.0, to: gap.1 });
        for (now, pieces) in nows.into_iter().zip(pieces.chunks(20)) {
            let news: Vec<Evidence> = pieces.iter().map(hostile_piece).collect();
            roll_call(&jobs, &mut roll, &news, now);
            let state = &roll.states[&slug()];
            prop_assert!(state.running.len() <= MAX_RUNNING);
            prop_assert!(state.flips.len() <= MAX_FLIPS);
            prop_assert!(state.tail.len() <= 6);
            look(&jobs[&slug()], state, &roll.gaps, now);
            prop_assert_eq!(&crate::format::read_roll(&crate::format::write_roll(&roll)).unwrap(), &roll);
        }
    }
}

fn roll_call(jobs: &BTreeMap<Slug, Job>, roll: &mut Roll, news: &[Evidence], now: Timestamp) -> Called {
    call(roll, Roster { jobs, blind: &BTreeMap::new() }, news, now)
}

fn hostile() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        Just(Timestamp::UNIX_EPOCH),
        (0..MINUTES).prop_map(minute),
        (-377_705_023_201_i64..253_402_207_200).prop_map(|second| Timestamp::from_second(second).unwrap()),
    ]
}

fn hostile_piece(
    (at, received, kind, run, took): &(Timestamp, Option<Timestamp>, u8, u128, Option<i64>),
) -> Evidence {
    let kind = [Kind::Start, Kind::Success, Kind::Fail(None), Kind::Log][usize::from(*kind)];
    let mut evidence = piece(*run, kind, *at);
    evidence.received_at = *received;
    evidence.report.duration = took.map(SignedDuration::from_millis);
    let digest = "00000000".to_owned();
    evidence.declaration = Some(crate::Declaration { digest, spec: None });
    evidence
}
