//! The configuration in force, as TOML, without its secrets.

use std::fmt::Write as _;

use jiff::Timestamp;
use tenko_core::job::{Limits, PingRules, Place};
use tenko_core::message::Language;
use tenko_core::schedule::ScheduleSpec;
use tenko_core::{ChannelName, Shrink, Slug};
use toml::Value;

use super::suspicion::is_plain_header;
use super::{Config, ConfiguredJob};
use crate::notify::options::{
    ChannelConfig, ChannelOptions, CommandOptions, EmailOptions, Tls, WebhookOptions,
};

mod server;

/// Writes the configuration as TOML. A secret is shown as the reference by which it was said, or as `***`; each job has
/// its next due after `now` in a comment, in the job's zone.
pub fn show(config: &Config, now: Timestamp) -> String {
    let mut page = Page { text: String::new(), config };
    page.top();
    page.sources();
    for (name, channel) in &config.channels {
        page.channel(name, channel);
    }
    for (slug, job) in &config.jobs {
        page.job(slug, job, now);
    }
    page.rest();
    page.server();
    page.text
}

struct Page<'a> {
    text: String,
    config: &'a Config,
}

impl Page<'_> {
    fn top(&mut self) {
        let config = self.config;
        if let Some(path) = &config.source {
            self.line(&format!("# {}", path.display().to_string().escape_debug()));
        }
        match &config.store {
            Some(store) => self.pair("store", without_password(store)),
            None => self.line("# store: SQLite in the state directory"),
        }
        self.pair("timezone", config.time_zone.iana_name().unwrap_or("UTC"));
        self.pair("language", word(config.language));
        if let Some(publish) = &config.publish {
            self.pair("publish.url", without_password(&publish.url));
            if let Some(title) = &publish.title {
                self.pair("publish.title", &**title);
            }
            self.pair("publish.every", format!("{:#}", publish.every));
        }
        if !config.notify.is_empty() {
            self.pair("notify", names(&config.notify));
        }
    }

    fn channel(&mut self, name: &ChannelName, channel: &ChannelConfig) {
        self.line(&format!("\n[channels.{name}]"));
        match &channel.options {
            ChannelOptions::Slack(_) => {
                let key = if self.is_said(name, "slack.url") { "slack.url" } else { "slack" };
                self.secret(name, "slack", key);
            }
            ChannelOptions::Email(email) => self.email(name, email),
            ChannelOptions::Webhook(webhook) => self.webhook(name, webhook),
            ChannelOptions::Command(command) => self.command(command),
        }
        self.pair("language", word(channel.language));
        if !channel.digest {
            self.pair("digest", false);
        }
    }

    fn email(&mut self, name: &ChannelName, email: &EmailOptions) {
        self.pair("email.to", email.to.clone());
        self.pair("email.from", &*email.from);
        // Nobody knows it yet, and nothing of it.
        if self.reference(name, "email.server") == email.host {
            self.pair("email.server", &*email.host);
            if email.login.is_some() {
                self.secret(name, "email.password", "email.password");
            }
            return;
        }
        self.pair("email.host", &*email.host);
        self.pair("email.port", i64::from(email.port));
        let tls = match email.tls {
            Tls::None => "none",
            Tls::StartTls => "starttls",
            Tls::Implicit => "implicit",
        };
        self.pair("email.tls", tls);
        if let Some((username, _)) = &email.login {
            self.pair("email.username", &**username);
            self.secret(name, "email.password", "email.password");
        }
        if let Some(path) = &email.ca_file {
            self.pair("email.ca_file", path.display().to_string());
        }
    }

    fn webhook(&mut self, name: &ChannelName, webhook: &WebhookOptions) {
        let key = if self.is_said(name, "webhook.url") { "webhook.url" } else { "webhook" };
        self.secret(name, "webhook.url", key);
        for (header, _) in &webhook.headers {
            let shown = self.reference(name, &format!("webhook.headers.{header}"));
            let header = if is_plain_header(header) { header } else { "***" };
            self.pair(&format!("webhook.headers.{}", quoted(header)), shown);
        }
        if webhook.signing_key.is_some() {
            self.secret(name, "webhook.signing_key", "webhook.signing_key");
        }
        if let Some(body) = &webhook.body {
            self.pair("webhook.body", &**body);
        }
        self.pair("webhook.content_type", &*webhook.content_type);
    }

    fn command(&mut self, command: &CommandOptions) {
        self.pair("command", command.command.clone());
        self.pair(
            "timeout",
            format!("{:#}", jiff::SignedDuration::try_from(command.timeout).unwrap_or_default()),
        );
    }

    fn job(&mut self, slug: &Slug, configured: &ConfiguredJob, now: Timestamp) {
        let job = &configured.job;
        self.line(&format!("\n[jobs.{slug}]"));
        self.schedule(&configured.spec.schedule);
        self.line(&next_due(configured, now));
        self.limits(&job.limits);
        if let Some(remind) = job.remind {
            self.pair("remind", format!("{remind:#}"));
        }
        self.pair("notify", names(&job.channels));
        for (key, text) in [("description", &job.description), ("runbook", &job.runbook)] {
            if let Some(text) = text {
                self.pair(key, &**text);
            }
        }
        if let Some(since) = job.expected_from {
            self.pair("since", since.to_string());
        }
        self.object(configured);
        self.pings(job.pings.as_ref());
        self.served(configured);
    }

    fn schedule(&mut self, schedule: &ScheduleSpec) {
        for (key, text) in [("every", &schedule.every), ("tz", &schedule.tz)] {
            if let Some(text) = text {
                self.pair(key, &**text);
            }
        }
        for (key, texts) in [("cron", &schedule.cron), ("on_calendar", &schedule.on_calendar)] {
            match texts.as_slice() {
                [] => {}
                [one] => self.pair(key, &**one),
                many => self.pair(key, many.to_vec()),
            }
        }
        if let Some(scheduler) = schedule.scheduler.and_then(|scheduler| Value::try_from(scheduler).ok()) {
            self.pair("scheduler", scheduler);
        }
    }

    fn limits(&mut self, limits: &Limits) {
        let lengths = [
            ("grace", Some(limits.grace)),
            ("start_within", limits.start_within),
            ("max_runtime", limits.max_runtime),
            ("min_runtime", limits.min_runtime),
            ("early", Some(limits.early)),
        ];
        for (key, length) in lengths {
            if let Some(length) = length {
                self.pair(key, format!("{length:#}"));
            }
        }
        self.pair("failures", i64::from(limits.failures));
        self.pair("recoveries", i64::from(limits.recoveries));
        let codes: Vec<i64> = limits.clean_exit.iter().copied().map(i64::from).collect();
        self.pair("clean_exit", codes);
    }

    fn pings(&mut self, rules: Option<&PingRules>) {
        let Some(rules) = rules else { return };
        self.pair("pings.only_post", rules.only_post);
        for (key, words) in [("fail", &rules.fail), ("success", &rules.success), ("start", &rules.start)] {
            if !words.is_empty() {
                self.pair(&format!("pings.{key}"), words.clone());
            }
        }
        let places = [("in_body", Place::Body), ("in_subject", Place::Subject), ("in_mail", Place::Mail)];
        for (key, place) in places.iter().filter(|_| !rules.look_in.is_empty()) {
            self.pair(&format!("pings.{key}"), rules.look_in.contains(place));
        }
        if !rules.look_in.is_empty() {
            self.pair("pings.otherwise", if rules.otherwise.is_ignore() { "ignore" } else { "fail" });
        }
    }

    fn object(&mut self, configured: &ConfiguredJob) {
        let Some(object) = &configured.object else { return };
        self.pair("object", object.to_string());
        if let Some(size) = object.min_size {
            self.pair("min_size", size_value(size));
        }
        if let Some(age) = object.max_age {
            self.pair("max_age", format!("{age:#}"));
        }
        if let Some(count) = object.min_count {
            self.pair("min_count", i64::from(count));
        }
        if object.changed {
            self.pair("changed", true);
        }
        match object.shrink_at_most {
            Some(Shrink::Bytes(bytes)) => self.pair("shrink_at_most", size_value(bytes)),
            Some(share) => self.pair("shrink_at_most", share.to_string()),
            None => {}
        }
    }

    fn rest(&mut self) {
        let (checker, run) = (&self.config.checker, &self.config.run);
        self.line("\n[checker]");
        if let Some(name) = &checker.name {
            self.pair("name", name.as_str());
        }
        if let Some(interval) = checker.interval {
            self.pair("interval", format!("{interval:#}"));
        }
        if checker.adaptive {
            self.pair("adaptive", true);
        }
        if checker.heartbeat.is_some() {
            let shown = self.shown("checker.heartbeat");
            self.pair("heartbeat", shown);
        }
        self.line("\n[run]");
        self.pair("mask_env", run.mask_env.clone());
        for (key, size) in [("capture_head", run.capture_head), ("capture_tail", run.capture_tail)] {
            if let Some(size) = size.and_then(|size| i64::try_from(size).ok()) {
                self.pair(key, size);
            }
        }
        if let Some(limit) = run.report_timeout.and_then(|limit| jiff::SignedDuration::try_from(limit).ok()) {
            self.pair("report_timeout", format!("{limit:#}"));
        }
    }

    fn is_said(&self, name: &ChannelName, key: &str) -> bool {
        self.config.references.contains_key(&format!("channels.{name}.{key}"))
    }

    fn reference(&self, name: &ChannelName, key: &str) -> String {
        self.shown(&format!("channels.{name}.{key}"))
    }

    fn shown(&self, path: &str) -> String {
        self.config.references.get(path).cloned().unwrap_or_else(|| "***".into())
    }

    fn secret(&mut self, name: &ChannelName, shown_as: &str, key: &str) {
        let shown = self.reference(name, key);
        self.pair(shown_as, shown);
    }

    fn pair(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        writeln!(self.text, "{key} = {value}").expect("a String takes everything");
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn next_due(configured: &ConfiguredJob, now: Timestamp) -> String {
    let schedule = &configured.job.schedule;
    if schedule.in_words().is_none() {
        return "# no schedule: judged by what it reports".into();
    }
    if configured.spec.schedule.every.is_some() {
        return "# next due: that long after the last success".into();
    }
    match schedule.next_due(now, now) {
        Some(due) => format!(
            "# next due: {}",
            due.to_zoned_datetime(schedule.time_zone().clone()).strftime("%Y-%m-%d %H:%M:%S %:z %Z")
        ),
        None => "# never due again".into(),
    }
}

fn names(channels: &[ChannelName]) -> Vec<String> {
    channels.iter().map(ToString::to_string).collect()
}

fn word(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Ja => "ja",
    }
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}

/// A URL may hold a password, which is nobody's business.
fn without_password(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    if parsed.password().is_none() || parsed.set_password(Some("***")).is_err() {
        return url.to_owned();
    }
    parsed.to_string()
}

/// A size as it can be read again: numbers are accepted up to a limit, texts are not limited.
fn size_value(size: u64) -> Value {
    u32::try_from(size).map_or_else(|_| Value::from(size.to_string()), |size| Value::from(i64::from(size)))
}
