//! Delivery: what was claimed is sent, and what became of it is stored.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tenko_core::ChannelName;
use tenko_core::Roll;
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::roll::Changes;
use tenko_store::live::Settled;
use tenko_store::{Commit, ErrorKind, Snapshot, StoreError};
use uuid::Uuid;

use super::{Checker, TRIES, time_left};
use crate::notify::{LATEST, LONGEST};

/// With less time than this left, nothing is begun.
pub(super) const LEAST: Duration = Duration::from_millis(500);
/// How often the outbox is asked for more: a recovery that waited for its alarm, the next digest.
const ROUNDS: usize = 20;

/// Who delivers what was decided when.
#[derive(Clone, Copy)]
pub(super) struct Claimant {
    /// Under which id notices were claimed.
    pub(super) holder: Uuid,
    /// When it was decided what is to be told, by the clock that counts, which is the store's if it has one.
    pub(super) decided_at: Timestamp,
    /// When that began, by the clock of this machine.
    pub(super) began: Timestamp,
    /// How far the clock that counts is ahead of that.
    pub(super) ahead: SignedDuration,
    /// When nothing may be under way any more; `None` for whoever is not cut off.
    pub(super) stop: Option<Instant>,
}

impl Claimant {
    /// What is now by the clock that counts.
    fn now(self, here: Timestamp) -> Timestamp {
        here.checked_add(self.ahead).unwrap_or(here).max(self.decided_at)
    }

    /// Whether so little time is left that nothing is begun any more.
    fn is_over(self) -> bool {
        time_left(self.stop, Duration::MAX) <= LEAST
    }

    /// How long one message may take that is begun now.
    fn patience(self) -> Duration {
        time_left(self.stop, LONGEST)
    }
}

/// What became of the notices.
pub(super) struct Delivered {
    pub(super) roll: Roll,
    pub(super) delivered: usize,
    pub(super) undelivered: usize,
}

/// One notice and what its channel made of it; nothing, if it was not tried.
type Outcome = (Uuid, Option<Delivery>);

impl Checker {
    /// Sends what was claimed in `held`, and whatever becomes ready by that.
    pub(super) async fn deliver(
        &self,
        mut held: Snapshot,
        mut batches: Vec<Batch>,
        claimant: Claimant,
    ) -> Result<Delivered, StoreError> {
        let mut claimed = claimant.began;
        let (mut delivered, mut undelivered) = (0, 0);
        for _ in 0..ROUNDS {
            if batches.is_empty() {
                break;
            }
            let outcomes = self.send_all(std::mem::take(&mut batches), claimed, claimant).await;
            let accepted =
                outcomes.iter().filter(|(_, delivery)| *delivery == Some(Delivery::Accepted)).count();
            delivered += accepted;
            undelivered += outcomes.len() - accepted;
            claimed = self.clock.now();
            (held, batches) = self.record(held, &outcomes, claimant, claimed).await?;
        }
        Ok(Delivered { roll: held.roll, delivered, undelivered })
    }

    /// Sends to all channels at once, and to each one message after the other: a slow one delays no other.
    async fn send_all(&self, batches: Vec<Batch>, claimed: Timestamp, claimant: Claimant) -> Vec<Outcome> {
        let mut by_channel: BTreeMap<ChannelName, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            by_channel.entry(batch.channel.clone()).or_default().push(batch);
        }
        let sending = by_channel.into_values().map(|batches| self.send_in_turn(batches, claimed, claimant));
        join_all(sending).await.into_iter().flatten().collect()
    }

    /// After a message that a channel put off, the rest would fare no better.
    async fn send_in_turn(
        &self,
        batches: Vec<Batch>,
        claimed: Timestamp,
        claimant: Claimant,
    ) -> Vec<Outcome> {
        // One clock stands still while the machine sleeps, the other may be set.
        let began = Instant::now();
        let is_late = || {
            claimant.is_over()
                || began.elapsed() > LATEST.unsigned_abs()
                || self.clock.now().duration_since(claimed) > LATEST
        };
        let mut outcomes = Vec::new();
        let mut put_off = None;
        for batch in batches {
            let delivery = match &put_off {
                Some(later) => Some(Delivery::clone(later)),
                None if is_late() => None,
                None => Some(self.channels.deliver_within(&batch, claimant.patience()).await),
            };
            if let Some(later @ Delivery::Later { .. }) = &delivery {
                put_off = Some(later.clone());
            }
            outcomes.extend(batch.notices.iter().map(|notice| (notice.id, delivery.clone())));
        }
        outcomes
    }

    /// Stores what became of the notices, on top of whatever others have decided meanwhile, and claims what is
    /// ready now.
    async fn record(
        &self,
        mut held: Snapshot,
        outcomes: &[Outcome],
        claimant: Claimant,
        here: Timestamp,
    ) -> Result<(Snapshot, Vec<Batch>), StoreError> {
        let (holder, now) = (claimant.holder, claimant.now(here));
        for _ in 0..TRIES {
            for (notice, delivery) in outcomes {
                let Some(delivery) = delivery else {
                    held.roll.outbox.give_back(*notice, holder, now);
                    continue;
                };
                if !held.roll.outbox.record(*notice, holder, delivery, now) {
                    tracing::warn!(%notice, "the claim had ended before the channel answered: a duplicate is possible");
                }
            }
            let over = claimant.is_over();
            let batches = if over { Vec::new() } else { held.roll.outbox.claim(holder, now) };
            match self.store.commit(held.version, &held.roll, &Changes::default()).await? {
                Commit::Won(version) => return Ok((Snapshot { version, ..held }, batches)),
                Commit::Lost => held = self.store.load().await?,
                Commit::Kept => return self.leave_to_the_server(outcomes, claimant, now).await,
            }
        }
        let problem = format!("can't record what was delivered in {}", self.store.url());
        Err(StoreError::new(ErrorKind::Unavailable, problem))
    }

    /// A server came to keep the store after the notices were claimed: what became of them is recorded as its nodes do it,
    /// and the rest is theirs.
    async fn leave_to_the_server(
        &self,
        outcomes: &[Outcome],
        claimant: Claimant,
        now: Timestamp,
    ) -> Result<(Snapshot, Vec<Batch>), StoreError> {
        let held = self.store.load().await?;
        let claimed = |notice: &Uuid| held.roll.outbox.items.iter().find(|item| item.notice.id == *notice);
        let settle = |(notice, delivery): &Outcome| {
            let claimed = claimed(notice)?.clone();
            let now = claimed.settled(claimant.holder, delivery.as_ref(), now);
            Some(Settled { claimed, now })
        };
        let settled: Vec<Settled> = outcomes.iter().filter_map(settle).collect();
        if let Some(live) = self.store.live() {
            live.settle(&settled).await?;
        }
        Ok((held, Vec::new()))
    }
}
