//! All keys of a configuration: what each may hold, and what it means. The reader, the schema and the example are made
//! from or tested against these tables.

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What it means, in a sentence or two.
    pub(super) doc: &'static str,
}

/// What a key may hold.
pub(super) enum Form {
    /// A string.
    Text,
    /// A string such as `30m`.
    Duration,
    /// A number of bytes, or a string such as `10kB`.
    Size,
    /// A percentage as a string such as `20%`, or a size.
    Shrink,
    /// `true` or `false`.
    Flag,
    /// A string that may be a secret, or say where one is.
    Secret,
    /// A string or a list of strings.
    Texts,
    /// A list of strings.
    List,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A whole number within limits.
    Number(u32, u32),
    /// A list of exit codes.
    Codes,
    /// A date or an instant, as a TOML date or a string.
    Moment,
    /// A table with these keys.
    Table(&'static [Key]),
    /// The short form, or a table with these keys.
    Short(&'static Form, &'static [Key]),
    /// A table of tables with these keys, by name.
    Named(&'static [Key]),
    /// A table of secrets, by any name.
    Secrets,
}

const fn key(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, doc }
}

pub(super) const LANGUAGES: &[&str] = &["en", "ja"];
pub(super) const SCHEDULERS: &[&str] = &["cron", "systemd", "eventbridge", "kubernetes"];
pub(super) const TLS: &[&str] = &["none", "starttls", "implicit"];

/// The keys at the top.
pub(super) static TOP: &[Key] = &[
    key(
        "store",
        Form::Text,
        "URL of the store: sqlite:///path, file:///dir, s3://bucket/prefix, gs://, az://, postgres://. Default: SQLite in the state directory.",
    ),
    key(
        "timezone",
        Form::Text,
        "The time zone in which schedules are read and times are shown, by its IANA name. Default: UTC.",
    ),
    key("language", Form::Choice(LANGUAGES), "The language of notices. Default: en."),
    key("notify", Form::Texts, "The channels that are told about jobs that name none."),
    key("defaults", Form::Table(DEFAULTS), "What holds for every job that does not say otherwise."),
    key("channels", Form::Named(CHANNEL), "Where notices go, by name."),
    key("jobs", Form::Named(JOB), "What is expected to run, by name."),
    key("checker", Form::Table(CHECKER), "The roll call itself."),
    key("run", Form::Table(RUN), "The wrapper, tenko run."),
    key(
        "publish",
        Form::Short(&Form::Text, PUBLISH),
        "Where each roll call writes a status page: s3://bucket/prefix, gs://, az://, file:///dir.",
    ),
];

static PUBLISH: &[Key] = &[
    key("url", Form::Text, "Where the page is written: s3://bucket/prefix, gs://, az://, file:///dir."),
    key("title", Form::Text, "The title of the page. Default: Tenko."),
    key("every", Form::Duration, "It is written at least this often, also if nothing changed. Default: 1h."),
];

macro_rules! job_keys {
    ($($more:expr),* $(,)?) => {
        &[
            key("every", Form::Duration, "Due this long after the last success, again and again."),
            key("cron", Form::Texts, "Due as crontab(5) says, or EventBridge's cron(...) and rate(...). Several as a list."),
            key("on_calendar", Form::Texts, "Due as OnCalendar= of systemd.time(7) says. Several as a list."),
            key("tz", Form::Text, "The time zone of the schedule, by its IANA name. Default: timezone."),
            key("scheduler", Form::Choice(SCHEDULERS), "Which scheduler really starts it, if not the one whose syntax is used: its rule for clock changes applies."),
            key("grace", Form::Duration, "How long after the due a success may arrive. Default: 1h."),
            key("start_within", Form::Duration, "How long after the due a run must have begun."),
            key("max_runtime", Form::Duration, "How long a run may take."),
            key("min_runtime", Form::Duration, "A success quicker than this is not believed."),
            key("early", Form::Duration, "An answer this long before the due counts. Default: 1m."),
            key("failures", Form::Number(1, 20), "So many bad answers in a row turn it down. Default: 1."),
            key("recoveries", Form::Number(1, 20), "So many good answers in a row turn it up again. Default: 1."),
            key("clean_exit", Form::Codes, "The exit codes that count as success. Default: [0]."),
            key("remind", Form::Duration, "Remind this often while it stays down. Default: never."),
            key("notify", Form::Texts, "The channels that are told."),
            key("description", Form::Text, "What it is, in one line, shown in notices."),
            key("runbook", Form::Text, "Where to read what to do when it is down, shown in notices."),
            $($more),*
        ]
    };
}

static DEFAULTS: &[Key] = job_keys!();
pub(super) static JOB: &[Key] = job_keys!(
    key(
        "since",
        Form::Moment,
        "From when on it is expected: a date in its zone, or an RFC 3339 instant. Default: the first roll call."
    ),
    key(
        "object",
        Form::Text,
        "URL of an object that something else writes, as its evidence: {date} and {%Y/%m/%d} are the due in its zone; behind the last slash * is any text and ? any character."
    ),
    key("min_size", Form::Size, "A smaller object is bad evidence."),
    key(
        "max_age",
        Form::Duration,
        "An object that was written so long before the due, or later, answers it; an older one is bad evidence."
    ),
    key(
        "min_count",
        Form::Number(1, 100_000),
        "So many objects that match make an answer; fewer are bad evidence."
    ),
    key(
        "changed",
        Form::Flag,
        "Whether an object with the content of the one before is bad evidence. Default: false."
    ),
    key(
        "shrink_at_most",
        Form::Shrink,
        "An object that is smaller than the last good one by more is bad evidence: \"20%\", or a size."
    ),
);

pub(super) static CHANNEL: &[Key] = &[
    key("slack", Form::Short(&Form::Secret, SLACK), "A Slack incoming webhook, by its URL."),
    key("email", Form::Table(EMAIL), "E-mail by SMTP."),
    key("webhook", Form::Short(&Form::Secret, WEBHOOK), "Any HTTP endpoint, by its URL."),
    key(
        "command",
        Form::List,
        "A program and its arguments; it gets the notice as JSON on standard input. No shell is involved.",
    ),
    key("timeout", Form::Duration, "How long the command may take. Default: 30s."),
    key("language", Form::Choice(LANGUAGES), "The language of this channel. Default: that at the top."),
];

static SLACK: &[Key] = &[key("url", Form::Secret, "The webhook's URL.")];

static EMAIL: &[Key] = &[
    key("to", Form::Texts, "Who gets it."),
    key("from", Form::Text, "Who it is from: address, or Name <address>."),
    key(
        "server",
        Form::Secret,
        "The server as smtp://USER@HOST:PORT (STARTTLS) or smtps://... (TLS from the first byte).",
    ),
    key("host", Form::Text, "The server's host, in place of server."),
    key(
        "port",
        Form::Number(1, 65535),
        "The server's port. Default: 587, or 465 with tls = \"implicit\", or 25 with \"none\".",
    ),
    key(
        "tls",
        Form::Choice(TLS),
        "How the connection is protected. Default: starttls, and no mail without it.",
    ),
    key("username", Form::Text, "The name to log in with."),
    key("password", Form::Secret, "The password to log in with."),
    key("ca_file", Form::Text, "A file of PEM certificates to trust in place of the system's."),
];

static WEBHOOK: &[Key] = &[
    key("url", Form::Secret, "The URL that gets a POST."),
    key("headers", Form::Secrets, "More headers."),
    key("signing_key", Form::Secret, "Signs the body as Standard Webhooks do: whsec_..., or any text."),
    key("body", Form::Text, "A template of the body, in place of the notice as JSON."),
    key("content_type", Form::Text, "The media type of the body. Default: application/json."),
];

static CHECKER: &[Key] = &[
    key(
        "name",
        Form::Text,
        "Its name. Each complete roll call leaves evidence under it, so that the checker is a job that can be watched.",
    ),
    key(
        "interval",
        Form::Duration,
        "How often the roll is expected to be called; tenko watch sleeps no longer.",
    ),
    key(
        "heartbeat",
        Form::Secret,
        "A URL that is asked for after each completed roll call, so that somebody notices when none is.",
    ),
    key(
        "adaptive",
        Form::Flag,
        "Whether the Lambda function moves its own next call to when there is something to decide. Default: false.",
    ),
];

static RUN: &[Key] = &[
    key("mask_env", Form::List, "The environment variables whose values are masked in evidence."),
    key("capture_head", Form::Size, "How much is kept of the beginning of the output. Default: 2048."),
    key("capture_tail", Form::Size, "How much is kept of the end of the output. Default: 8192."),
    key("report_timeout", Form::Duration, "How long reporting may take after the job. Default: 10s."),
];
