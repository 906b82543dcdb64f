//! When EventBridge Scheduler calls the roll: what was said, or what the deadlines of the jobs ask for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::Job;
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec};

use crate::command::config::schedule_error;
use crate::config::Config;
use crate::error::CommandError;
use crate::words;

/// How many schedules the template has.
pub(super) const MOST: usize = 3;
/// How far ahead dues are looked at: each day of a year, and one more of each change of the clock.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 400);
/// How many dues of one expression are looked at.
const MOST_DUES: usize = 100_000;
/// A month, for what is counted by month.
pub(super) const MONTH: SignedDuration = SignedDuration::from_hours(24 * 30);
/// What is used where there are no deadlines that lie at the same time each day.
const OFTEN: &str = "rate(5 minutes)";

/// When the roll is called.
#[derive(Debug)]
pub(super) struct Timetable {
    /// As EventBridge Scheduler reads them; 1 to [`MOST`].
    pub(super) expressions: Vec<String>,
    /// The longest time between two calls, as far as a year shows.
    pub(super) longest: SignedDuration,
    /// How often it is called in 30 days.
    pub(super) calls: f64,
}

impl Timetable {
    /// Reads expressions in a zone.
    ///
    /// # Errors
    /// If EventBridge Scheduler would refuse one, or never call.
    pub(super) fn parse(expressions: &[String], zone: &str, now: Timestamp) -> Result<Self, CommandError> {
        if expressions.len() > MOST {
            return Err(CommandError::usage(format!(
                "the template has {MOST} schedules, not {}",
                expressions.len()
            ))
            .hint("one cron expression can have several hours: cron(31 5,8,12 * * ? *)"));
        }
        let expressions: Vec<String> = expressions.iter().map(|text| tidy(text)).collect();
        let mut calls = 0.0;
        let mut longest: Option<SignedDuration> = None;
        let mut moments = BTreeSet::new();
        for expression in &expressions {
            let schedule = read(expression, zone)?;
            let dues = dues(&schedule, now);
            calls += monthly(&schedule, &dues, now);
            match schedule {
                Schedule::Every { period, .. } => longest = Some(longest.map_or(period, |l| l.min(period))),
                _ => moments.extend(dues),
            }
        }
        let gap = longest_gap(&moments, now);
        let longest = longest.into_iter().chain(gap).min().unwrap_or(HORIZON);
        Ok(Self { expressions, longest, calls })
    }
}

/// One space between words, as EventBridge wants it.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(expression: &str, zone: &str) -> Result<Schedule, CommandError> {
    if !expression.starts_with("cron(") && !expression.starts_with("rate(") {
        return Err(not_eventbridge(expression));
    }
    let spec = ScheduleSpec {
        cron: vec![expression.to_owned()],
        tz: Some(zone.to_owned()),
        ..ScheduleSpec::default()
    };
    Schedule::resolve(&spec, &TimeZone::UTC).map_err(|error| schedule_error(&error))
}

fn not_eventbridge(expression: &str) -> CommandError {
    let error = CommandError::usage(format!(
        "{expression:?} is no expression of EventBridge Scheduler: it begins with neither cron( nor rate("
    ));
    let fields: Vec<&str> = expression.split(' ').collect();
    match fields[..] {
        [minute, hour, day, month, "*"] => error.hint(format!("write cron({minute} {hour} {day} {month} ? *)")),
        [minute, hour, "*", month, _] => error.hint(format!(
            "write cron({minute} {hour} ? {month} WEEKDAYS *) with names of weekdays, MON-FRI: EventBridge counts them from 1, Sunday"
        )),
        _ => error.hint("write cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) or rate(N minutes)"),
    }
}

fn dues(schedule: &Schedule, now: Timestamp) -> Vec<Timestamp> {
    let until = now.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
    dues_until(schedule, now, until).take(MOST_DUES).collect()
}

/// The dues after `now`, and at `until` at the latest.
pub(super) fn dues_until(
    schedule: &Schedule,
    now: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Timestamp> {
    schedule.occurrences(now, now, Direction::Forward).take_while(move |due| *due <= until)
}

fn monthly(schedule: &Schedule, dues: &[Timestamp], now: Timestamp) -> f64 {
    if let Schedule::Every { period, .. } = schedule {
        return MONTH.as_secs_f64() / period.as_secs_f64();
    }
    let covered = match dues.last() {
        Some(last) if dues.len() == MOST_DUES => last.duration_since(now),
        _ => HORIZON,
    };
    #[expect(clippy::cast_precision_loss, reason = "at most a hundred thousand")]
    let count = dues.len() as f64;
    count * MONTH.as_secs_f64() / covered.as_secs_f64()
}

/// From now to the first call, from call to call, and from the last one to the end of what is looked at.
fn longest_gap(moments: &BTreeSet<Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    let last = *moments.last()?;
    let until = if moments.len() >= MOST_DUES { last } else { now.checked_add(HORIZON).unwrap_or(last) };
    let ends = moments.iter().copied().chain([until]);
    let starts = std::iter::once(now).chain(moments.iter().copied());
    starts.zip(ends).map(|(start, end)| end.duration_since(start)).max()
}

/// Expressions, and why these.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) expressions: Vec<String>,
    pub(super) why: String,
}

/// The expressions that call the roll a minute after each deadline of the configured jobs; every five minutes if that
/// would take more of them than the template has, or if deadlines depend on runs.
pub(super) fn of_deadlines(config: &Config, zone: &TimeZone, now: Timestamp) -> Derived {
    let often = |why: &str| Derived { expressions: vec![OFTEN.to_owned()], why: why.to_owned() };
    if config.jobs.is_empty() {
        return often("no jobs are configured, and those that declare themselves may be due at any time");
    }
    let mut times = BTreeSet::new();
    for configured in config.jobs.values() {
        let job = &configured.job;
        if let Some(why) = depends_on_runs(job) {
            return often(&format!("{why} of {} can end at any time", job.slug));
        }
        times.extend(deadlines(job, zone, now));
        if minutes(&times).len() > MOST {
            return often("the deadlines of the configured jobs lie at many different times");
        }
    }
    let expressions: Vec<String> =
        minutes(&times).iter().map(|(minute, hours)| daily(*minute, hours)).collect();
    if expressions.is_empty() {
        return often("the configured jobs have no schedule");
    }
    Derived { expressions, why: "a minute after the deadlines of the configured jobs".to_owned() }
}

/// Where the function moves its own wake-up to the next deadline, a schedule only has to find jobs that have declared
/// themselves meanwhile, and to go on after a wake-up that got lost.
pub(super) fn beside_wake_ups() -> Derived {
    Derived {
        expressions: vec!["rate(1 hour)".to_owned()],
        why: "beside the wake-ups at deadlines".to_owned(),
    }
}

/// How many whole minutes of the next 30 days are the deadline of a configured job: so often the function wakes itself up.
pub(super) fn wake_ups(config: &Config, now: Timestamp) -> f64 {
    let until = now.checked_add(MONTH).unwrap_or(now);
    let mut minutes = BTreeSet::new();
    for job in config.jobs.values().map(|configured| &configured.job) {
        for due in dues_until(&job.schedule, now, until) {
            minutes.insert(due.checked_add(job.limits.grace).unwrap_or(due).as_second().div_euclid(60));
        }
    }
    u32::try_from(minutes.len()).map_or(f64::MAX, f64::from)
}

fn depends_on_runs(job: &Job) -> Option<&'static str> {
    match job.schedule {
        Schedule::Every { .. } => Some("the period"),
        _ if job.limits.max_runtime.is_some() => Some("max_runtime"),
        _ => None,
    }
}

/// The times of day, as hour and minute in the zone, a minute after the deadlines of a job.
fn deadlines(job: &Job, zone: &TimeZone, now: Timestamp) -> BTreeSet<(i8, i8)> {
    // In its own zone a month shows all times of day; in another one, clocks change at other times.
    let own = job.schedule.time_zone().iana_name() == zone.iana_name();
    let days = if own { 40 } else { 400 };
    let until = now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
    let limits = [Some(job.limits.grace), job.limits.start_within];
    let mut times = BTreeSet::new();
    for due in dues_until(&job.schedule, now, until) {
        for limit in limits.into_iter().flatten() {
            times.insert(a_minute_after(due, limit, zone));
        }
        if minutes(&times).len() > MOST {
            break;
        }
    }
    times
}

fn a_minute_after(due: Timestamp, limit: SignedDuration, zone: &TimeZone) -> (i8, i8) {
    let minute = SignedDuration::from_mins(1);
    let whole = |at: Timestamp| at.as_second().rem_euclid(60) == 0;
    let deadline = due.checked_add(limit).unwrap_or(due);
    let rounding = if whole(deadline) { SignedDuration::ZERO } else { minute };
    let at = deadline.checked_add(minute + rounding).unwrap_or(deadline).to_zoned_datetime(zone.clone());
    (at.hour(), at.minute())
}

/// Times of day by minute.
fn minutes(times: &BTreeSet<(i8, i8)>) -> BTreeMap<i8, BTreeSet<i8>> {
    let mut minutes: BTreeMap<i8, BTreeSet<i8>> = BTreeMap::new();
    for (hour, minute) in times {
        minutes.entry(*minute).or_default().insert(*hour);
    }
    minutes
}

fn daily(minute: i8, hours: &BTreeSet<i8>) -> String {
    let list = hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let hours = if hours.len() == 24 { "*" } else { &list };
    format!("cron({minute} {hours} * * ? *)")
}

/// A length of time in whole hours, rounded up.
pub(super) fn hours(length: SignedDuration) -> i64 {
    (length.as_secs() + 3599) / 3600
}

/// A length of time in whole days, rounded up.
pub(super) fn days(length: SignedDuration) -> i64 {
    (length.as_secs() + 86_399) / 86_400
}

/// The longest time between two calls, for people.
pub(super) fn in_words(length: SignedDuration) -> String {
    if length >= HORIZON { "over a year".to_owned() } else { words::length(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(expressions: &[&str]) -> Timetable {
        let expressions: Vec<String> = expressions.iter().map(ToString::to_string).collect();
        Timetable::parse(&expressions, "Asia/Tokyo", "2026-11-24T00:00:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn the_longest_gap_of_working_days_is_a_weekend() {
        let timetable = parse(&["cron(31 5 ? * MON-FRI *)"]);
        assert_eq!(timetable.longest, SignedDuration::from_hours(72));
        assert!((21.0..22.0).contains(&timetable.calls), "{timetable:?}");
    }

    #[test]
    fn two_schedules_fill_each_others_gaps() {
        let timetable = parse(&["cron(0 6 * * ? *)", "cron(0  9 * * ? *)"]);
        assert_eq!(timetable.longest, SignedDuration::from_hours(21));
        assert_eq!(timetable.expressions[1], "cron(0 9 * * ? *)");
        assert_eq!(parse(&["cron(0 6 1 * ? *)", "rate(5 minutes)"]).longest, SignedDuration::from_mins(5));
    }

    #[test]
    fn a_schedule_that_ends_leaves_a_gap_for_ever() {
        let timetable = parse(&["cron(0 6 25 11 ? 2026)"]);
        assert!(timetable.longest > SignedDuration::from_hours(24 * 390), "{timetable:?}");
    }

    #[test]
    fn the_function_wakes_itself_up_once_for_deadlines_at_the_same_time() {
        let text =
            "[jobs.a]\ncron = \"0 5 * * *\"\n[jobs.b]\ncron = \"0 5 * * *\"\n[jobs.c]\nevery = \"1d\"\n";
        let outside = crate::config::Outside {
            env: &|_| None,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            exposed: false,
        };
        let config = Config::parse(text, std::path::Path::new("tenko.toml"), &outside).unwrap();
        let now = "2026-11-24T00:30:00Z".parse().unwrap();
        assert!((59.0..=60.0).contains(&wake_ups(&config, now)), "{}", wake_ups(&config, now));
    }

    #[test]
    fn each_minute_is_counted_by_the_month() {
        assert!((43_199.0..43_201.0).contains(&parse(&["cron(* * * * ? *)"]).calls));
        assert!((8_639.0..8_641.0).contains(&parse(&["rate(5 minutes)"]).calls));
    }
}
