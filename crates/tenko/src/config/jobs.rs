//! The jobs of a configuration, and what holds for all of them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::job::SpecError;
use tenko_core::schedule::{Direction, Schedule, ScheduleSpec, Scheduler};
use tenko_core::{ChannelName, Job, JobSpec, Slug};
use toml::de::DeTable;
use uuid::Uuid;

use super::problem::{Problem, Severity};
use super::read::{self, Reading, Said};
use super::{ConfiguredJob, nearest, object, shape, sources};

/// What the rest of the file says to a job.
pub(super) struct Surroundings<'a> {
    pub(super) time_zone: &'a TimeZone,
    pub(super) notify: &'a [ChannelName],
    pub(super) defaults: &'a JobSpec,
    /// Fields of the defaults that are wrong and have been reported.
    pub(super) wrong_defaults: &'a BTreeSet<&'static str>,
    /// All channels, those with errors too.
    pub(super) channels: &'a BTreeSet<String>,
    /// All sources, those with errors too.
    pub(super) sources: &'a BTreeSet<String>,
    /// The shortest times between dues that were worked out already: many jobs have the same schedule.
    pub(super) gaps: RefCell<HashMap<String, Option<SignedDuration>>>,
    /// The addresses that are taken, and by which jobs.
    pub(super) addresses: RefCell<HashMap<Uuid, String>>,
}

/// What a table says of a job.
pub(super) fn spec(table: &DeTable<'_>) -> JobSpec {
    let text = |key| read::text(table, key).map(|said| said.text);
    let texts = |key| {
        let list = read::texts(table, key)?;
        Some(list.into_iter().map(|said| said.text).collect::<Vec<_>>())
    };
    JobSpec {
        schedule: ScheduleSpec {
            every: text("every"),
            cron: texts("cron").unwrap_or_default(),
            on_calendar: texts("on_calendar").unwrap_or_default(),
            tz: text("tz"),
            scheduler: text("scheduler").and_then(|word| scheduler(&word)),
        },
        grace: text("grace"),
        start_within: text("start_within"),
        max_runtime: text("max_runtime"),
        min_runtime: text("min_runtime"),
        early: text("early"),
        failures: read::number(table, "failures", 1, 20),
        recoveries: read::number(table, "recoveries", 1, 20),
        clean_exit: codes(table),
        remind: text("remind"),
        notify: texts("notify"),
        description: text("description"),
        runbook: text("runbook"),
        pings: super::pings::rules(table),
    }
}

fn scheduler(word: &str) -> Option<Scheduler> {
    match word {
        "cron" => Some(Scheduler::Cron),
        "systemd" => Some(Scheduler::Systemd),
        "eventbridge" => Some(Scheduler::Eventbridge),
        "kubernetes" => Some(Scheduler::Kubernetes),
        _ => None,
    }
}

fn codes(table: &DeTable<'_>) -> Option<Vec<u8>> {
    let list = table.get("clean_exit")?.get_ref().as_array()?;
    let code = |value: &toml::Spanned<toml::de::DeValue<'_>>| {
        shape::number(value.get_ref(), 0, 255).and_then(|number| u8::try_from(number).ok())
    };
    list.iter().map(code).collect()
}

/// Reports what is wrong with the defaults, and answers which fields those are.
pub(super) fn check_defaults(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    time_zone: &TimeZone,
    channels: &BTreeSet<String>,
) -> BTreeSet<&'static str> {
    let slug = Slug::new("defaults").expect("lower-case letters");
    let errors = spec(table).resolve(slug, time_zone, None).err().unwrap_or_default();
    let whole = table.keys().next().map_or(0..0, toml::Spanned::span);
    report(reading, table, &errors, &whole);
    check_channels(reading, table, channels);
    errors.iter().map(|error| error.field).collect()
}

impl Surroundings<'_> {
    /// Reads one job. `None` if anything is wrong with it.
    pub(super) fn job(
        &self,
        reading: &mut Reading<'_>,
        name: &Said,
        table: &DeTable<'_>,
    ) -> Option<(Slug, ConfiguredJob)> {
        let before = reading.problems.len();
        let slug = Slug::new(&name.text).map_err(|error| {
            let hint = error.suggestion().map(|near| format!("write {near}"));
            reading.problems.push(Problem::error(name.span.clone(), error.to_string()).maybe_hint(hint));
        });
        let spec = spec(table);
        let stand_in = || Slug::new("job").expect("lower-case letters");
        let resolved = spec.resolve(
            slug.as_ref().map_or_else(|()| stand_in(), Slug::clone),
            self.time_zone,
            Some(self.defaults),
        );
        let errors = resolved.as_ref().err().cloned().unwrap_or_default();
        let own: Vec<_> = errors.into_iter().filter(|error| !self.is_reported(error)).collect();
        report(reading, table, &own, &name.span);
        check_channels(reading, table, self.channels);
        let mut job = resolved.ok()?;
        if spec.notify.is_none() && self.defaults.notify.is_none() {
            job.channels = self.notify.to_vec();
        }
        job.expected_from = since(reading, table, job.schedule.time_zone());
        let object = object::read(reading, table, &job, name);
        job.plain_object = object.is_some();
        let source = sources::of_job(reading, table, self.sources);
        let uuid = sources::address(reading, table, &name.text, &self.addresses);
        self.warn(reading, table, &job, name);
        let spec = spec.over(Some(self.defaults));
        (errors_since(reading, before) == 0)
            .then_some((slug.ok()?, ConfiguredJob { job, spec, object, source, uuid }))
    }

    fn shortest_gap(&self, schedule: &Schedule) -> Option<SignedDuration> {
        let words = schedule.in_words()?;
        *self.gaps.borrow_mut().entry(words).or_insert_with(|| shortest_gap(schedule))
    }

    fn is_reported(&self, error: &SpecError) -> bool {
        error.from_defaults && self.wrong_defaults.contains(error.field)
    }

    fn warn(&self, reading: &mut Reading<'_>, table: &DeTable<'_>, job: &Job, name: &Said) {
        // `every` counts from the last success, so that no success can be meant for another due.
        let counted = matches!(job.schedule, Schedule::Every { .. });
        if let Some(gap) = self.shortest_gap(&job.schedule).filter(|_| !counted)
            && job.limits.grace > gap
        {
            let span = table.get("grace").map_or_else(|| name.span.clone(), toml::Spanned::span);
            let text = format!(
                "the grace of {} is longer than the {gap:#} between two dues",
                shape::quoted(&name.text)
            );
            let hint = "a success may then count for a due that it was not meant for; shorten grace";
            reading.problems.push(Problem::warning(span, text).hint(hint));
        }
        if job.channels.is_empty() && !self.channels.is_empty() {
            let text = format!("nobody is told about {}", shape::quoted(&name.text));
            let hint = "add notify = [\"...\"] to the job or at the top of the file";
            reading.problems.push(Problem::warning(name.span.clone(), text).hint(hint));
        }
    }
}

fn errors_since(reading: &Reading<'_>, before: usize) -> usize {
    reading.problems[before..].iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// The shortest time between two of the next hundred dues, seen from a fixed day, so that the answer is always the same.
fn shortest_gap(schedule: &Schedule) -> Option<SignedDuration> {
    let from = Timestamp::from_second(1_767_225_600).ok()?; // 2026-01-01T00:00:00Z
    let dues: Vec<_> = schedule.occurrences(from, from, Direction::Forward).take(100).collect();
    dues.windows(2).map(|pair| pair[1].duration_since(pair[0])).min()
}

/// Puts errors of a spec to their places in the table.
fn report(reading: &mut Reading<'_>, table: &DeTable<'_>, errors: &[SpecError], whole: &Range<usize>) {
    for error in errors {
        let span = place(reading, table, error).unwrap_or_else(|| whole.clone());
        let names_itself =
            matches!(error.field, "schedule" | "cron" | "on_calendar" | "every" | "tz" | "notify");
        let text = if names_itself { error.problem.clone() } else { error.to_string() };
        reading.problems.push(Problem::error(span, text).maybe_hint(error.hint.clone()));
    }
}

fn place(reading: &Reading<'_>, table: &DeTable<'_>, error: &SpecError) -> Option<Range<usize>> {
    if error.field == "schedule" {
        let kinds = ["every", "cron", "on_calendar"].into_iter().filter_map(|key| table.get_key_value(key));
        return kinds.map(|(key, _)| key.span()).max_by_key(|span| span.start);
    }
    let value = table.get(error.field)?;
    let said = match (error.index, value.get_ref().as_array()) {
        (Some(index), Some(list)) => list.get(index).and_then(read::said),
        _ => read::said(value),
    };
    Some(match (said, &error.span) {
        (Some(said), Some(part)) => reading.part(&said, part),
        (Some(said), None) => said.span,
        (None, _) => value.span(),
    })
}

/// Reports channels in `notify` that are not configured.
pub(super) fn check_channels(reading: &mut Reading<'_>, table: &DeTable<'_>, channels: &BTreeSet<String>) {
    let names = read::texts(table, "notify").unwrap_or_default();
    for name in names.iter().filter(|name| !channels.contains(&name.text)) {
        if ChannelName::new(&name.text).is_err() {
            continue;
        }
        let text = format!("there is no channel {}", shape::quoted(&name.text));
        let hint = nearest::hint(&name.text, channels.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| format!("add a table [channels.{}]", name.text));
        reading.error(name.span.clone(), text, hint);
    }
}

/// From when on a job is expected: an instant, or a date in its zone.
fn since(reading: &mut Reading<'_>, table: &DeTable<'_>, zone: &TimeZone) -> Option<Timestamp> {
    let value = table.get("since")?;
    let text = match (value.get_ref().as_str(), value.get_ref().as_datetime()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(moment)) => moment.to_string(),
        (None, None) => return None,
    };
    let instant = text.parse::<Timestamp>().ok();
    // `parse` of a date accepts a date with a time and ignores the time.
    let date = (text.len() <= 10).then(|| text.parse::<Date>().ok()).flatten();
    let midnight =
        date.and_then(|date| date.to_zoned_datetime(zone.clone()).ok()).map(|start| start.timestamp());
    let found = instant.or(midnight);
    if found.is_none() {
        let text = format!("{} is neither a date nor an instant", shape::quoted(&text));
        reading.error(
            value.span(),
            text,
            "write 2026-04-01, or with time and zone 2026-04-01T05:00:00+09:00",
        );
    }
    found
}
