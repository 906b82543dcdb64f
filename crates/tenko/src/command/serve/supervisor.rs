//! systemd, if it is the one who started the server: told when there is something to hear, and fed while the process moves.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is looked how it is, where no watchdog asks.
const LOOK: Duration = Duration::from_secs(10);

/// What it gets at one turn.
#[derive(Debug, PartialEq, Eq)]
struct Meal {
    /// Whether the watchdog is fed.
    food: bool,
    /// What is said for people to read, if it is something new.
    status: Option<String>,
}

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

    /// Lets the watchdog know that the process moves, and everybody if it does not, or is not ready. A store that is away
    /// does not starve the watchdog: a new start would not bring it back.
    pub(super) fn feed(&mut self, alive: Result<(), String>, ready: Result<(), String>) {
        let Meal { food, status } = self.meal(alive, ready);
        if food {
            tell(&[NotifyState::Watchdog]);
        }
        if let Some(status) = status {
            tell(&[NotifyState::Status(&status)]);
        }
    }

    fn meal(&mut self, alive: Result<(), String>, ready: Result<(), String>) -> Meal {
        let food = self.has_watchdog && alive.is_ok();
        let problem = alive.and(ready).err();
        if problem == self.said {
            return Meal { food, status: None };
        }
        match &problem {
            Some(problem) => tracing::error!("not ready: {problem}"),
            None => tracing::info!("ready again"),
        }
        self.said.clone_from(&problem);
        Meal { food, status: Some(problem.unwrap_or_else(|| "ready".into())) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_is_away_is_said_and_starves_nobody_and_a_part_that_hangs_does() {
        let mut supervisor = Supervisor { has_watchdog: true, turns: interval(LOOK), said: None };
        let mut meal = |alive: Result<(), &str>, ready: Result<(), &str>| {
            supervisor.meal(alive.map_err(str::to_owned), ready.map_err(str::to_owned))
        };
        let fed = |food, status: Option<&str>| Meal { food, status: status.map(str::to_owned) };
        assert_eq!(meal(Ok(()), Ok(())), fed(true, None));
        assert_eq!(meal(Ok(()), Err("no store")), fed(true, Some("no store")));
        assert_eq!(meal(Ok(()), Err("no store")), fed(true, None));
        assert_eq!(meal(Err("intake hangs"), Err("no store")), fed(false, Some("intake hangs")));
        assert_eq!(meal(Err("intake hangs"), Ok(())), fed(false, None));
        assert_eq!(meal(Ok(()), Ok(())), fed(true, Some("ready")));
    }
}
