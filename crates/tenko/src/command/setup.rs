//! What most commands start from: configuration, store, channels.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tenko_core::{Job, JobState, Roll, Slug};
use tenko_store::open::{self, OpenOptions};
use tenko_store::retry::RetryingStore;
use tenko_store::{SharedStore, Snapshot};

use crate::aws::secrets;
use crate::checker::{self, Checker, SystemClock};
use crate::cli::Common;
use crate::config::Config;
use crate::error::CommandError;
use crate::notify::Channels;
use crate::report;
use crate::{place, printer};

/// For how long one call of a store is tried again, if that may help.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Configuration and where this machine keeps its things.
#[derive(Debug)]
pub struct Setup {
    /// The configuration; the default one if there is none.
    pub config: Arc<Config>,
    /// The URL of the store.
    pub store_url: String,
    /// Where this machine keeps its things.
    pub state_dir: PathBuf,
}

impl Setup {
    /// Reads the configuration. All its errors are reported at once. Of warnings nothing is said: cron would mail them
    /// for ever, see [`remark_warnings`](Self::remark_warnings).
    pub fn load(common: &Common) -> Result<Self, CommandError> {
        let config = Config::load(common.config.as_deref()).map_err(CommandError::usage)?.unwrap_or_default();
        let state_dir = place::state_dir();
        let store_url = common.store.clone().or_else(|| config.store.clone());
        let store_url = store_url.unwrap_or_else(|| place::default_store(&state_dir));
        Ok(Self { config: Arc::new(config), store_url, state_dir })
    }

    /// Reads of the configuration what can be read, for whoever leaves evidence: that is not to be lost because of a
    /// mistake elsewhere in the file. What is wrong is said. If it can't be told which store is meant, evidence waits.
    pub fn load_to_report(common: &Common) -> Self {
        let (config, errors) = Config::load_what_can_be(common.config.as_deref());
        let config = config.unwrap_or_default();
        let state_dir = place::state_dir();
        let said = common.store.clone().or_else(|| config.store.clone());
        let unsaid = || match &errors {
            Some(_) => report::CONFIGURED.to_owned(),
            None => place::default_store(&state_dir),
        };
        let store_url = said.unwrap_or_else(unsaid);
        if let Some(errors) = errors {
            printer::complain(&CommandError::usage(errors));
        }
        Self { config: Arc::new(config), store_url, state_dir }
    }

    /// Says on standard error what is probably not meant in the configuration.
    pub fn remark_warnings(&self) {
        for warning in &self.config.warnings {
            printer::remark(warning);
        }
    }

    /// Opens the store.
    pub async fn open_store(&self) -> Result<SharedStore, CommandError> {
        let store = open::open(&self.store_url, &OpenOptions::default()).await?;
        Ok(Arc::new(RetryingStore::new(store, RETRY_FOR)))
    }

    /// Everything that a roll call needs, with the secrets.
    pub async fn checker(&self) -> Result<Checker, CommandError> {
        let config = secrets::fetched(&self.config).await?;
        let channels = Channels::open(&config.channels);
        Ok(Checker { config, channels, ..self.judge().await? })
    }

    /// The same for whoever only judges and tells nobody.
    pub async fn judge(&self) -> Result<Checker, CommandError> {
        Ok(Checker {
            config: Arc::clone(&self.config),
            store: self.open_store().await?,
            channels: Channels::default(),
            clock: Arc::new(SystemClock),
            state_dir: Some(self.state_dir.clone()),
        })
    }

    /// What is known of all jobs.
    pub async fn known(&self) -> Result<Known, CommandError> {
        Known::read(&self.judge().await?).await
    }
}

/// What is known of all jobs.
#[derive(Debug)]
pub struct Known {
    /// The store.
    pub store: SharedStore,
    /// The roll as the last roll call left it.
    pub snapshot: Snapshot,
    /// The same, as the evidence and the time since then leave it; not for storing.
    pub roll: Roll,
    /// The jobs.
    pub jobs: std::collections::BTreeMap<Slug, Job>,
    /// When it was read.
    pub now: Timestamp,
}

impl Known {
    /// Reads it.
    pub async fn read(checker: &Checker) -> Result<Self, CommandError> {
        let snapshot = checker.store.load().await?;
        let (now, _) = checker.in_step(Timestamp::now());
        let (roll, jobs) = checker::up_to_now(checker, snapshot.roll.clone(), now).await?;
        Ok(Self { store: Arc::clone(&checker.store), snapshot, roll, jobs, now })
    }

    /// One job and its state, as far as there is one; an error with the names of others if it is not known.
    pub fn job(&self, name: &str) -> Result<(&Job, Option<&JobState>), CommandError> {
        let Some((slug, job)) = self.jobs.get_key_value(name) else {
            return Err(no_job(name, self.jobs.keys(), &self.store.url()));
        };
        Ok((job, self.roll.states.get(slug)))
    }
}

/// A job that is not known; perhaps another is meant.
pub(super) fn no_job<'a>(name: &str, known: impl Iterator<Item = &'a Slug>, store: &str) -> CommandError {
    let error = CommandError::usage(format!("there is no job {name:?} in the configuration or in {store}"));
    match crate::config::nearest(name, known.map(Slug::as_str)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("tenko jobs lists all jobs"),
    }
}
