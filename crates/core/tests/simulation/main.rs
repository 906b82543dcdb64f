//! Years of jobs, hosts, stores, checkers and channels that fail in every way, compared with a plain model.
//!
//! One number makes a world; the same number makes the same world again. A world that goes wrong prints what was
//! expected, what was found, and the last events of the job. It is seen again with
//! `TENKO_SEED=… cargo test -p tenko-core --test simulation`.

mod audit;
mod bug;
mod channel;
mod checker;
mod job;
mod model;
mod plan;
mod rng;
mod store;
mod world;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

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
                println!("{:<26} {:>23} {seed:>6}  {}", format!("{bug:?}"), sum.years(), cut(&what))
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "not caught within {WITHIN} job-years: {missed:?}");
}

fn cut(text: &str) -> String {
    text.chars().take(90).collect()
}
