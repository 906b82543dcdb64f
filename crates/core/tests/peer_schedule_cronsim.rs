//! crontab expressions against PyPI `cronsim`, an independent reading of Debian's cron.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod schedule_support;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use schedule_support::{
    brute::{self, Rule},
    cron, peer,
    random::{self, Random, ZONES},
    zone,
};
use serde::Serialize;
use tenko_core::schedule::Direction;

const CASES: usize = 24_000;
const COUNT: usize = 12;
/// The end of 2199, up to which we look; the oracle looks 50 years ahead.
const LAST: i64 = 7_258_032_000;

#[derive(Clone, Debug, Serialize)]
struct Case {
    cron: String,
    zone: &'static str,
    from: i64,
    count: usize,
}

/// The known defects of the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Defect {
    /// It returns a time that is not after its start, or twice the same: it forgets which of two equal wall times is meant.
    NotAfterStart,
    /// It searches hours in steps of 3600 seconds from a full hour, and so passes over the part of an hour that a change
    /// at 02:45 (Chatham) or by 30 minutes (Lord Howe) makes.
    HourStep,
    /// The same search never comes out of the hour that a change at 03:45 back to 02:45 (Chatham) repeats in part.
    NeverEnds,
    /// It searches from a midnight that the zone skips as if clocks had shown it (wildcard jobs only).
    NonexistentTime,
}

#[test]
#[ignore = "needs PyPI cronsim and tzdata; run by ./test"]
fn cronsim_agrees_but_for_its_known_defects() {
    let mut random = Random::new(20_191_207);
    let cases: Vec<Case> = (0..CASES).map(|_| case(&mut random)).collect();
    let answers: Vec<serde_json::Value> = peer::ask("cronsim_dues.py", &cases);
    let mut found: BTreeMap<Defect, usize> = BTreeMap::new();
    let (mut equal, mut impossible, mut unexplained) = (0, 0, Vec::new());
    for (case, answer) in cases.iter().zip(&answers) {
        let Some(theirs) = answer.as_array() else {
            if answer == "endless" {
                assert!(explain_endless(case, &ours(case)), "{case:?}: cronsim never answers");
                *found.entry(Defect::NeverEnds).or_default() += 1;
                continue;
            }
            impossible += 1;
            continue;
        };
        let theirs: Vec<i64> =
            theirs.iter().map(|due| due.as_i64().unwrap()).filter(|due| *due < LAST).collect();
        let ours = ours(case);
        if ours == theirs {
            equal += 1;
        } else if let Some(defect) = explain(case, &ours, &theirs) {
            *found.entry(defect).or_default() += 1;
        } else {
            unexplained.push(format!("{case:?}\nours   {ours:?}\ntheirs {theirs:?}"));
        }
    }
    println!(
        "cronsim: {equal} of {} equal, {impossible} refused by it, defects of it {found:?}",
        cases.len()
    );
    assert!(
        unexplained.is_empty(),
        "{} unexplained, such as {}",
        unexplained.len(),
        unexplained[..unexplained.len().min(3)].join("\n")
    );
    assert!(equal + found.values().sum::<usize>() >= 20_000, "too few answers: {equal} equal");
}

/// Expressions that can never be due are left to other tests.
fn case(random: &mut Random) -> Case {
    loop {
        let zone_name = random.pick(&ZONES);
        let expression = random::cron(random);
        let spec =
            tenko_core::schedule::ScheduleSpec { cron: vec![expression.clone()], ..Default::default() };
        if tenko_core::schedule::Schedule::resolve(&spec, &TimeZone::UTC).is_ok() {
            let from = random::instant(random, &zone(zone_name)).as_second();
            return Case { cron: expression, zone: zone_name, from, count: COUNT };
        }
    }
}

fn ours(case: &Case) -> Vec<i64> {
    let from = second(case.from);
    let schedule = cron(&case.cron, case.zone);
    schedule
        .occurrences(from, from, Direction::Forward)
        .take(COUNT)
        .map(Timestamp::as_second)
        .filter(|due| *due < LAST)
        .collect()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Every difference is a defect of the oracle, by the witness of the brute force; anything else fails the test.
fn explain(case: &Case, ours: &[i64], theirs: &[i64]) -> Option<Defect> {
    let place = (0..COUNT).find(|&n| ours.get(n) != theirs.get(n))?;
    let witness = witness(case, place, ours);
    assert_eq!(
        witness.as_deref(),
        ours.get(..=place),
        "{case:?}: brute force does not side with us against {theirs:?}"
    );
    let ascending = std::iter::once(&case.from).chain(theirs).is_sorted_by(|earlier, later| earlier < later);
    let wildcard = brute::Cron::new(&case.cron, false).is_wildcard();
    let changes = changes(case, ours, theirs, place);
    if !ascending {
        Some(Defect::NotAfterStart)
    } else if wildcard && changes.iter().any(is_off_the_hour) {
        Some(Defect::HourStep)
    } else if wildcard && changes.iter().any(skips_midnight) {
        Some(Defect::NonexistentTime)
    } else {
        None
    }
}

/// Whether brute force sides with us, and the clock changes off the hour.
fn explain_endless(case: &Case, ours: &[i64]) -> bool {
    assert_eq!(
        witness(case, COUNT - 1, ours).as_deref(),
        Some(ours),
        "{case:?}: brute force does not side with us"
    );
    changes(case, ours, &[], COUNT - 1).iter().any(is_off_the_hour)
}

/// The dues up to the first difference, by looking at every minute.
fn witness(case: &Case, place: usize, ours: &[i64]) -> Option<Vec<i64>> {
    let expression = brute::Cron::new(&case.cron, false);
    let rule = if expression.is_wildcard() { Rule::WallClock } else { Rule::CatchUp };
    let matches = |wall: civil::DateTime| expression.matches(wall);
    let range = (second(case.from), second(*ours.get(place)?));
    Some(brute::dues(&matches, rule, &zone(case.zone), range).into_iter().map(Timestamp::as_second).collect())
}

/// The clock before and after each change from the hour of the start to the difference.
fn changes(
    case: &Case,
    ours: &[i64],
    theirs: &[i64],
    place: usize,
) -> Vec<(civil::DateTime, civil::DateTime)> {
    let zone = zone(case.zone);
    let until = ours.get(place).max(theirs.get(place)).copied().unwrap_or(case.from);
    let changes =
        zone.following(second(case.from - 3600)).take_while(|change| change.timestamp() <= second(until));
    let walls = changes.map(|change| {
        let before = zone.to_offset(change.timestamp() - SignedDuration::from_secs(1));
        (before.to_datetime(change.timestamp()), change.offset().to_datetime(change.timestamp()))
    });
    walls.collect()
}

fn is_off_the_hour((last, first): &(civil::DateTime, civil::DateTime)) -> bool {
    last.minute() != 0 || first.minute() != 0
}

fn skips_midnight((last, first): &(civil::DateTime, civil::DateTime)) -> bool {
    last < first && last.time() == civil::Time::midnight()
}
