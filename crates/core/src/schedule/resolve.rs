//! From what was said to what it means.

use std::sync::Arc;

use jiff::{SignedDuration, tz::TimeZone};

use super::{
    Calendar, Field, Schedule, ScheduleError, ScheduleSpec, Scheduler,
    civil::CivilPattern,
    crontab,
    dst::{Policy, Rule},
    duration,
    error::{Flaw, quoted},
    eventbridge, oncalendar,
    zone::{self, ZoneTable},
};

const MOST_EXPRESSIONS: usize = 32;
const LONGEST_EXPRESSION: usize = 200;

pub(super) fn resolve(spec: &ScheduleSpec, default_tz: &TimeZone) -> Result<Schedule, ScheduleError> {
    let tz = match &spec.tz {
        Some(name) => zone::find(name).map_err(|flaw| ScheduleError::new(Field::Tz, name, flaw))?,
        None => default_tz.clone(),
    };
    only_one(spec)?;
    if let Some(text) = &spec.every {
        let period = period(text).map_err(|flaw| ScheduleError::new(Field::Every, text, flaw))?;
        return Ok(Schedule::Every { period, tz });
    }
    if !spec.cron.is_empty() {
        return cron(spec, tz);
    }
    if !spec.on_calendar.is_empty() {
        return on_calendar(spec, &tz);
    }
    Ok(Schedule::Unscheduled { tz })
}

fn only_one(spec: &ScheduleSpec) -> Result<(), ScheduleError> {
    let given = [
        ("every", spec.every.is_some()),
        ("cron", !spec.cron.is_empty()),
        ("on_calendar", !spec.on_calendar.is_empty()),
    ];
    let mut given = given.iter().filter(|(_, given)| *given).map(|(name, _)| name);
    let (first, second) = (given.next(), given.next());
    if let (Some(first), Some(second)) = (first, second) {
        let flaw = Flaw::new(0..0, format!("`{first}` and `{second}` are both given"));
        return Err(ScheduleError::new(
            Field::Whole,
            "",
            flaw.hint("a job has one kind of schedule; keep one of them"),
        ));
    }
    if spec.cron.len().max(spec.on_calendar.len()) > MOST_EXPRESSIONS {
        let flaw = Flaw::new(0..0, format!("there are more than {MOST_EXPRESSIONS} expressions"));
        return Err(ScheduleError::new(Field::Whole, "", flaw));
    }
    Ok(())
}

fn period(text: &str) -> Result<SignedDuration, Flaw> {
    let period = duration::parse(text)?;
    if period < SignedDuration::from_secs(1) {
        return Err(Flaw::new(0..text.len(), format!("{} is shorter than a second", quoted(text))));
    }
    Ok(period)
}

fn cron(spec: &ScheduleSpec, tz: TimeZone) -> Result<Schedule, ScheduleError> {
    let table = ZoneTable::of(&tz);
    let mut rules = Vec::with_capacity(spec.cron.len());
    for (index, text) in spec.cron.iter().enumerate() {
        let fail = |flaw| ScheduleError::new(Field::Cron(index), text, flaw);
        match one_cron(text, spec.scheduler).map_err(fail)? {
            Cron::Pattern(pattern, policy) => {
                let rule = Rule { pattern, policy, zone: Arc::clone(&table) };
                rules.push(possible(rule, text).map_err(fail)?);
            }
            Cron::Rate(period) if spec.cron.len() == 1 => return Ok(Schedule::Every { period, tz }),
            Cron::Rate(_) => {
                let flaw = Flaw::new(0..text.len(), "a rate cannot be one of several expressions");
                return Err(fail(flaw.hint("use it alone, or write all of them as cron expressions")));
            }
        }
    }
    Ok(calendar(rules, &spec.cron, tz, spec.scheduler))
}

enum Cron {
    Pattern(CivilPattern, Policy),
    Rate(SignedDuration),
}

fn one_cron(text: &str, scheduler: Option<Scheduler>) -> Result<Cron, Flaw> {
    bounded(text)?;
    if !eventbridge::is_meant(text) {
        let (pattern, policy) = crontab::parse(text, scheduler.unwrap_or(Scheduler::Cron))?;
        return Ok(Cron::Pattern(pattern, policy));
    }
    Ok(match eventbridge::parse(text)? {
        eventbridge::Expression::Rate(period) => Cron::Rate(period),
        eventbridge::Expression::Cron(pattern, wildcard) => {
            Cron::Pattern(*pattern, Policy::of(scheduler.unwrap_or(Scheduler::Eventbridge), wildcard))
        }
    })
}

fn on_calendar(spec: &ScheduleSpec, tz: &TimeZone) -> Result<Schedule, ScheduleError> {
    let scheduler = spec.scheduler.unwrap_or(Scheduler::Systemd);
    let mut rules = Vec::with_capacity(spec.on_calendar.len());
    let mut zones = Vec::with_capacity(spec.on_calendar.len());
    for (index, text) in spec.on_calendar.iter().enumerate() {
        let fail = |flaw| ScheduleError::new(Field::OnCalendar(index), text, flaw);
        let read = bounded(text).and_then(|()| oncalendar::parse(text)).map_err(fail)?;
        let zone = read.zone.unwrap_or_else(|| tz.clone());
        let policy = Policy::of(scheduler, read.wildcard);
        let rule = Rule { pattern: read.pattern, policy, zone: ZoneTable::of(&zone) };
        rules.push(possible(rule, text).map_err(fail)?);
        zones.push(zone);
    }
    let shown_in = zones.into_iter().next().unwrap_or_else(|| tz.clone());
    Ok(calendar(rules, &spec.on_calendar, shown_in, spec.scheduler))
}

fn calendar(rules: Vec<Rule>, texts: &[String], tz: TimeZone, scheduler: Option<Scheduler>) -> Schedule {
    let texts = texts.iter().map(|text| text.trim().to_owned()).collect();
    Schedule::Calendar(Arc::new(Calendar { rules: rules.into(), texts, tz, scheduler }))
}

fn bounded(text: &str) -> Result<(), Flaw> {
    if text.len() > LONGEST_EXPRESSION {
        let flaw =
            Flaw::new(LONGEST_EXPRESSION..text.len(), format!("the expression has {} bytes", text.len()));
        return Err(
            flaw.hint(format!("at most {LONGEST_EXPRESSION} are allowed; several expressions can be a list"))
        );
    }
    Ok(())
}

/// Refuses a rule that is never due. The search walks months, not minutes, so that it ends within microseconds.
fn possible(rule: Rule, text: &str) -> Result<Rule, Flaw> {
    if rule.next(i64::MIN / 4).is_some() {
        return Ok(rule);
    }
    let flaw = Flaw::new(0..text.len(), format!("{} can never be due", quoted(text)));
    Err(match rule.pattern.shortfall() {
        _ if rule.pattern.next(0).is_some() => flaw.hint("clocks skip that time in this zone"),
        Some(longest) => flaw.hint(format!("the longest of its months has {longest} days")),
        None => flaw.hint("no date from 1970 to 2199 has all of it"),
    })
}
