//! From the text of a configuration to what it means.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use jiff::tz::TimeZone;
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::{ChannelName, JobSpec, Slug};
use toml::de::{DeTable, Error as TomlError};

use super::channels::{self, Draft};
use super::jobs::{self, Surroundings};
use super::problem::{self, ConfigErrors, Problem};
use super::read::{self, Reading};
use super::source::Source;
use super::{CheckerOptions, Config, Outside, RunOptions, keys, publish, server, shape, sources};
use crate::aws::secrets::Answers;

/// More output than this in evidence helps nobody, in bytes.
const LARGEST_CAPTURE: u64 = 256 * 1024;

/// Reads a configuration. Secrets that lie in AWS are taken from `answers`; without them they are pending.
pub(super) fn parse(
    text: &str,
    path: &Path,
    outside: &Outside<'_>,
    answers: Option<&Answers>,
) -> (Config, Option<ConfigErrors>) {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let mut reading = Reading::new(text, outside, answers);
    let mut config = meaning(&mut reading, table.get_ref());
    let mut hidden = Vec::new();
    shape::secrets(table.get_ref(), keys::TOP, &mut hidden);
    // What follows from broken syntax is guesswork; a key given twice breaks nothing.
    let broken = syntax.iter().any(|error| error.message() != "duplicate key");
    if broken {
        reading.problems.clear();
        hidden.extend(hidden_by_name(text));
    }
    let source = Source::new(path.display().to_string(), text, hidden);
    reading.problems.extend(of_syntax(&syntax, text));
    warn_of_plain_secrets(&mut reading);
    reading.problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    config.warnings = problem::warnings(&reading.problems, &source);
    config.source = Some(path.to_owned());
    config.pending = reading.pending(path);
    let errors = ConfigErrors::among(&reading.problems, path, &source);
    (config, errors.map(|errors| if broken { errors.before_the_rest() } else { errors }))
}

fn meaning(reading: &mut Reading<'_>, top: &DeTable<'_>) -> Config {
    shape::check(top, keys::TOP, &mut reading.problems);
    let time_zone = time_zone(reading, top);
    let language = channels::language(top).unwrap_or_default();
    let mut config = Config {
        store: store(reading, top),
        time_zone,
        language,
        notify: notify(reading, top),
        ..Config::default()
    };
    config.sources = sources::sources(reading, top, config.store.as_deref());
    config.server = server::reading::server(reading, top, &mut config.references);
    read_channels(reading, top, &mut config);
    read_jobs(reading, top, &mut config);
    config.checker = checker(reading, top, &mut config.references);
    config.run = run(reading, top);
    config.publish = publish::publish(reading, top, config.store.as_deref());
    config
}

fn store(reading: &mut Reading<'_>, top: &DeTable<'_>) -> Option<String> {
    let said = read::text(top, "store")?;
    if said.text.contains(':') {
        return Some(said.text);
    }
    let hint = "write sqlite:///PATH, file:///DIRECTORY, s3://BUCKET/PREFIX, gs://... or az://...";
    reading.error(said.span, format!("{} is not the URL of a store", shape::quoted(&said.text)), hint);
    None
}

fn time_zone(reading: &mut Reading<'_>, top: &DeTable<'_>) -> TimeZone {
    let Some(said) = read::text(top, "timezone") else { return TimeZone::UTC };
    let spec = ScheduleSpec { tz: Some(said.text.clone()), ..ScheduleSpec::default() };
    Schedule::resolve(&spec, &TimeZone::UTC).map(|schedule| schedule.time_zone().clone()).unwrap_or_else(
        |error| {
            let problem = Problem::error(reading.part(&said, &error.span()), error.problem());
            reading.problems.push(problem.maybe_hint(error.hint().map(str::to_owned)));
            TimeZone::UTC
        },
    )
}

fn notify(reading: &mut Reading<'_>, top: &DeTable<'_>) -> Vec<ChannelName> {
    let mut names: Vec<ChannelName> = Vec::new();
    for said in read::texts(top, "notify").unwrap_or_default() {
        match ChannelName::new(&said.text) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(error) => {
                let hint = error.suggestion().map(|near| format!("did you mean {near}?"));
                reading.problems.push(Problem::error(said.span, error.to_string()).maybe_hint(hint));
            }
        }
    }
    names
}

fn read_channels(reading: &mut Reading<'_>, top: &DeTable<'_>, config: &mut Config) {
    for (name, table) in read::tables(top, "channels") {
        let mut draft = Draft { reading, references: &mut config.references, name: &name };
        if let Some(channel) = draft.channel(table, config.language) {
            config.channels.insert(channel.name.clone(), channel);
        }
    }
}

fn read_jobs(reading: &mut Reading<'_>, top: &DeTable<'_>, config: &mut Config) {
    let channels: BTreeSet<String> = read::tables(top, "channels").map(|(name, _)| name.text).collect();
    jobs::check_channels(reading, top, &channels);
    let mut wrong_defaults = BTreeSet::new();
    if let Some(table) = read::table(top, "defaults") {
        wrong_defaults = jobs::check_defaults(reading, table, &config.time_zone, &channels);
        config.defaults = jobs::spec(table);
    }
    let surroundings = Surroundings {
        time_zone: &config.time_zone,
        notify: &config.notify,
        defaults: &config.defaults,
        wrong_defaults: &wrong_defaults,
        channels: &channels,
        sources: &read::tables(top, "sources").map(|(name, _)| name.text).collect(),
        gaps: RefCell::default(),
        addresses: RefCell::default(),
    };
    let read = read::tables(top, "jobs").filter_map(|(name, table)| surroundings.job(reading, &name, table));
    config.jobs = read.collect();
    // Whoever goes on in spite of errors finds no channel that is not there.
    let known = &config.channels;
    config.notify.retain(|channel| known.contains_key(channel));
    for configured in config.jobs.values_mut() {
        configured.job.channels.retain(|channel| known.contains_key(channel));
    }
    if !wrong_defaults.is_empty() {
        config.defaults = JobSpec::default();
    }
}

fn checker(
    reading: &mut Reading<'_>,
    top: &DeTable<'_>,
    references: &mut super::References,
) -> CheckerOptions {
    let Some(table) = read::table(top, "checker") else { return CheckerOptions::default() };
    let heartbeat = reading.secret(table, "heartbeat").filter(|said| channels::http_url(reading, said));
    if let Some(reference) = heartbeat.as_ref().and_then(|said| said.reference.clone()) {
        references.insert("checker.heartbeat".into(), reference);
    }
    let name = read::text(table, "name").and_then(|said| {
        let refuse = |error: tenko_core::name::NameError| {
            let hint = error.suggestion().map(|near| format!("write {near}"));
            let text = error.to_string().replace("job name", "name");
            reading.problems.push(Problem::error(said.span.clone(), text).maybe_hint(hint));
        };
        Slug::new(&said.text).map_err(refuse).ok()
    });
    let interval = reading.duration(table, "interval");
    CheckerOptions {
        heartbeat: heartbeat.map(|said| said.secret),
        interval,
        name,
        adaptive: read::flag(table, "adaptive").unwrap_or_default(),
        ..CheckerOptions::default()
    }
}

fn run(reading: &mut Reading<'_>, top: &DeTable<'_>) -> RunOptions {
    let Some(table) = read::table(top, "run") else { return RunOptions::default() };
    RunOptions {
        mask_env: mask_env(reading, table),
        capture_head: capture(reading, table, "capture_head"),
        capture_tail: capture(reading, table, "capture_tail"),
        report_timeout: reading.duration(table, "report_timeout").map(|limit| limit.unsigned_abs()),
    }
}

fn mask_env(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for said in read::texts(table, "mask_env").unwrap_or_default() {
        if said.text.is_empty() || said.text.contains(['=', '\0', ' ']) {
            let text = format!("{} is not the name of an environment variable", shape::quoted(&said.text));
            reading.error(said.span, text, "write names alone, without $ and values");
        } else {
            names.push(said.text);
        }
    }
    names
}

fn capture(reading: &mut Reading<'_>, table: &DeTable<'_>, key: &str) -> Option<usize> {
    let size = reading.size(table, key)?;
    if size > LARGEST_CAPTURE {
        let span = table.get(key).map_or(0..0, toml::Spanned::span);
        reading.error(span, format!("{key} is too large"), "the most is 256KiB");
        return None;
    }
    usize::try_from(size).ok()
}

/// What is too deep or not closed is so for each bracket: once is enough.
fn of_syntax(errors: &[TomlError], text: &str) -> Vec<Problem> {
    if let Some(too_deep) = errors.iter().find(|error| error.message().contains("recurs")) {
        return vec![one_of_syntax(too_deep, text)];
    }
    let mut problems: Vec<_> = errors.iter().map(|error| one_of_syntax(error, text)).collect();
    problems.dedup_by(|next, kept| next.span == kept.span && next.text == kept.text);
    problems
}

fn one_of_syntax(error: &TomlError, text: &str) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    if message == "duplicate key" {
        let key = shape::quoted(text.get(span.clone()).unwrap_or_default());
        return Problem::error(span, format!("{key} is given twice")).hint("keep one of them");
    }
    let problem = Problem::error(span, message);
    match message {
        _ if message.starts_with("string values must be quoted") => {
            Problem { text: "a value is missing, or a string without quotation marks".into(), ..problem }
                .hint("write key = \"value\"")
        }
        _ if message.starts_with("invalid boolean") => {
            problem.hint("strings stand in quotation marks: key = \"value\"")
        }
        _ if message.contains("recurs") || message == "recursion limit" => {
            problem.hint("nothing in a configuration is that deep")
        }
        _ => problem.hint("this is not TOML; see https://toml.io"),
    }
}

/// In broken syntax secrets are known by the names before them only: all that follows one in its line is hidden, unless it
/// is harmless.
fn hidden_by_name(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut hidden = Vec::new();
    for line in text.split_inclusive('\n') {
        let first = SECRET_NAMES.iter().filter_map(|name| after_name(line, name)).min();
        hidden.extend(first.map(|at| start + at..start + line.len()));
        start += line.len();
    }
    hidden
}

const SECRET_NAMES: [&str; 13] = [
    "headers",
    "slack",
    "webhook",
    "url",
    "server",
    "password",
    "signing_key",
    "heartbeat",
    "token",
    "secret",
    "key",
    "pass",
    "auth",
];

/// Where the first value begins that follows `name =` and is not harmless.
fn after_name(line: &str, name: &str) -> Option<usize> {
    line.match_indices(name).find_map(|(at, _)| {
        let rest = line[at + name.len()..].trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix('=')?;
        let value = rest.trim_start().trim_start_matches(['"', '\'']);
        let word = value.split(['"', '\'', ' ', '\n']).next().unwrap_or_default();
        (!shape::is_harmless(word)).then(|| line.len() - value.len())
    })
}

fn warn_of_plain_secrets(reading: &mut Reading<'_>) {
    if !reading.outside.exposed {
        return;
    }
    for span in std::mem::take(&mut reading.plain_secrets) {
        let problem = Problem::warning(span, "every user of this machine can read this secret");
        reading.problems.push(problem.hint("write \"env:NAME\" or \"file:/path\", or chmod o-r this file"));
    }
}
