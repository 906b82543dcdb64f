//! What is kept between invocations: the configuration, the secrets, the clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenko_store::MemoryStore;
use tenko_store::open::{self, OpenOptions};
use tenko_store::retry::RetryingStore;

use super::deadline::Deadline;
use super::variable;
use super::wake_up::WakeUp;
use crate::aws::secrets;
use crate::checker::{Checker, SystemClock};
use crate::config::Config;
use crate::error::CommandError;
use crate::notify::Channels;

/// After this time everything is read again: a configuration may have changed, a secret too.
const LASTS: Duration = Duration::from_secs(3600);

/// Everything that a roll call needs.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) checker: Checker,
    /// If the wake-up is to be moved: by what, or why it can't be.
    pub(super) wake_up: Option<Result<WakeUp, String>>,
    since: Instant,
}

impl Ready {
    /// Reads the configuration and prepares the store. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// All that is wrong with the configuration, or that nothing says where the store is.
    pub(super) async fn prepare(deadline: Deadline) -> Result<Self, CommandError> {
        let config = Config::load(config_file().as_deref()).map_err(CommandError::usage)?.unwrap_or_default();
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let Some(url) = variable("TENKO_STORE").or_else(|| config.store.clone()) else {
            return Err(CommandError::usage("nothing says where the store is")
                .hint("set TENKO_STORE, or write store = \"s3://BUCKET/PREFIX\" into the configuration (TENKO_CONFIG, TENKO_CONFIG_TOML, or tenko.toml in the package)"));
        };
        let options = OpenOptions { per_request: Some(deadline.per_request()), ..OpenOptions::default() };
        let store = open::open(&url, &options).await?;
        let config = secrets::fetched(&Arc::new(config)).await?;
        let checker = Checker {
            channels: Channels::open(&config.channels),
            config,
            store: Arc::new(RetryingStore::new(store, deadline.store_retries())),
            clock: Arc::new(SystemClock),
            state_dir: Some(state_dir()),
        };
        let wake_up = checker.config.checker.adaptive.then(WakeUp::from_env);
        Ok(Self { checker, wake_up, since: Instant::now() })
    }

    /// Lets go of what a store that forgets has kept since the last invocation, so that a warm function decides as a cold
    /// one does.
    pub(super) fn forget(&mut self) {
        if self.checker.store.forgets() {
            self.checker.store = Arc::new(MemoryStore::that_forgets());
        }
    }

    /// Whether it is time to read everything again.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() > LASTS
    }
}

/// A path is one in the package, which need not be the working directory. `None` leaves it to the usual places.
fn config_file() -> Option<PathBuf> {
    let package = PathBuf::from(variable("LAMBDA_TASK_ROOT")?);
    match variable("TENKO_CONFIG") {
        Some(url) if url.contains("://") => Some(url.into()),
        Some(path) => Some(package.join(path)),
        None if variable("TENKO_CONFIG_TOML").is_some() => None,
        None => Some(package.join("tenko.toml")).filter(|path| path.exists()),
    }
}

/// Only there can a function write, and only as long as it is warm.
fn state_dir() -> PathBuf {
    variable("TENKO_STATE_DIR").map_or_else(|| Path::new("/tmp/tenko").to_owned(), PathBuf::from)
}
