//! Calendar events against `systemd-analyze calendar` and PyPI `oncalendar`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod schedule_support;

use std::{collections::BTreeMap, process::Command};

use jiff::{SignedDuration, Timestamp, civil, fmt::strtime, tz::TimeZone};
use schedule_support::{
    brute::{self, Rule},
    on_calendar, peer,
    random::{self, Random, ZONES},
    zone,
};
use serde::Serialize;
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec};

const COUNT: usize = 6;

#[derive(Clone, Debug, Serialize)]
struct Case {
    on_calendar: String,
    zone: &'static str,
    from: i64,
    count: usize,
}

/// What somebody makes of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Dues(Vec<i64>),
    Refused,
    GaveUp,
}

/// The known defects of the oracles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Defect {
    /// systemd 252 finds an "infinite loop" in some gaps and gives up.
    GaveUp,
    /// Both forget, when the start is in the second of two equal hours, which one it was: systemd then stays in it
    /// although it skips that hour when it comes from the first one; oncalendar returns to the first one.
    StartsInRepeatedTime,
    /// systemd lets mktime(3) choose between two equal wall times, and that depends on what was asked before.
    ChoosesTheSecond,
    /// A gap that ends off the full hour: systemd passes over the rest of that hour.
    GapOffTheHour,
    /// An open step (`3/27`) that leaves its field at the end of a day or a month, or on the day of a clock change:
    /// systemd 252 normalises the overflow and passes over what follows. After 23:56 `*:10/46` comes to minute 102, so
    /// to 00:42, and 00:10 is behind it.
    OpenStepOverflow,
}

fn systemd(texts: &[String], zone: &str, from: i64) -> Vec<Answer> {
    let output = Command::new("systemd-analyze")
        .args(["calendar", &format!("--iterations={COUNT}"), &format!("--base-time=@{from}"), "--"])
        .args(texts)
        .env("TZ", zone)
        .env("TZDIR", peer::zone_directory())
        .env("LC_ALL", "C")
        .output()
        .expect("systemd-analyze is installed");
    let (output, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let gave_up = |text: &String| errors.contains(&format!("Failed to determine next elapse for '{text}'"));
    let mut answers = output.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).peekable();
    let answer_to = |text: &String| match answers.next_if(|block| written(block) == text.trim()) {
        _ if gave_up(text) => Answer::GaveUp,
        Some(block) => Answer::Dues(elapses(block)),
        None => Answer::Refused,
    };
    texts.iter().map(answer_to).collect()
}

/// The expression that a block of output is about: named as it was written only when it is not normal.
fn written(block: &str) -> &str {
    let line = block.lines().next().unwrap_or_default();
    line.split_once("form: ").map_or("", |(_, text)| text)
}

/// The times in UTC, which are left out where local time is UTC.
fn elapses(block: &str) -> Vec<i64> {
    let utc = |line: &str| {
        let (_, time) = line.trim().split_once(": ")?;
        let time = time.strip_suffix(" UTC").or_else(|| time.strip_suffix(" +00"))?;
        let parsed = strtime::parse("%a %Y-%m-%d %H:%M:%S", time).ok()?;
        Some(TimeZone::UTC.to_timestamp(parsed.to_datetime().ok()?).ok()?.as_second())
    };
    let mut dues: Vec<_> = block.lines().filter_map(utc).collect();
    dues.dedup();
    dues
}

fn ours(case: &Case) -> Answer {
    if !resolves(&case.on_calendar) {
        return Answer::Refused;
    }
    let from = second(case.from);
    let schedule = on_calendar(&case.on_calendar, case.zone);
    let dues = schedule.occurrences(from, from, Direction::Forward).take(COUNT);
    Answer::Dues(dues.map(Timestamp::as_second).collect())
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn resolves(text: &str) -> bool {
    let spec = ScheduleSpec { on_calendar: vec![text.to_owned()], ..ScheduleSpec::default() };
    Schedule::resolve(&spec, &TimeZone::UTC).is_ok()
}

/// Compares answers and counts the known defects; anything else fails.
#[derive(Debug, Default)]
struct Comparison {
    equal: usize,
    defects: BTreeMap<Defect, usize>,
    unexplained: Vec<String>,
}

impl Comparison {
    fn add(&mut self, case: &Case, theirs: &Answer) {
        let ours = ours(case);
        if ours == *theirs {
            self.equal += 1;
        } else if let Some(defect) = explain(case, &ours, theirs) {
            *self.defects.entry(defect).or_default() += 1;
        } else {
            self.unexplained.push(format!("{case:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }

    fn conclude(&self, oracle: &str, least: usize) {
        println!("{oracle}: {} equal, defects of it {:?}", self.equal, self.defects);
        let shown = self.unexplained[..self.unexplained.len().min(9)].join("\n");
        assert!(shown.is_empty(), "{} unexplained, such as\n{shown}", self.unexplained.len());
        assert!(self.equal >= least, "only {} equal answers", self.equal);
    }
}

/// Every difference is a defect of the oracle, by the witness of the brute force.
fn explain(case: &Case, ours: &Answer, theirs: &Answer) -> Option<Defect> {
    if *theirs == Answer::GaveUp {
        return Some(Defect::GaveUp);
    }
    let (Answer::Dues(ours), Answer::Dues(theirs)) = (ours, theirs) else { return None };
    let place = (0..COUNT).find(|n| ours.get(*n) != theirs.get(*n))?;
    let zone = zone(case.zone);
    let since = second(place.checked_sub(1).map_or(case.from, |agreed| ours[agreed]));
    let until = second(*ours.get(place)?);
    assert_eq!(
        first_due(case, &zone, since, until),
        Some(until),
        "{case:?}: brute force does not side with us"
    );
    let until = second(*theirs.get(place)?).max(until);
    let changes = brute::changes(&zone, (since, until));
    let day = SignedDuration::from_hours(24);
    let near = brute::changes(&zone, (since - day, until + day));
    let date = |instant| zone.to_datetime(instant).date();
    if brute::is_repeated(&zone, second(case.from)) {
        Some(Defect::StartsInRepeatedTime)
    } else if brute::is_repeated(&zone, second(theirs[place])) {
        Some(Defect::ChoosesTheSecond)
    } else if changes.iter().any(|(last, first)| last < first && first.minute() != 0) {
        Some(Defect::GapOffTheHour)
    } else if has_open_step(&case.on_calendar) && (date(since) < date(until) || !near.is_empty()) {
        Some(Defect::OpenStepOverflow)
    } else {
        None
    }
}

fn has_open_step(text: &str) -> bool {
    text.split([' ', '-', '~', ':', ',']).any(|part| part.contains('/') && !part.contains(".."))
}

/// The first due up to `until`, by looking at every second of every minute that has one.
fn first_due(case: &Case, zone: &TimeZone, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let matches = |wall: civil::DateTime| brute::on_calendar_matches(&case.on_calendar, wall);
    let second = SignedDuration::from_secs(1);
    let mut instant = after + second;
    while instant <= until {
        let wall = zone.to_datetime(instant);
        if wall.second() == 0 && !(0..60).any(|n| matches(wall.with().second(n).build().unwrap())) {
            instant += SignedDuration::from_secs(60);
            continue;
        }
        if brute::is_due(&matches, Rule::FirstOnly, zone, instant) {
            return Some(instant);
        }
        instant += second;
    }
    None
}

#[test]
#[ignore = "needs systemd-analyze and PyPI tzdata; run by ./test"]
fn systemd_analyze_elapses_when_we_are_due() {
    let mut random = Random::new(252);
    let mut comparison = Comparison::default();
    for round in 0..180 {
        let name = ZONES[round % ZONES.len()];
        let from = random::instant(&mut random, &zone(name)).as_second();
        let texts: Vec<_> = (0..60).map(|_| random::on_calendar(&mut random)).collect();
        for (text, theirs) in texts.iter().zip(systemd(&texts, name, from)) {
            comparison.add(&Case { on_calendar: text.clone(), zone: name, from, count: COUNT }, &theirs);
        }
    }
    comparison.conclude("systemd-analyze", 10_000);
}

#[test]
#[ignore = "needs PyPI oncalendar and tzdata; run by ./test"]
fn oncalendar_is_due_when_we_are() {
    let mut random = Random::new(11);
    let mut cases = Vec::new();
    while cases.len() < 6000 {
        let name = random.pick(&ZONES);
        let from = random::instant(&mut random, &zone(name)).as_second();
        let case = Case { on_calendar: random::on_calendar(&mut random), zone: name, from, count: COUNT };
        let spec = ScheduleSpec { on_calendar: vec![case.on_calendar.clone()], ..ScheduleSpec::default() };
        cases.extend(Schedule::resolve(&spec, &zone(name)).is_ok().then_some(case));
    }
    let answers: Vec<Vec<i64>> = peer::ask("oncalendar_dues.py", &cases);
    let mut comparison = Comparison::default();
    for (case, theirs) in cases.iter().zip(answers) {
        comparison.add(case, &Answer::Dues(theirs));
    }
    comparison.conclude("oncalendar", 5_800);
}

/// On purpose: we refuse fractions of a second and what can never be due, and are not particular about spaces around.
fn is_meant_to_differ(text: &str, systemd_accepts: bool) -> bool {
    let spec = ScheduleSpec { on_calendar: vec![text.to_owned()], ..ScheduleSpec::default() };
    match Schedule::resolve(&spec, &TimeZone::UTC) {
        Ok(_) => text.trim() != text || is_list_far_from_the_end(text),
        Err(error) => {
            systemd_accepts
                && ["can never be due", "is not a second", "is not a step of the second"]
                    .iter()
                    .any(|ours| error.problem().contains(ours))
        }
    }
}

/// A defect of systemd 252: it counts up to 28 days from the end of a month, but takes three more off that for each further
/// part of a list, the parts being sorted. So it refuses `*~12,17..27`, and keeps `*~20..22,3`.
fn is_list_far_from_the_end(text: &str) -> bool {
    let Some((_, days)) = text.split_once('~') else { return false };
    let days = days.split(' ').next().unwrap_or_default();
    let bounds = |part: &str| -> Vec<u32> {
        let values = part.split('/').next().unwrap_or_default();
        values.split("..").filter_map(|value| value.parse().ok()).collect()
    };
    let mut parts: Vec<_> = days.split(',').map(bounds).collect();
    parts.sort();
    parts.iter().zip(0..).any(|(part, place)| part.iter().any(|day| *day + 3 * place > 28))
}

#[test]
#[ignore = "needs systemd-analyze; run by ./test"]
fn systemd_analyze_refuses_what_we_refuse() {
    let mut random = Random::new(7);
    let texts: Vec<_> = (0..12_000).map(|_| damaged(&mut random)).collect();
    let mut unexplained: BTreeMap<String, bool> = BTreeMap::new();
    let (mut refused, mut meant) = (0, 0);
    for batch in texts.chunks(500) {
        for (text, theirs) in batch.iter().zip(systemd(batch, "UTC", 1_800_000_000)) {
            let accepted = theirs != Answer::Refused;
            refused += usize::from(!accepted);
            if resolves(text) == accepted {
                continue;
            }
            if is_meant_to_differ(text, accepted) {
                meant += 1;
            } else {
                unexplained.insert(text.clone(), accepted);
            }
        }
    }
    println!("systemd-analyze: {} texts, {refused} refused, {meant} meant to differ", texts.len());
    assert!(unexplained.is_empty(), "accepted by systemd, but not by us, or the other way: {unexplained:#?}");
}

/// An expression with one or two characters changed.
fn damaged(random: &mut Random) -> String {
    let mut text: Vec<char> = random::on_calendar(random).chars().collect();
    for _ in 0..random.number(1, 2) {
        let place = usize::try_from(random.bits()).unwrap() % text.len();
        let other = random.pick(&['0', '1', '9', '*', '/', '.', ',', '-', '~', ':', ' ', 'M', 'x']);
        match random.number(0, 2) {
            0 => text[place] = other,
            1 => text.insert(place, other),
            _ => drop(text.remove(place)),
        }
        if text.is_empty() {
            text.push('5');
        }
    }
    text.into_iter().collect()
}
