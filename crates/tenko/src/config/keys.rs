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
pub(super) const OTHERWISE: &[&str] = &["ignore", "fail"];
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
    key("server", Form::Table(SERVER), "The server, tenko serve."),
    key(
        "sources",
        Form::Named(SOURCE),
        "Stores that others write into, of which the server calls the roll too, by name.",
    ),
];

/// What the numbers below are at most.
pub(super) const MOST_CONNECTIONS: u32 = 1_000_000;
pub(super) const MOST_PINGS: u32 = 1_000_000_000;
pub(super) const MOST_CREATED: u32 = 10_000_000;
pub(super) const MOST_SERIES: u32 = 1_000_000;

static SERVER: &[Key] = &[
    key(
        "listen",
        Form::Texts,
        "Where it listens: ADDRESS:PORT, :PORT for all addresses, or unix:/PATH. Several as a list. Default: 127.0.0.1:8000.",
    ),
    key(
        "url",
        Form::Text,
        "The URL under which others reach it, for ping URLs that are shown. Default: the first address at which it listens.",
    ),
    key(
        "ping_keys",
        Form::Secrets,
        "The keys that may stand in ping URLs, by any names; those of tenko key add count too.",
    ),
    key(
        "trusted_proxies",
        Form::Texts,
        "The addresses of proxies, as prefixes such as 10.0.0.0/8, that are believed what they say about clients. Default: none.",
    ),
    key(
        "ping_at_root",
        Form::Flag,
        "Whether pings are also heard without /ping before them, as at hc-ping.com. Default: false.",
    ),
    key(
        "body_limit",
        Form::Size,
        "How much of the body of a ping is kept, of its beginning and its end. Default: 10kB.",
    ),
    key("retention", Form::Duration, "For how long evidence is kept. Default: 90d."),
    key(
        "tls",
        Form::Table(SERVER_TLS),
        "The certificate with which it speaks TLS itself. Default: it does not.",
    ),
    key(
        "max_connections",
        Form::Number(1, MOST_CONNECTIONS),
        "How many connections it holds at once. Default: 10000.",
    ),
    key(
        "max_connections_per_address",
        Form::Number(1, MOST_CONNECTIONS),
        "How many of one address, trusted proxies apart. Default: 1000.",
    ),
    key(
        "header_timeout",
        Form::Duration,
        "How long a client may take for the first lines of a request, and for the TLS handshake. Default: 10s.",
    ),
    key("body_timeout", Form::Duration, "How long it may take for a body. Default: 30s."),
    key(
        "idle_timeout",
        Form::Duration,
        "For how long a connection is kept on which nothing is asked. Default: 60s.",
    ),
    key(
        "rate_limit",
        Form::Number(1, MOST_PINGS),
        "How many pings a minute are accepted for one job. Default: any number.",
    ),
    key(
        "key_rate_limit",
        Form::Number(1, MOST_PINGS),
        "How many pings a minute are accepted for all jobs together under one ping key. Default: any number.",
    ),
    key(
        "created_jobs_limit",
        Form::Number(0, MOST_CREATED),
        "How many jobs may exist because a ping with create=1 created them. Default: 10000.",
    ),
    key(
        "shutdown_timeout",
        Form::Duration,
        "How long what is under way may take when it is told to stop. Default: 30s.",
    ),
    key("mail", Form::Table(SERVER_MAIL), "Pings by e-mail. Default: off."),
    key(
        "metrics",
        Form::Short(&Form::Flag, SERVER_METRICS),
        "Whether it shows metrics at /metrics, and to whom. Default: true.",
    ),
];

static SERVER_TLS: &[Key] = &[
    key("certificate", Form::Text, "A file of PEM: the certificate and those between it and its root."),
    key("key", Form::Text, "A file of PEM: the private key of the certificate."),
];

static SERVER_MAIL: &[Key] = &[
    key("listen", Form::Text, "Where it listens for SMTP: ADDRESS:PORT, or :PORT for all addresses."),
    key("domain", Form::Text, "The domain of the addresses to which pings are sent."),
];

static SERVER_METRICS: &[Key] = &[
    key("key", Form::Secret, "What a reader must present as a bearer token. Default: anybody may read."),
    key(
        "jobs",
        Form::Number(0, MOST_SERIES),
        "For how many jobs at most there are series of their own. Default: 1000.",
    ),
];

static SOURCE: &[Key] = &[key(
    "url",
    Form::Text,
    "The store: s3://bucket/prefix, gs://, az://, file:///dir. The server calls its roll, and keeps the roll there, as any checker does.",
)];

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
            key("pings", Form::Table(PINGS), "How a server understands its pings, if not by their URL alone."),
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
    key(
        "source",
        Form::Text,
        "The source in which its evidence lies, one of those in sources. Default: the store."
    ),
    key(
        "uuid",
        Form::Text,
        "The UUID in its ping URL, for a job that was pinged elsewhere before. Default: the server gives it one."
    ),
);

static PINGS: &[Key] = &[
    key(
        "only_post",
        Form::Flag,
        "Whether HTTP requests of another method than POST mean nothing. Default: false.",
    ),
    key("fail", Form::Texts, "A ping with one of these words is a failure, whatever its URL says."),
    key("success", Form::Texts, "A ping with one of these words is a success, if it is no failure."),
    key(
        "start",
        Form::Texts,
        "A ping with one of these words is a start, if it is neither failure nor success.",
    ),
    key("otherwise", Form::Choice(OTHERWISE), "What a ping without any of the words is. Default: ignore."),
    key(
        "in_body",
        Form::Flag,
        "Look for the words in bodies of HTTP requests. Default: everywhere, if no place is named.",
    ),
    key("in_subject", Form::Flag, "Look for the words in subjects of mails."),
    key("in_mail", Form::Flag, "Look for the words in texts of mails."),
];

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
    key("digest", Form::Flag, "Whether a server tells many things at once in one message. Default: true."),
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
