//! Years of jobs, hosts, stores, checkers and channels that fail in every way, compared with a plain model.
//!
//! One number makes a world; the same number makes the same world again. A world that goes wrong prints what was
//! expected, what was found, and the last events of the job. It is seen again with
//! `TENKO_SEED=… cargo test -p tenko-core --test simulation`; `TENKO_YEARS=…` lets more or fewer job-years go by.
//!
//! What goes wrong here: runs that fail, hang, come late or early, take too long or end at once; hosts that vanish and
//! hosts whose clocks are off; evidence that comes late, out of order, twice, or contradicts itself; up to three
//! checkers that race, freeze, die between any two steps, stay away for weeks and have their clocks set; commits of
//! which the answer is lost; a store that is away, evidence that is forbidden; channels that refuse, ask to wait,
//! accept without saying so, or are gone for ever.

mod audit;
mod bug;
mod channel;
mod checker;
mod compare;
mod job;
mod model;
mod plan;
mod rng;
mod store;
mod world;

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::call::{Roster, call};
use tenko_core::outbox::Delivery;
use tenko_core::schedule::Schedule;
use tenko_core::{ChannelName, Job, Roll, Slug};
use uuid::Uuid;

use crate::bug::Bug;
use crate::model::Ms;
use crate::world::{Tally, World};

fn stamp(at: Ms) -> Timestamp {
    Timestamp::from_millisecond(at).expect("the worlds live in this century")
}

fn millis(length: SignedDuration) -> Ms {
    Ms::try_from(length.as_millis()).expect("lengths here are short")
}

/// Lives a world again, to tell how it went wrong.
fn report(seed: u64) -> String {
    let mut world = World::new(seed, None, true);
    let Err(failure) = world.run() else { return format!("seed {seed} went wrong only once") };
    let index = failure.job.unwrap_or(0);
    let job = &world.jobs[index];
    format!(
        "{}\n{:?}\n{:?}\nfrom {} {:?}\n{}\nTENKO_SEED={seed} cargo test -p tenko-core --test simulation\n",
        failure.what,
        job.job.limits,
        job.job.schedule.in_words(),
        stamp(job.rules.expected_from),
        world.store.roll.gaps,
        world.audit.timeline(failure.job),
    )
}

#[test]
fn years_go_by_and_nothing_is_lost_doubled_or_wrong() {
    let began = Instant::now();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let years = number("TENKO_YEARS").unwrap_or(10_000);
    let seeds = number("TENKO_SEED").map_or(0..u64::MAX, |seed| seed..seed + 1);
    let mut sum = Tally::default();
    for seed in seeds {
        let mut world = World::new(seed, None, false);
        if world.run().is_err() {
            panic!("after {} job-years: {}", sum.years(), report(seed));
        }
        sum.add(&world.tally);
        if sum.years() >= years.cast_signed() {
            break;
        }
    }
    println!("{} job-years in {:.1?}: {sum:#?}", sum.years(), began.elapsed());
}

#[test]
fn every_planted_bug_is_caught() {
    const WITHIN: i64 = 1_000;
    let mut missed = Vec::new();
    println!("{:<26} caught after job-years   seed", "bug");
    for bug in Bug::ALL {
        let mut sum = Tally::default();
        let mut found = None;
        for seed in 0.. {
            let mut world = World::new(seed, Some(*bug), false);
            if let Err(failure) = world.run() {
                found = Some((seed, failure.what));
                break;
            }
            sum.add(&world.tally);
            if sum.years() >= WITHIN {
                break;
            }
        }
        match found {
            Some((seed, what)) => {
                println!("{:<26} {:>23} {seed:>6}  {}", format!("{bug:?}"), sum.years(), cut(&what));
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "not caught within {WITHIN} job-years: {missed:?}");
}

/// A storm: 5,000 jobs are found missing in one roll call. One channel gets a handful of digests, not 5,000 messages,
/// and whatever happens to a digest, none of its notices is lost.
#[test]
fn when_five_thousand_jobs_are_missing_at_once_a_channel_gets_a_few_digests() {
    const JOBS: usize = 5_000;
    let ops = [ChannelName::new("ops").unwrap()];
    let job = |index: usize| {
        let schedule = Schedule::Every { period: SignedDuration::from_hours(1), tz: TimeZone::UTC };
        let mut job = Job::new(Slug::new(&format!("job-{index}")).unwrap(), schedule);
        (job.expected_from, job.channels) = (Some(Timestamp::UNIX_EPOCH), ops.to_vec());
        (job.slug.clone(), job)
    };
    let (jobs, blind): (BTreeMap<_, _>, _) = ((0..JOBS).map(job).collect(), BTreeMap::new());
    let mut roll = Roll::default();
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(9);
    let called = call(&mut roll, Roster { jobs: &jobs, blind: &blind }, &[], now);
    assert_eq!(called.notices.len(), JOBS);
    roll.outbox.add(called.notices);
    let (mut messages, mut told) = (0, HashSet::new());
    loop {
        let batches = roll.outbox.claim(Uuid::nil(), now);
        if batches.is_empty() {
            break;
        }
        messages += batches.len();
        for notice in batches.iter().flat_map(|batch| &batch.notices) {
            assert!(roll.outbox.record(notice.id, Uuid::nil(), &Delivery::Accepted, now));
            assert!(told.insert(notice.id), "it is told once");
        }
    }
    assert_eq!((messages, told.len(), roll.outbox.items.len()), (5, JOBS, 0));
}

fn cut(text: &str) -> String {
    text.chars().take(90).collect()
}
