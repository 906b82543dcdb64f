//! `tenko aws template`: the CloudFormation template with the user's parameters filled in.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, value_parser};
use jiff::{SignedDuration, Timestamp};
use regex::bytes::RegexBuilder;
use tenko_store::open::{self, S3Place};

use super::place;
use super::policy;
use super::timetable::{self, Timetable};
use crate::cli::Common;
use crate::command::Setup;
use crate::config::Config;
use crate::error::CommandError;
use crate::printer;

const TEMPLATE: &str = include_str!("template.yaml");
/// Where statements are added to the role of the function.
const MORE_RIGHTS: &str = "              # Here `tenko aws template` adds what the configured jobs need beyond that: plain objects, secrets.\n";
/// The most text of a configuration that fits into the environment of a function.
const MOST_TOML: usize = 3000;
/// CloudWatch looks back no further than seven days.
const MOST_SILENT_HOURS: i64 = 168;
/// How long old rolls are kept at least.
const ROLL_DAYS: i64 = 14;
/// How long evidence is kept at least.
const EVIDENCE_DAYS: i64 = 100;

/// Print a CloudFormation template for bucket, function, schedules and alarms
///
/// What tenko.toml and these options say becomes the defaults of its parameters. An impossible schedule, an unknown time
/// zone, and lifecycles that would remove what a roll call needs are refused here, because CloudFormation and EventBridge
/// accept some of them.
#[derive(Debug, Args)]
pub(super) struct Template {
    /// When the roll is called: cron(31 5 * * ? *), rate(5 minutes); up to three times [default: by the deadlines of the
    /// configured jobs]
    #[arg(long = "schedule", env = "TENKO_SCHEDULE", value_name = "EXPR")]
    schedules: Vec<String>,
    /// The time zone of the schedules (IANA name) [default: the configured one]
    #[arg(long, env = "TENKO_TZ", value_name = "ZONE")]
    tz: Option<String>,
    /// After how many days evidence is removed [default: 100, or more if the schedules need it]
    #[arg(long, env = "TENKO_EVIDENCE_DAYS", value_name = "DAYS", value_parser = value_parser!(i64).range(2..=3650))]
    evidence_days: Option<i64>,
    /// After how many days old rolls are removed [default: 14, or more if the schedules need it]
    #[arg(long, env = "TENKO_ROLL_DAYS", value_name = "DAYS", value_parser = value_parser!(i64).range(2..=3650))]
    roll_days: Option<i64>,
    /// After how many seconds a roll call is cut off
    #[arg(long = "function-timeout", env = "TENKO_FUNCTION_TIMEOUT", value_name = "SECONDS", value_parser = value_parser!(i64).range(20..=900))]
    timeout: Option<i64>,
    /// For which processor the zip of the function was built
    #[arg(long, env = "TENKO_ARCH", value_enum)]
    arch: Option<Arch>,
    /// The bucket of the zip of the function
    #[arg(long, env = "TENKO_CODE_BUCKET", value_name = "BUCKET")]
    code_bucket: Option<String>,
    /// The key of the zip of the function
    #[arg(long, env = "TENKO_CODE_KEY", value_name = "KEY")]
    code_key: Option<String>,
    /// Who gets the alarms
    #[arg(long, env = "TENKO_ALARM_EMAIL", value_name = "ADDRESS")]
    alarm_email: Option<String>,
    /// The ARN of the key in KMS that encrypts the bucket [default: S3 encrypts it]
    #[arg(long, env = "TENKO_KMS_KEY", value_name = "ARN")]
    kms_key: Option<String>,
    /// Let the function move its own next wake-up, as checker.adaptive = true in tenko.toml does
    #[arg(long, env = "TENKO_ADAPTIVE", value_parser = BoolishValueParser::new())]
    adaptive: bool,
    /// Put the text of tenko.toml into the template, in place of an object in the bucket
    #[arg(long, env = "TENKO_INLINE_CONFIG", value_parser = BoolishValueParser::new())]
    inline_config: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Arch {
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Template {
    /// Prints it.
    pub(super) fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let store = place::kept_in(&setup)?;
        let config = &setup.config;
        match &store {
            Some(store) => refuse_other_servers(&setup, store)?,
            None => self.refuse_what_needs_a_store(config)?,
        }
        let zone = self.tz.clone().or_else(|| config.time_zone.iana_name().map(str::to_owned));
        let zone = zone.unwrap_or_else(|| "UTC".to_owned());
        let mut filled = Filled { text: variant(store.is_some()) };
        let timetable = self.timetable(config, &zone)?;
        match &store {
            Some(store) => self.fill_store(&mut filled, store, config, &timetable)?,
            None => remark_on_repetition(&timetable),
        }
        self.fill_calls(&mut filled, config, &timetable, &zone)?;
        self.fill_function(&mut filled)?;
        self.fill_config(&mut filled, config, store.is_none())?;
        filled.add_rights(config, store.as_ref().and_then(|store| store.region.as_deref()))?;
        printer::print(&filled.text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn refuse_what_needs_a_store(&self, config: &Config) -> Result<(), CommandError> {
        let given = [
            ("--evidence-days", self.evidence_days.is_some()),
            ("--roll-days", self.roll_days.is_some()),
            ("--kms-key", self.kms_key.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            return Err(CommandError::usage(format!("{option} is about a bucket, and memory: has none"))
                .hint("leave it out, or name a bucket: --store s3://BUCKET/PREFIX"));
        }
        if config.jobs.is_empty() {
            return Err(CommandError::usage(
                "no jobs are configured, and in memory: none can declare themselves",
            )
            .hint("write them into tenko.toml, each with its object"));
        }
        place::only_objects(config)
    }

    fn timetable(&self, config: &Config, zone: &str) -> Result<Timetable, CommandError> {
        let now = Timestamp::now();
        // An unknown zone is found here, whatever the schedules are.
        Timetable::parse(&["rate(1 hour)".to_owned()], zone, now)?;
        if !self.schedules.is_empty() {
            return Timetable::parse(&self.schedules, zone, now);
        }
        let tz = jiff::tz::TimeZone::get(zone).unwrap_or_else(|_| config.time_zone.clone());
        let derived = match self.is_adaptive(config) {
            true => timetable::beside_wake_ups(),
            false => timetable::of_deadlines(config, &tz, now),
        };
        printer::remark(&format!(
            "note: the roll is called at {} ({zone}): {}; say it otherwise with --schedule",
            derived.expressions.join(" and "),
            derived.why
        ));
        Timetable::parse(&derived.expressions, zone, now)
    }

    fn is_adaptive(&self, config: &Config) -> bool {
        self.adaptive || config.checker.adaptive
    }

    fn fill_store(
        &self,
        filled: &mut Filled,
        store: &S3Place,
        config: &Config,
        timetable: &Timetable,
    ) -> Result<(), CommandError> {
        filled.set("BucketName", &store.bucket)?;
        filled.set("Prefix", &store.prefix)?;
        let grace = longest_limit(config);
        let evidence = Days {
            what: "evidence",
            option: "--evidence-days",
            given: self.evidence_days,
            usual: EVIDENCE_DAYS,
        };
        filled.set_number("EvidenceDays", evidence.of(timetable.longest + grace, timetable, grace)?);
        let roll = Days { what: "the roll", option: "--roll-days", given: self.roll_days, usual: ROLL_DAYS };
        filled.set_number("RollDays", roll.of(timetable.longest, timetable, SignedDuration::ZERO)?);
        if let Some(key) = &self.kms_key {
            filled.set("KmsKeyArn", key)?;
        }
        Ok(())
    }

    fn fill_calls(
        &self,
        filled: &mut Filled,
        config: &Config,
        timetable: &Timetable,
        zone: &str,
    ) -> Result<(), CommandError> {
        for (number, expression) in timetable.expressions.iter().enumerate() {
            filled.set(&format!("Schedule{}", number + 1), expression)?;
        }
        filled.set("TimeZone", zone)?;
        let silent = timetable::hours(timetable.longest) + 1;
        if silent > MOST_SILENT_HOURS {
            return Err(CommandError::usage(format!(
                "the longest time between two roll calls is {}, and no alarm can wait so long: CloudWatch looks back 7 days",
                timetable::in_words(timetable.longest)
            ))
            .hint("add --schedule 'cron(0 9 * * ? *)': a roll call a day costs next to nothing"));
        }
        filled.set_number("SilentHours", silent);
        if self.is_adaptive(config) {
            filled.set("AdaptiveWakeUps", "true")?;
        }
        if let Some(name) = &config.checker.name {
            filled.set("CheckerName", name.as_str())?;
        }
        if let Some(address) = &self.alarm_email {
            filled.set("AlarmEmail", address)?;
        }
        Ok(())
    }

    fn fill_function(&self, filled: &mut Filled) -> Result<(), CommandError> {
        if let Some(seconds) = self.timeout {
            filled.set_number("Timeout", seconds);
        }
        if let Some(bucket) = &self.code_bucket {
            filled.set("CodeBucket", bucket)?;
        }
        let (arch, usual) = match self.arch {
            Some(Arch::X86_64) => ("x86_64", "tenko-lambda-x86_64.zip"),
            Some(Arch::Arm64) | None => ("arm64", "tenko-lambda-arm64.zip"),
        };
        filled.set("Architecture", arch)?;
        filled.set("CodeKey", self.code_key.as_deref().unwrap_or(usual))
    }

    fn fill_config(
        &self,
        filled: &mut Filled,
        config: &Config,
        nothing_kept: bool,
    ) -> Result<(), CommandError> {
        filled.set("SecretParameter", &place::parameters(config).unwrap_or_default())?;
        if self.inline_config || nothing_kept {
            filled.set("ConfigToml", &inline(config)?)?;
        }
        Ok(())
    }
}

/// How long something is kept, and what that depends on.
struct Days {
    what: &'static str,
    option: &'static str,
    given: Option<i64>,
    usual: i64,
}

impl Days {
    /// So many days that what is `needed` is still there, and a day more, because S3 removes things by the day.
    fn of(
        &self,
        needed: SignedDuration,
        timetable: &Timetable,
        grace: SignedDuration,
    ) -> Result<i64, CommandError> {
        let least = timetable::days(needed) + 1;
        let Some(given) = self.given else { return Ok(self.usual.max(least)) };
        if given >= least {
            return Ok(given);
        }
        let gap = timetable::in_words(timetable.longest);
        let and_grace = if grace.is_zero() {
            String::new()
        } else {
            format!(", and a job has a grace of {}", crate::words::length(grace))
        };
        Err(CommandError::usage(format!(
            "{} would be removed after {given} days, before a roll call can see it: the longest time between two is {gap}{and_grace}",
            self.what
        ))
        .hint(format!("say {} {least} or more, or call the roll more often", self.option)))
    }
}

/// The longest that a job may take to answer.
fn longest_limit(config: &Config) -> SignedDuration {
    let limits = config.jobs.values().map(|configured| &configured.job.limits);
    limits.map(|limits| limits.grace.max(limits.max_runtime.unwrap_or_default())).max().unwrap_or_default()
}

fn refuse_other_servers(setup: &Setup, store: &S3Place) -> Result<(), CommandError> {
    if setup.store_url.contains("endpoint=") {
        let shown = open::redact_url(&setup.store_url);
        return Err(CommandError::usage(format!(
            "the store {shown} is not at AWS: its URL names an endpoint"
        ))
        .hint("name a bucket of AWS: --store s3://BUCKET/PREFIX"));
    }
    if let Some(region) = &store.region {
        printer::remark(&format!("note: deploy the template in {region}, where the bucket shall be"));
    }
    Ok(())
}

/// Where nothing is kept, nobody knows what was told already.
fn remark_on_repetition(timetable: &Timetable) {
    let days = 30.0;
    if timetable.calls > days + 1.0 {
        printer::remark(&format!(
            "note: nothing is kept, so that what is missing is told at each roll call: {:.0} times a day; say --schedule, or keep evidence in a bucket",
            timetable.calls / days
        ));
    }
}

/// The template with what only a store needs, or without it.
fn variant(kept: bool) -> String {
    let mut text = String::new();
    let mut within = None;
    for line in TEMPLATE.lines() {
        match line.trim() {
            "# <store>" => within = Some(true),
            "# <memory>" => within = Some(false),
            "# </store>" | "# </memory>" => within = None,
            _ if within.is_some_and(|store| store != kept) => {}
            said => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let said = if within == Some(false) { said.trim_start_matches("# ") } else { said };
                text.push_str(if said.is_empty() { "" } else { indent });
                text.push_str(said);
                text.push('\n');
            }
        }
    }
    text
}

fn inline(config: &Config) -> Result<String, CommandError> {
    let Some(path) = &config.source else {
        return Err(CommandError::usage("there is no configuration to put into the template")
            .hint("name it with --config, or leave out --inline-config"));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("can't read {}: {error}", path.display())))?;
    if text.len() > MOST_TOML {
        return Err(CommandError::usage(format!(
            "{} has {} bytes; at most {MOST_TOML} fit into the environment of a function",
            path.display(),
            text.len()
        ))
        .hint(
            "leave out --inline-config and upload it: aws s3 cp tenko.toml s3://BUCKET/config/tenko.toml",
        ));
    }
    Ok(text)
}

/// The template while it is filled in.
struct Filled {
    text: String,
}

impl Filled {
    /// Gives a parameter a default that it allows; CloudFormation would look at it only when it has begun.
    fn set(&mut self, parameter: &str, value: &str) -> Result<(), CommandError> {
        if let Some(pattern) = self.said_of(parameter, "AllowedPattern") {
            // The tables of Unicode are not built in.
            let pattern = RegexBuilder::new(pattern).unicode(false).build();
            if !pattern.map_err(CommandError::could_not_tell)?.is_match(value.as_bytes()) {
                let allowed = self.said_of(parameter, "ConstraintDescription").unwrap_or_default();
                return Err(CommandError::usage(format!(
                    "{value:?} does not fit the parameter {parameter} of the template"
                ))
                .hint(format!("it takes: {}", allowed.trim_end_matches('.'))));
            }
        }
        // Every JSON string is one of YAML.
        self.replace_default(parameter, &serde_json::Value::from(value).to_string());
        Ok(())
    }

    /// A line of a parameter.
    fn said_of(&self, parameter: &str, what: &str) -> Option<&str> {
        let (start, end) = self.place_of(parameter)?;
        let start_of_line = format!("    {what}: ");
        self.text[start..end].lines().find_map(|line| line.strip_prefix(&start_of_line))
    }

    /// Where the lines of a parameter begin and end.
    fn place_of(&self, parameter: &str) -> Option<(usize, usize)> {
        let head = format!("\n  {parameter}:\n");
        let start = self.text.find(&head)? + head.len();
        let body = &self.text[start..];
        let mut next = body.match_indices("\n  ");
        let end = next.find(|(at, _)| !body[at + 3..].starts_with(' ')).map_or(body.len(), |(at, _)| at + 1);
        Some((start, start + end))
    }

    fn set_number(&mut self, parameter: &str, value: i64) {
        self.replace_default(parameter, &value.to_string());
    }

    /// Replaces the default of a parameter, or gives it one.
    fn replace_default(&mut self, parameter: &str, value: &str) {
        let Some((start, end)) = self.place_of(parameter) else { return };
        let mut lines: Vec<&str> = self.text[start..end].lines().collect();
        let line = format!("    Default: {value}");
        match lines.iter().position(|line| line.starts_with("    Default: ")) {
            Some(at) => lines[at] = &line,
            None => lines.push(&line),
        }
        let body = lines.join("\n") + "\n";
        self.text.replace_range(start..end, &body);
    }

    fn add_rights(&mut self, config: &Config, region: Option<&str>) -> Result<(), CommandError> {
        let mut lines = String::new();
        for statement in policy::beyond_the_template(config, region) {
            let json = serde_json::to_string(&statement).map_err(CommandError::could_not_tell)?;
            lines.push_str(&format!("              - {json}\n"));
        }
        self.text = self.text.replace(MORE_RIGHTS, &lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_that_is_filled_in_is_in_the_template() {
        let names = [
            "BucketName",
            "Prefix",
            "EvidenceDays",
            "RollDays",
            "KmsKeyArn",
            "Schedule1",
            "Schedule2",
            "Schedule3",
            "TimeZone",
            "SilentHours",
            "AdaptiveWakeUps",
            "CheckerName",
            "AlarmEmail",
            "Timeout",
            "CodeBucket",
            "Architecture",
            "CodeKey",
            "SecretParameter",
            "ConfigToml",
        ];
        for name in names {
            let mut filled = Filled { text: TEMPLATE.to_owned() };
            filled.replace_default(name, r#""filled \"in\"\n""#);
            let expected = format!("    Default: {}\n", r#""filled \"in\"\n""#);
            assert_eq!(filled.text.matches(&expected).count(), 1, "{name}");
            let at = filled.text.find(&expected).unwrap();
            let own = filled.text[..at].rfind(&format!("\n  {name}:\n")).unwrap();
            assert!(!filled.text[own + 3..at].contains("\n\n"), "{name}");
        }
        assert_eq!(TEMPLATE.matches(MORE_RIGHTS).count(), 1);
    }
}
