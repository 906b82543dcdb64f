//! `tenko.toml`: what was written, and what it means.
//!
//! The file is read in two stages. First its keys and the kinds of its values are compared with one set of tables, from
//! which the schema is made too; then values get their meaning. Both go on after an error, so that all errors are
//! reported at once, each with its place.

mod channels;
mod example;
mod fetch;
mod find;
mod jobs;
mod keys;
mod mail;
mod nearest;
mod object;
mod parse;
mod pending;
mod pings;
mod problem;
mod publish;
mod read;
mod schema;
mod server;
mod shape;
mod show;
mod source;
mod sources;
mod suspicion;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tenko_core::message::Language;
use tenko_core::{ChannelName, Job, JobSpec, Slug, SourceName};
use tenko_store::open::OpenOptions;
use uuid::Uuid;

use crate::notify::options::ChannelConfig;
use crate::secret::Secret;

pub use example::example;
pub use nearest::nearest;
pub use object::{Keys, PlainObject, TemplateError};
pub use pending::Pending;
pub use problem::ConfigErrors;
pub use schema::schema;
pub use server::{
    MailOptions, MetricsOptions, SaidError, ServerOptions, TlsFiles, listen_address, prefix, public_url,
};
pub use show::show;

/// Which secrets were said by reference: from the path of a key, such as `channels.ops.slack`, to `env:NAME`.
pub type References = BTreeMap<String, String>;

/// A configuration: nothing in it can be wrong any more, and secrets have been read, unless they are `pending`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The URL of the store; the caller's default, if `None`.
    pub store: Option<String>,
    /// In which zone schedules are read that name none.
    pub time_zone: TimeZone,
    /// The language of channels that name none.
    pub language: Language,
    /// The channels of jobs that name none.
    pub notify: Vec<ChannelName>,
    /// What holds for jobs that do not say otherwise.
    pub defaults: JobSpec,
    /// Where notices go.
    pub channels: BTreeMap<ChannelName, ChannelConfig>,
    /// What is expected to run.
    pub jobs: BTreeMap<Slug, ConfiguredJob>,
    /// The roll call itself.
    pub checker: CheckerOptions,
    /// The wrapper.
    pub run: RunOptions,
    /// Where a status page is written, if one is.
    pub publish: Option<PublishOptions>,
    /// The server.
    pub server: ServerOptions,
    /// The URLs of stores that others write into and a server reads too, by name.
    pub sources: BTreeMap<SourceName, String>,
    /// The file that it was read from.
    pub source: Option<PathBuf>,
    /// What is probably not meant, each with its place, as a person reads it.
    pub warnings: Vec<String>,
    /// Which secrets were said by reference.
    pub references: References,
    /// What has to be asked for before anybody can be told; see [`fetched`](crate::aws::secrets::fetched).
    pub pending: Option<Arc<Pending>>,
}

/// A job of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredJob {
    /// What is expected of it.
    pub job: Job,
    /// What was said about it, completed by the defaults.
    pub spec: JobSpec,
    /// The object that is its evidence, if no wrapper reports for it.
    pub object: Option<PlainObject>,
    /// The source in which its evidence lies, if that is not the store.
    pub source: Option<SourceName>,
    /// The UUID in its ping URL, if it has to be a certain one.
    pub uuid: Option<Uuid>,
}

/// What concerns the roll call itself.
#[derive(Clone, Debug, Default)]
pub struct CheckerOptions {
    /// A URL that is asked for after each completed roll call.
    pub heartbeat: Option<Secret>,
    /// How often the roll is expected to be called.
    pub interval: Option<SignedDuration>,
    /// The name under which each complete roll call leaves evidence of itself.
    pub name: Option<Slug>,
    /// Whether the Lambda function moves its next call to when there is something to decide; elsewhere without effect.
    pub adaptive: bool,
    /// How the buckets of plain objects are opened; no file says so, it is for whoever calls the roll as a library.
    pub objects: OpenOptions,
}

/// What concerns the wrapper.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The environment variables whose values are masked in evidence.
    pub mask_env: Vec<String>,
    /// How much is kept of the beginning of the output, in bytes.
    pub capture_head: Option<usize>,
    /// How much is kept of the end of the output, in bytes.
    pub capture_tail: Option<usize>,
    /// How long reporting may take after the job.
    pub report_timeout: Option<Duration>,
}

/// What concerns the status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishOptions {
    /// The bucket or directory in which it is written.
    pub url: String,
    /// Its title, if it has one of its own.
    pub title: Option<String>,
    /// How old it may become although nothing changed.
    pub every: SignedDuration,
}

impl PublishOptions {
    /// How old a page may become if nobody says otherwise.
    pub const EVERY: SignedDuration = SignedDuration::from_hours(1);
}

/// What a configuration may ask of the world around it.
#[expect(missing_debug_implementations, reason = "it holds functions")]
pub struct Outside<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Whether every user of the machine may read the configuration.
    pub exposed: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: None,
            time_zone: TimeZone::UTC,
            language: Language::default(),
            notify: Vec::new(),
            defaults: JobSpec::default(),
            channels: BTreeMap::new(),
            jobs: BTreeMap::new(),
            checker: CheckerOptions::default(),
            run: RunOptions::default(),
            publish: None,
            server: ServerOptions::default(),
            sources: BTreeMap::new(),
            source: None,
            warnings: Vec::new(),
            references: References::new(),
            pending: None,
        }
    }
}

impl Config {
    /// Reads the configuration: the file `explicit`, or that of `$TENKO_CONFIG`, or the text in `$TENKO_CONFIG_TOML`, or
    /// `./tenko.toml`, or `/etc/tenko/tenko.toml`. `None` if nothing is named and neither place has one.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn load(explicit: Option<&Path>) -> Result<Option<Self>, ConfigErrors> {
        let (config, errors) = Self::load_what_can_be(explicit);
        errors.map_or(Ok(config), Err)
    }

    /// Like [`load`](Self::load), for whoever goes on whatever is wrong: the jobs and channels without errors are there,
    /// and the errors beside them.
    pub fn load_what_can_be(explicit: Option<&Path>) -> (Option<Self>, Option<ConfigErrors>) {
        let found = match find::find(explicit) {
            Ok(Some(found)) => found,
            Ok(None) => return (None, None),
            Err(errors) => return (None, Some(errors)),
        };
        let env = |name: &str| std::env::var(name).ok();
        let outside = Outside { env: &env, read_file: &find::read_secret, exposed: found.exposed };
        let (config, errors) = Self::parse_what_can_be(&found.text, &found.path, &outside);
        (Some(config), errors)
    }

    /// Reads a configuration from its text. `path` is named in errors.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(text: &str, path: &Path, outside: &Outside<'_>) -> Result<Self, ConfigErrors> {
        let (config, errors) = Self::parse_what_can_be(text, path, outside);
        errors.map_or(Ok(config), Err)
    }

    /// Like [`parse`](Self::parse); what has no errors is there in any case.
    pub fn parse_what_can_be(text: &str, path: &Path, outside: &Outside<'_>) -> (Self, Option<ConfigErrors>) {
        parse::parse(text, path, outside, None)
    }
}
