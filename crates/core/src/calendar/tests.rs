//! What became of each due, told as timelines; and that it is what the judge decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::call::{Roster, call};
use crate::job::Limits;
use crate::judge::tests::{MINUTES, minute, piece, runs, slug};
use crate::judge::{Event, step, step_all};
use crate::roll::Roll;
use crate::schedule::ScheduleSpec;

fn daily() -> Job {
    let spec = ScheduleSpec { cron: vec!["0 5 * * *".into()], ..ScheduleSpec::default() };
    Job::new(slug(), Schedule::resolve(&spec, &TimeZone::UTC).unwrap())
}

/// A moment of November 2026, in UTC: `24 05:10`.
fn moment(text: &str) -> Timestamp {
    let (day, time) = text.split_once(' ').unwrap();
    format!("2026-11-{day}T{time}Z").parse().unwrap()
}

fn success(run: u128, at: &str) -> Evidence {
    piece(run, Kind::Success, moment(at))
}

fn fail(run: u128, at: &str) -> Evidence {
    piece(run, Kind::Fail(Some(Exit::Code(3))), moment(at))
}

/// The days of the month and what became of their dues, from the 20th on, as of the 24th at 05:30.
fn told(job: &Job, past: &Past, evidence: &[Evidence]) -> String {
    let now = moment("24 05:30:00");
    let dues = calendar(job, past, evidence, (moment("20 00:00:00"), moment("25 00:00:00")), now);
    let in_words = |due: &Due| {
        let reason = due.reason.map(|reason| format!("({reason})")).unwrap_or_default();
        format!("{}:{}{reason}", due.due.strftime("%d"), due.outcome.word())
    };
    dues.iter().map(in_words).collect::<Vec<_>>().join(" ")
}

fn from(text: &str) -> Past {
    Past { expected_from: Some(moment(text)), ..Past::default() }
}

#[test]
fn each_due_has_what_became_of_it() {
    let evidence = [success(1, "20 05:10:00"), success(2, "21 07:00:00"), fail(3, "22 05:01:00")];
    let told = told(&daily(), &from("19 00:00:00"), &evidence);
    assert_eq!(told, "20:answered 21:late 22:bad(failed) 23:missed 24:open");
}

#[test]
fn a_bad_due_is_made_up_for_by_a_success_before_the_next() {
    let evidence = [fail(1, "20 05:01:00"), success(2, "20 05:09:00"), success(3, "21 05:01:00")];
    let now = moment("21 12:00:00");
    let dues =
        calendar(&daily(), &from("20 00:00:00"), &evidence, (moment("20 00:00:00"), Timestamp::MAX), now);
    assert_eq!(dues[0].outcome, Outcome::Bad);
    assert_eq!(dues[0].made_up_at, Some(moment("20 05:09:00")));
    assert_eq!(dues[0].by.unwrap().exit, Some(Exit::Code(3)));
    assert_eq!(dues[1].made_up_at, None);
    assert_eq!(dues.len(), 2);
}

#[test]
fn evidence_that_arrived_after_the_deadline_answers_its_due_all_the_same() {
    let mut late = success(1, "20 05:10:00");
    late.received_at = Some(moment("21 09:00:00"));
    let told = told(&daily(), &from("20 00:00:00"), &[late]);
    assert_eq!(told, "20:late_delivered 21:missed 22:missed 23:missed 24:open");
}

#[test]
fn before_it_was_expected_and_before_evidence_is_kept_nothing_is_missed() {
    let past = Past { kept_from: Some(moment("22 00:00:00")), ..from("21 00:00:00") };
    let told = told(&daily(), &past, &[success(1, "22 05:10:00")]);
    assert_eq!(told, "20:not_expected 21:unknown 22:answered 23:missed 24:open");
}

#[test]
fn what_nobody_declared_is_expected_from_the_due_of_its_first_evidence_on() {
    let told = told(&daily(), &Past::default(), &[success(1, "21 05:10:00")]);
    assert_eq!(told, "20:not_expected 21:answered 22:missed 23:missed 24:open");
}

#[test]
fn a_due_of_which_the_evidence_could_not_be_read_is_unknown() {
    let past = Past { unread: BTreeSet::from([moment("22 05:00:00")]), ..from("20 00:00:00") };
    let told = told(&daily(), &past, &[success(1, "20 05:10:00")]);
    assert_eq!(told, "20:answered 21:missed 22:unknown 23:missed 24:open");
}

#[test]
fn while_it_is_paused_nothing_is_missed_and_what_comes_counts_for_nothing() {
    let pause = |from, to: Option<&str>| Pause { from: moment(from), to: to.map(moment) };
    let evidence = [success(1, "20 05:10:00"), success(2, "22 05:10:00")];
    let past = Past { pauses: vec![pause("21 05:30:00", Some("22 12:00:00"))], ..from("20 00:00:00") };
    assert_eq!(told(&daily(), &past, &evidence), "20:answered 21:paused 22:paused 23:missed 24:open");
    let past = Past { pauses: vec![pause("22 00:00:00", None)], ..from("20 00:00:00") };
    assert_eq!(told(&daily(), &past, &evidence), "20:answered 21:missed 22:paused 23:paused 24:paused");
}

#[test]
fn pauses_are_read_from_flips() {
    let flip = |old, new, at| Flip { old, new, reason: None, at: moment(at), late_delivered: false };
    let flips = [
        flip(Verdict::Paused, Verdict::New, "01 00:00:00"),
        flip(Verdict::Up, Verdict::Paused, "20 01:00:00"),
        flip(Verdict::Paused, Verdict::New, "21 01:00:00"),
        flip(Verdict::New, Verdict::Paused, "22 01:00:00"),
    ];
    let pauses = Pause::among(&flips, Some(moment("22 01:00:00")));
    let first = Pause { from: moment("20 01:00:00"), to: Some(moment("21 01:00:00")) };
    assert_eq!(pauses, [first, Pause { from: moment("22 01:00:00"), to: None }]);
}

#[test]
fn a_due_of_every_moves_with_each_success() {
    let spec = ScheduleSpec { every: Some("1h".into()), ..ScheduleSpec::default() };
    let job = Job {
        limits: Limits { grace: SignedDuration::from_mins(10), ..Limits::default() },
        ..Job::new(slug(), Schedule::resolve(&spec, &TimeZone::UTC).unwrap())
    };
    let evidence = [
        success(1, "20 01:00:05"),
        success(2, "20 01:30:00"),
        success(3, "20 02:30:00"),
        success(4, "20 05:00:00"),
    ];
    let now = moment("20 05:30:00");
    let dues = calendar(&job, &from("20 00:00:00"), &evidence, (moment("20 00:00:00"), now), now);
    let shown: Vec<String> =
        dues.iter().map(|due| format!("{} {}", due.due.strftime("%H:%M:%S"), due.outcome.word())).collect();
    assert_eq!(shown, ["01:00:00 answered", "02:30:00 answered", "03:30:00 missed", "04:30:00 late"]);
}

fn jobs() -> impl Strategy<Value = Job> {
    let spec = prop_oneof![
        Just(ScheduleSpec { every: Some("45m".into()), ..ScheduleSpec::default() }),
        Just(ScheduleSpec { cron: vec!["7,30 * * * *".into()], ..ScheduleSpec::default() }),
        Just(ScheduleSpec { cron: vec!["0 */3 * * *".into()], ..ScheduleSpec::default() }),
    ];
    let length = |longest: i64| prop::option::of((1..longest).prop_map(SignedDuration::from_mins));
    (spec, 1..100_i64, length(40), length(90), length(10), 0..12_i64).prop_map(
        |(spec, grace, start_within, max_runtime, min_runtime, early)| Job {
            limits: Limits {
                grace: SignedDuration::from_mins(grace),
                start_within,
                max_runtime,
                min_runtime,
                early: SignedDuration::from_mins(early),
                ..Limits::default()
            },
            expected_from: Some(minute(0)),
            ..Job::new(slug(), Schedule::resolve(&spec, &TimeZone::UTC).unwrap())
        },
    )
}

/// All dues that are missed by a moment, as evidence comes one by one.
fn missed(job: &Job, evidence: &[Evidence], now: Timestamp) -> BTreeSet<Timestamp> {
    let mut state = JobState::new(job, minute(0));
    let heard: Vec<&Evidence> = evidence.iter().filter(|piece| piece.at <= now).collect();
    let mut missed = BTreeSet::new();
    let mut steps = Vec::new();
    for piece in heard {
        let anchor = state.fold.anchor;
        steps.push((anchor, step_all(job, &mut state, &[piece], &[], now)));
    }
    let anchor = state.fold.anchor;
    steps.push((anchor, step(job, &mut state, Event::TimePassed, &[], now)));
    for (anchor, step) in steps {
        for facts in step.missed {
            let mut due = facts.first;
            missed.insert(due);
            while due < facts.last {
                due = job.schedule.next_due(anchor, due).unwrap();
                missed.insert(due);
            }
        }
    }
    missed
}

proptest! {
    /// What the judge recorded as missed is missed or late here, and nothing else is; but when a later due wanted a start
    /// sooner than an older one its end, the judge records the later one alone.
    #[test]
    fn missed_is_what_the_judge_calls_missed(job in jobs(), evidence in runs(13)) {
        let now = minute(MINUTES + 200);
        let missed = missed(&job, &evidence, now);
        let dues = calendar(&job, &from_start(), &evidence, (minute(0), now), now);
        let gaps = dues.iter().filter(|due| matches!(due.outcome, Outcome::Missed | Outcome::Late));
        let mut gaps: BTreeSet<Timestamp> = gaps.map(|due| due.due).collect();
        if job.limits.start_within.is_some() {
            prop_assert!(gaps.is_superset(&missed), "{:?} {:?}", gaps, missed);
            gaps.retain(|due| missed.contains(due));
        }
        prop_assert_eq!(gaps, missed);
    }

    /// When a due was answered badly the judge turned the job down, and up when it was answered well.
    #[test]
    fn bad_and_answered_are_what_the_judge_calls_down_and_up(job in jobs(), evidence in runs(13)) {
        let now = minute(MINUTES + 200);
        for due in calendar(&job, &from_start(), &evidence, (minute(0), now), now) {
            let Some(by) = due.by else { continue };
            let alone = evidence.iter().filter(|piece| piece.at == by.at && piece.kind.is_end()).count() == 1;
            if !alone || due.outcome == Outcome::Late {
                continue;
            }
            // Of what happens at the same moment an answer comes before a deadline.
            let mut state = JobState::new(&job, minute(0));
            let until: Vec<&Evidence> = evidence.iter().filter(|piece| piece.at <= by.at).collect();
            step_all(&job, &mut state, &until, &[], by.at);
            if state.fold.until < by.at {
                step(&job, &mut state, Event::TimePassed, &[], by.at);
            }
            let expected = if due.outcome == Outcome::Bad { Verdict::Down } else { Verdict::Up };
            prop_assert_eq!(state.fold.verdict, expected, "{:?}", due);
        }
    }

    /// Each due of a calendar schedule is there once, whatever the span that is asked for.
    #[test]
    fn every_due_is_there_once_and_does_not_depend_on_the_span(
        job in jobs(), evidence in runs(13), cut in 0..MINUTES
    ) {
        let now = minute(MINUTES + 200);
        let all = calendar(&job, &from_start(), &evidence, (minute(0), now), now);
        let later = calendar(&job, &from_start(), &evidence, (minute(cut), now), now);
        let expected: Vec<Due> = all.iter().filter(|due| due.due >= minute(cut)).copied().collect();
        prop_assert_eq!(&later, &expected);
        if let Schedule::Calendar(_) = job.schedule {
            let mut due = just_before(minute(0));
            for shown in &all {
                due = job.schedule.next_due(due, due).unwrap();
                prop_assert_eq!(shown.due, due);
            }
        }
    }

    /// The order of arrival, and that some evidence is read twice, changes nothing.
    #[test]
    fn the_order_of_evidence_does_not_matter(job in jobs(), evidence in runs(13), shift in 0..20_usize) {
        let now = minute(MINUTES + 200);
        let mut other: Vec<Evidence> = evidence.iter().chain(evidence.first()).cloned().collect();
        let by = shift.min(other.len());
        other.rotate_left(by);
        let span = (minute(0), now);
        prop_assert_eq!(
            calendar(&job, &from_start(), &evidence, span, now),
            calendar(&job, &from_start(), &other, span, now)
        );
    }
}

fn from_start() -> Past {
    Past { expected_from: Some(minute(0)), ..Past::default() }
}

#[test]
fn a_roll_tells_its_pauses_and_from_when_on_a_job_is_expected() {
    let job = Job { expected_from: None, ..daily() };
    let jobs = BTreeMap::from([(slug(), job.clone())]);
    let mut roll = Roll::default();
    let none = BTreeMap::new();
    call(&mut roll, Roster { jobs: &jobs, blind: &none }, &[], moment("21 00:00:00"));
    let state = roll.states.get_mut(&slug()).unwrap();
    state.pause(moment("22 00:00:00"));
    let past = Past::of(&job, roll.states.get(&slug()), &[], &[], moment("24 00:00:00"));
    assert_eq!(past.expected_from, Some(moment("21 00:00:00")));
    assert_eq!(past.pauses, [Pause { from: moment("22 00:00:00"), to: None }]);
}
