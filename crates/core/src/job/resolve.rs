//! From what was said about a job to what it means.

use std::fmt;
use std::ops::Range;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::job::{Job, JobSpec, Limits, PingRules};
use crate::name::{ChannelName, Slug};
use crate::schedule::{Field, Schedule, ScheduleError, ScheduleSpec, parse_duration};

const LONGEST_TEXT: usize = 1000;
const MOST_CHANNELS: usize = 50;
const SHORTEST_REMINDER: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_EARLY: SignedDuration = SignedDuration::from_hours(24);

/// Something said about a job that cannot be meant. `Display` names the field and the problem, without the hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct SpecError {
    /// The field, by its name in a configuration; `schedule` when several fields contradict each other.
    pub field: &'static str,
    /// Which element, if the field is a list.
    pub index: Option<usize>,
    /// The bytes of the field's (or element's) text that are wrong; the whole text is wrong if `None`.
    pub span: Option<Range<usize>>,
    /// What is wrong, as half a sentence.
    pub problem: String,
    /// What to write instead, if that can be said.
    pub hint: Option<String>,
    /// Whether the job itself says nothing about the field, so that the defaults are wrong.
    pub from_defaults: bool,
}

impl SpecError {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, index: None, span: None, problem: problem.into(), hint: None, from_defaults: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl JobSpec {
    /// Finds out what was meant. What the spec leaves open is taken from `defaults`, then from [`Limits::default`];
    /// `default_tz` applies when nothing names a zone.
    ///
    /// A spec may be hostile: the work is bounded, whatever it says.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, in the order of the fields; never an empty list.
    pub fn resolve(
        &self,
        slug: Slug,
        default_tz: &TimeZone,
        defaults: Option<&Self>,
    ) -> Result<Job, Vec<SpecError>> {
        let mut errors = Vec::new();
        let spec = self.over(defaults);
        let job = Job {
            schedule: schedule(&spec.schedule, default_tz, &mut errors),
            limits: limits(&spec, &mut errors),
            channels: channels(spec.notify.as_deref().unwrap_or_default(), &mut errors),
            remind: remind(&spec, &mut errors),
            description: line("description", spec.description.as_deref(), &mut errors),
            runbook: line("runbook", spec.runbook.as_deref(), &mut errors),
            pings: pings(spec.pings.as_ref(), &mut errors),
            ..Job::new(slug, Schedule::Unscheduled { tz: default_tz.clone() })
        };
        if errors.is_empty() {
            return Ok(job);
        }
        for error in &mut errors {
            error.from_defaults = !self.says(error.field);
        }
        Err(errors)
    }

    /// This spec, with the gaps filled from `defaults`.
    pub fn over(&self, defaults: Option<&Self>) -> Self {
        let Some(defaults) = defaults else { return self.clone() };
        let text = |own: &Option<String>, default: &Option<String>| own.clone().or_else(|| default.clone());
        Self {
            schedule: schedule_over(&self.schedule, &defaults.schedule),
            grace: text(&self.grace, &defaults.grace),
            start_within: text(&self.start_within, &defaults.start_within),
            max_runtime: text(&self.max_runtime, &defaults.max_runtime),
            min_runtime: text(&self.min_runtime, &defaults.min_runtime),
            early: text(&self.early, &defaults.early),
            failures: self.failures.or(defaults.failures),
            recoveries: self.recoveries.or(defaults.recoveries),
            clean_exit: self.clean_exit.clone().or_else(|| defaults.clean_exit.clone()),
            remind: text(&self.remind, &defaults.remind),
            notify: self.notify.clone().or_else(|| defaults.notify.clone()),
            description: text(&self.description, &defaults.description),
            runbook: text(&self.runbook, &defaults.runbook),
            pings: self.pings.clone().or_else(|| defaults.pings.clone()),
        }
    }

    fn says(&self, field: &str) -> bool {
        match field {
            "every" => self.schedule.every.is_some(),
            "cron" => !self.schedule.cron.is_empty(),
            "on_calendar" => !self.schedule.on_calendar.is_empty(),
            "tz" => self.schedule.tz.is_some(),
            "schedule" => has_kind(&self.schedule),
            "grace" => self.grace.is_some(),
            "start_within" => self.start_within.is_some(),
            "max_runtime" => self.max_runtime.is_some(),
            "min_runtime" => self.min_runtime.is_some(),
            "early" => self.early.is_some(),
            "failures" => self.failures.is_some(),
            "recoveries" => self.recoveries.is_some(),
            "clean_exit" => self.clean_exit.is_some(),
            "remind" => self.remind.is_some(),
            "notify" => self.notify.is_some(),
            "description" => self.description.is_some(),
            "pings" => self.pings.is_some(),
            _ => self.runbook.is_some(),
        }
    }
}

fn has_kind(spec: &ScheduleSpec) -> bool {
    spec.every.is_some() || !spec.cron.is_empty() || !spec.on_calendar.is_empty()
}

/// A job with a schedule of its own has nothing of the default one but the zone and the scheduler.
fn schedule_over(own: &ScheduleSpec, default: &ScheduleSpec) -> ScheduleSpec {
    let mut spec = if has_kind(own) { own.clone() } else { default.clone() };
    spec.tz = own.tz.clone().or_else(|| default.tz.clone());
    spec.scheduler = own.scheduler.or(default.scheduler);
    spec
}

fn schedule(spec: &ScheduleSpec, default_tz: &TimeZone, errors: &mut Vec<SpecError>) -> Schedule {
    Schedule::resolve(spec, default_tz).unwrap_or_else(|first| {
        // A wrong zone hides whatever else is wrong; one more look finds that.
        let zoneless = ScheduleSpec { tz: None, ..spec.clone() };
        let second = (first.field() == Field::Tz).then(|| Schedule::resolve(&zoneless, default_tz).err());
        errors.push(of_schedule(&first));
        errors.extend(second.flatten().as_ref().map(of_schedule));
        errors.extend(of_other_elements(spec, default_tz, &first));
        Schedule::Unscheduled { tz: default_tz.clone() }
    })
}

/// The elements after the first wrong one, each looked at alone.
fn of_other_elements(spec: &ScheduleSpec, default_tz: &TimeZone, first: &ScheduleError) -> Vec<SpecError> {
    let alone = |index: usize| match first.field() {
        Field::Cron(_) => ScheduleSpec { cron: vec![spec.cron[index].clone()], ..Default::default() },
        _ => ScheduleSpec { on_calendar: vec![spec.on_calendar[index].clone()], ..Default::default() },
    };
    let (from, to) = match first.field() {
        Field::Cron(index) => (index + 1, spec.cron.len()),
        Field::OnCalendar(index) => (index + 1, spec.on_calendar.len()),
        Field::Every | Field::Tz | Field::Whole => (0, 0),
    };
    let looked_at = (from..to).filter_map(|index| {
        let error = Schedule::resolve(&alone(index), default_tz).err()?;
        Some(SpecError { index: Some(index), ..of_schedule(&error) })
    });
    looked_at.collect()
}

fn of_schedule(error: &ScheduleError) -> SpecError {
    let (field, index) = match error.field() {
        Field::Every => ("every", None),
        Field::Cron(index) => ("cron", Some(index)),
        Field::OnCalendar(index) => ("on_calendar", Some(index)),
        Field::Tz => ("tz", None),
        Field::Whole => ("schedule", None),
    };
    let span = (error.field() != Field::Whole).then(|| error.span());
    let hint = error.hint().map(str::to_owned);
    SpecError { field, index, span, problem: error.problem().to_owned(), hint, from_defaults: false }
}

fn limits(spec: &JobSpec, errors: &mut Vec<SpecError>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        grace: positive("grace", spec.grace.as_deref(), errors).unwrap_or(default.grace),
        start_within: positive("start_within", spec.start_within.as_deref(), errors),
        max_runtime: positive("max_runtime", spec.max_runtime.as_deref(), errors),
        min_runtime: positive("min_runtime", spec.min_runtime.as_deref(), errors),
        early: early(spec.early.as_deref(), errors).unwrap_or(default.early),
        failures: in_a_row("failures", spec.failures, errors).unwrap_or(default.failures),
        recoveries: in_a_row("recoveries", spec.recoveries, errors).unwrap_or(default.recoveries),
        clean_exit: clean_exit(spec.clean_exit.as_deref(), errors).unwrap_or(default.clean_exit),
    };
    if let (Some(min), Some(max)) = (limits.min_runtime, limits.max_runtime)
        && min >= max
    {
        let error = SpecError::new("min_runtime", "it is not shorter than max_runtime");
        errors.push(error.hint("every run would be either too quick or too long"));
    }
    limits
}

fn duration(field: &'static str, text: Option<&str>, errors: &mut Vec<SpecError>) -> Option<SignedDuration> {
    match parse_duration(text?) {
        Ok(duration) => Some(duration),
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            let said = SpecError::new(field, error.problem());
            errors.push(SpecError { span: Some(error.span()), hint, ..said });
            None
        }
    }
}

fn positive(field: &'static str, text: Option<&str>, errors: &mut Vec<SpecError>) -> Option<SignedDuration> {
    let found = duration(field, text, errors)?;
    if found.is_positive() {
        return Some(found);
    }
    errors.push(SpecError::new(field, "it must be longer than nothing").hint("the shortest is 1ms"));
    None
}

fn early(text: Option<&str>, errors: &mut Vec<SpecError>) -> Option<SignedDuration> {
    let found = duration("early", text, errors)?;
    if found <= LONGEST_EARLY {
        return Some(found);
    }
    errors.push(SpecError::new("early", "it is longer than a day").hint("the longest is 24h"));
    None
}

fn remind(spec: &JobSpec, errors: &mut Vec<SpecError>) -> Option<SignedDuration> {
    let found = positive("remind", spec.remind.as_deref(), errors)?;
    if found >= SHORTEST_REMINDER {
        return Some(found);
    }
    errors.push(SpecError::new("remind", "it is shorter than a minute").hint("the shortest is 1m"));
    None
}

fn in_a_row(field: &'static str, said: Option<u32>, errors: &mut Vec<SpecError>) -> Option<u32> {
    let number = said?;
    if (1..=Limits::MAX_IN_A_ROW).contains(&number) {
        return Some(number);
    }
    let error = SpecError::new(field, format!("{number} is out of range"));
    errors.push(error.hint(format!("write a number from 1 to {}", Limits::MAX_IN_A_ROW)));
    None
}

fn clean_exit(codes: Option<&[u8]>, errors: &mut Vec<SpecError>) -> Option<Vec<u8>> {
    let mut codes = codes?.to_vec();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        let error = SpecError::new("clean_exit", "no exit code would count as success");
        errors.push(error.hint("leave it out to accept 0 alone"));
    }
    Some(codes)
}

fn channels(names: &[String], errors: &mut Vec<SpecError>) -> Vec<ChannelName> {
    if names.len() > MOST_CHANNELS {
        let problem = format!("it names {} channels, {MOST_CHANNELS} are allowed", names.len());
        errors.push(SpecError::new("notify", problem));
        return Vec::new();
    }
    let mut channels: Vec<ChannelName> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match ChannelName::new(name) {
            Ok(channel) if channels.contains(&channel) => {}
            Ok(channel) => channels.push(channel),
            Err(error) => {
                let hint = error.suggestion().map(|near| format!("did you mean {near}?"));
                let said = SpecError::new("notify", error.to_string());
                errors.push(SpecError { index: Some(index), hint, ..said });
            }
        }
    }
    channels
}

fn line(field: &'static str, text: Option<&str>, errors: &mut Vec<SpecError>) -> Option<String> {
    let text = text?;
    let too_long = text.chars().nth(LONGEST_TEXT).is_some();
    if too_long {
        errors.push(SpecError::new(field, format!("it is longer than {LONGEST_TEXT} characters")));
    } else if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
        let error = SpecError::new(field, format!("it holds the control character {}", Shown(c)));
        let error = error.hint("write one line of plain text");
        errors.push(SpecError { span: Some(at..at + c.len_utf8()), ..error });
    }
    Some(text.to_owned())
}

fn pings(rules: Option<&PingRules>, errors: &mut Vec<SpecError>) -> Option<PingRules> {
    let rules = rules?;
    let lists = [&rules.fail, &rules.success, &rules.start];
    let before = errors.len();
    if lists.iter().any(|list| list.len() > PingRules::MAX_WORDS) {
        let problem = format!("it has a list of more than {} words", PingRules::MAX_WORDS);
        errors.push(SpecError::new("pings", problem));
    }
    let words = || lists.iter().flat_map(|list| list.iter());
    if words().any(String::is_empty) {
        let error = SpecError::new("pings", "an empty word is in every text");
        errors.push(error.hint("leave it out"));
    }
    if words().any(|word| word.len() > PingRules::MAX_WORD) {
        let problem = format!("a word is longer than {} bytes", PingRules::MAX_WORD);
        errors.push(SpecError::new("pings", problem));
    }
    (errors.len() == before).then(|| rules.clone())
}

struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(spec: &JobSpec, defaults: Option<&JobSpec>) -> Result<Job, Vec<SpecError>> {
        spec.resolve(Slug::new("job").unwrap(), &TimeZone::UTC, defaults)
    }

    fn cron(expressions: &[&str]) -> ScheduleSpec {
        let cron = expressions.iter().map(|text| (*text).to_owned()).collect();
        ScheduleSpec { cron, ..Default::default() }
    }

    #[test]
    fn nothing_said_is_a_job_without_schedule_and_with_default_limits() {
        let job = resolve(&JobSpec::default(), None).unwrap();
        assert_eq!(job.limits, Limits::default());
        assert_eq!(job.schedule.to_string(), "no schedule");
        assert_eq!(job.channels, []);
    }

    #[test]
    fn defaults_fill_gaps_and_a_schedule_of_ones_own_wins() {
        let mut defaults = JobSpec { grace: Some("5m".into()), failures: Some(2), ..JobSpec::default() };
        defaults.schedule = cron(&["0 1 * * *"]);
        defaults.schedule.tz = Some("Asia/Tokyo".into());
        let every = ScheduleSpec { every: Some("1h".into()), ..Default::default() };
        let own = JobSpec { schedule: every, failures: Some(3), ..JobSpec::default() };
        let job = resolve(&own, Some(&defaults)).unwrap();
        assert_eq!(job.schedule.to_string(), "every 1h");
        assert_eq!(job.schedule.time_zone().iana_name(), Some("Asia/Tokyo"));
        assert_eq!((job.limits.grace, job.limits.failures), (SignedDuration::from_mins(5), 3));
        let bare = resolve(&JobSpec::default(), Some(&defaults)).unwrap();
        assert_eq!(bare.schedule.to_string(), "0 1 * * * (Asia/Tokyo)");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let mut schedule = cron(&["0 5 * * *", "0 25 * * *", "61 * * * *"]);
        schedule.tz = Some("Asia/Tokio".into());
        let spec = JobSpec {
            schedule,
            grace: Some("30".into()),
            max_runtime: Some("1h".into()),
            min_runtime: Some("2h".into()),
            early: Some("25h".into()),
            failures: Some(0),
            clean_exit: Some(Vec::new()),
            remind: Some("10s".into()),
            notify: Some(vec!["ops".into(), "On Call".into()]),
            description: Some("two\nlines".into()),
            ..JobSpec::default()
        };
        let errors = resolve(&spec, None).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| (error.field, error.index)).collect();
        assert_eq!(
            fields,
            [
                ("tz", None),
                ("cron", Some(1)),
                ("grace", None),
                ("early", None),
                ("failures", None),
                ("clean_exit", None),
                ("min_runtime", None),
                ("notify", Some(1)),
                ("remind", None),
                ("description", None),
            ]
        );
        assert!(errors.iter().all(|error| !error.from_defaults));
    }

    #[test]
    fn every_wrong_expression_of_a_list_is_found() {
        let spec =
            JobSpec { schedule: cron(&["61 * * * *", "0 5 * * *", "0 25 * * *"]), ..JobSpec::default() };
        let errors = resolve(&spec, None).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [Some(0), Some(2)]);
    }

    #[test]
    fn an_error_of_the_defaults_is_not_the_jobs() {
        let defaults = JobSpec { grace: Some("soon".into()), ..JobSpec::default() };
        let errors = resolve(&JobSpec::default(), Some(&defaults)).unwrap_err();
        assert!(errors[0].from_defaults);
    }
}
