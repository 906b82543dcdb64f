//! TEMP types until the config branch lands.
use crate::notify::options::ChannelConfig;
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenko_core::{ChannelName, Job, JobSpec, Slug};
#[derive(Clone, Debug)]
pub struct Config {
    pub store: Option<String>,
    pub time_zone: TimeZone,
    pub notify: Vec<ChannelName>,
    pub defaults: JobSpec,
    pub channels: BTreeMap<ChannelName, ChannelConfig>,
    pub jobs: BTreeMap<Slug, ConfiguredJob>,
    pub checker: CheckerOptions,
    pub run: RunOptions,
    pub source: Option<PathBuf>,
    pub warnings: Vec<String>,
}
#[derive(Clone, Debug)]
pub struct ConfiguredJob {
    pub job: Job,
    pub object: Option<PlainObject>,
}
#[derive(Clone, Debug)]
pub struct PlainObject {
    base: String,
    pub min_size: Option<u64>,
    pub max_age: Option<SignedDuration>,
}
impl PlainObject {
    pub fn base(&self) -> &str {
        &self.base
    }
    pub fn key(&self, _due: Timestamp, _zone: &TimeZone) -> String {
        String::new()
    }
    pub fn is_dated(&self) -> bool {
        true
    }
}
#[derive(Clone, Debug, Default)]
pub struct CheckerOptions {
    pub heartbeat: Option<Secret>,
    pub interval: Option<SignedDuration>,
    pub name: Option<Slug>,
}
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    pub mask_env: Vec<String>,
    pub capture_head: Option<usize>,
    pub capture_tail: Option<usize>,
    pub report_timeout: Option<Duration>,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ConfigErrors;
impl Config {
    pub fn load(_p: Option<&Path>) -> Result<Option<Self>, ConfigErrors> {
        Ok(None)
    }
}
pub fn nearest<'a>(_name: &str, _all: impl Iterator<Item = &'a str>) -> Option<String> {
    None
}
pub fn example() -> String {
    String::new()
}
pub fn schema() -> String {
    String::new()
}
pub fn show(_c: &Config, _now: Timestamp) -> String {
    String::new()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: None,
            time_zone: TimeZone::UTC,
            notify: vec![],
            defaults: JobSpec::default(),
            channels: BTreeMap::new(),
            jobs: BTreeMap::new(),
            checker: CheckerOptions::default(),
            run: RunOptions::default(),
            source: None,
            warnings: vec![],
        }
    }
}
