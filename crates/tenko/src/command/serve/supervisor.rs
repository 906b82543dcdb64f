//! systemd, if it is the one who started the server: told when there is something to hear, and fed while all is well.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is looked whether all is well, where no watchdog asks.
const LOOK: Duration = Duration::from_secs(10);

/// Whoever watches over the process. Where nobody does, what it is told goes nowhere.
pub(super) struct Supervisor {
    has_watchdog: bool,
    turns: Interval,
    /// What was said last of how it is.
    said: Option<String>,
}

impl Supervisor {
    pub(super) fn find() -> Self {
        let watchdog = sd_notify::watchdog_enabled();
        let mut turns = interval(watchdog.map_or(LOOK, |patience| patience / 3));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { has_watchdog: watchdog.is_some(), turns, said: None }
    }

    /// Returns when it is time to [`feed`](Self::feed) it.
    pub(super) async fn turn(&mut self) {
        self.turns.tick().await;
    }

    /// Lets the watchdog know that all is well, and everybody if it is not.
    pub(super) fn feed(&mut self, well: Result<(), String>) {
        if self.has_watchdog && well.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
        let problem = well.err();
        if problem != self.said {
            match &problem {
                Some(problem) => tracing::error!("not ready: {problem}"),
                None => tracing::info!("ready again"),
            }
            tell(&[NotifyState::Status(problem.as_deref().unwrap_or("ready"))]);
            self.said = problem;
        }
    }

    pub(super) fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub(super) fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        now.map_or_else(|_| tell(&[NotifyState::Reloading]), |now| tell(&[NotifyState::Reloading, now]));
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd can't be told");
    }
}
