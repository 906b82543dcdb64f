//! Whoever tells one channel: claims, sends, says what became of it, until nothing is left.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tenko_core::outbox::{Batch, Delivery, Item, LEASE, MAX_DIGEST, SINGLY};
use tenko_core::schedule::later;
use tenko_core::{ChannelName, Notice};
use tenko_store::StoreError;
use tenko_store::live::Settled;
use tokio::sync::watch;
use uuid::Uuid;

use crate::notify::options::{ChannelConfig, ChannelOptions};
use crate::notify::{LATEST, LONGEST};
use crate::server::desk::Desk;
use crate::server::status::Told;
use crate::server::steady::Moment;

/// For how long a channel is left alone that put something off, and how long at most, whatever it asks for.
const LEAST_REST: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(1);
/// So many messages are on their way to one webhook at once.
const AT_ONCE: usize = 8;
/// So many single messages are claimed at once, so that they can be sent long before the claim ends.
const SINGLES: usize = 100;

/// Whoever tells one channel.
pub(super) struct Worker {
    desk: Arc<Desk>,
    channel: ChannelName,
    /// Under which claims are held: by this worker, and no other.
    holder: Uuid,
    digest: bool,
    at_once: usize,
    stop: watch::Receiver<bool>,
}

/// What became of the notices, by their ids. Those that were not tried are missing.
type Outcomes = HashMap<Uuid, Delivery>;

impl Worker {
    pub(super) fn new(desk: Arc<Desk>, channel: ChannelName, stop: watch::Receiver<bool>) -> Self {
        let config = desk.roster.config.channels.get(&channel);
        let digest = config.is_none_or(|config| config.digest);
        let at_once = if config.is_some_and(takes_several) { AT_ONCE } else { 1 };
        Self { desk, channel, holder: Uuid::new_v4(), digest, at_once, stop }
    }

    /// Tells the channel all that there is to tell.
    pub(super) async fn work(&self) -> Result<(), StoreError> {
        let most = if self.digest { MAX_DIGEST } else { SINGLES };
        while !*self.stop.borrow() {
            let claimed_at = self.desk.clock.moment();
            let now = self.desk.now();
            let until = later(now, LEASE);
            let items = self.desk.live().claim(&self.channel, self.holder, now, until, most).await?;
            if items.is_empty() {
                break;
            }
            let outcomes = self.send(&items, claimed_at).await;
            self.settle(items, &outcomes).await?;
            if let Some(length) = rest_after(&outcomes) {
                self.rest(length).await;
            }
        }
        Ok(())
    }

    /// What has not been tried yet would fare no better now.
    async fn rest(&self, length: SignedDuration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.desk.pause(length.unsigned_abs()) => {}
        }
    }

    async fn send(&self, items: &[Item], claimed_at: Moment) -> Outcomes {
        let notices: Vec<Notice> = items.iter().map(|item| item.notice.clone()).collect();
        if self.digest && notices.len() > SINGLY {
            let batch = Batch { channel: self.channel.clone(), notices };
            return self.send_digest(batch, claimed_at).await;
        }
        self.send_singly(notices, claimed_at).await
    }

    async fn send_digest(&self, batch: Batch, claimed_at: Moment) -> Outcomes {
        if self.is_late(claimed_at) {
            return Outcomes::new();
        }
        match self.send_one(&batch).await {
            Some(delivery) => batch.notices.iter().map(|notice| (notice.id, delivery.clone())).collect(),
            // One of them can't be put into words; the others can.
            None => self.send_singly(batch.notices, claimed_at).await,
        }
    }

    /// After a message that the channel put off, the rest would fare no better.
    async fn send_singly(&self, notices: Vec<Notice>, claimed_at: Moment) -> Outcomes {
        let put_off = std::sync::OnceLock::new();
        let sending = notices.into_iter().map(|notice| {
            let put_off = &put_off;
            async move {
                let id = notice.id;
                let batch = Batch { channel: self.channel.clone(), notices: vec![notice] };
                let delivery = match put_off.get() {
                    Some(later) => Some(Delivery::clone(later)),
                    None if self.is_late(claimed_at) => None,
                    None => Some(self.send_one(&batch).await.unwrap_or_else(unspeakable)),
                };
                if let Some(later @ Delivery::Later { .. }) = &delivery {
                    put_off.get_or_init(|| later.clone());
                }
                Some((id, delivery?))
            }
        });
        let sent = futures::stream::iter(sending).buffer_unordered(self.at_once);
        sent.filter_map(std::future::ready).collect().await
    }

    /// Sends one message. Nothing, if that panics.
    async fn send_one(&self, batch: &Batch) -> Option<Delivery> {
        let sending = self.desk.channels.deliver_within(batch, LONGEST);
        AssertUnwindSafe(sending).catch_unwind().await.ok()
    }

    /// Whether nothing may be sent any more under this claim, or at all.
    fn is_late(&self, claimed_at: Moment) -> bool {
        *self.stop.borrow() || self.desk.clock.since(claimed_at) > LATEST
    }

    async fn settle(&self, items: Vec<Item>, outcomes: &Outcomes) -> Result<(), StoreError> {
        let now = self.desk.now();
        let mut told = Told::default();
        let settled: Vec<Settled> = items
            .into_iter()
            .map(|claimed| {
                let outcome = outcomes.get(&claimed.notice.id);
                self.count(&claimed, outcome, now, &mut told);
                let now = claimed.settled(self.holder, outcome, now);
                Settled { claimed, now }
            })
            .collect();
        let held = self.desk.live().settle(&settled).await?;
        for (settled, held) in settled.iter().zip(held) {
            if !held {
                let notice = settled.claimed.notice.id;
                tracing::warn!(%notice, "the claim had ended before the channel answered: a duplicate is possible");
            }
        }
        self.desk.status.told(&self.channel, told);
        Ok(())
    }

    fn count(&self, claimed: &Item, outcome: Option<&Delivery>, now: Timestamp, told: &mut Told) {
        match outcome {
            None => {}
            Some(Delivery::Accepted) => {
                told.accepted += 1;
                let lag = now.duration_since(claimed.notice.created_at);
                self.desk.status.notice_lag.note(Duration::try_from(lag).unwrap_or_default());
            }
            Some(Delivery::Later { problem, .. }) => {
                told.put_off += 1;
                let (notice, channel) = (claimed.notice.id, &self.channel);
                tracing::warn!(%notice, %channel, "put off: {}", crate::printer::one_line(problem));
            }
            Some(Delivery::Never { problem }) => {
                told.given_up += 1;
                let (notice, channel) = (claimed.notice.id, &self.channel);
                tracing::error!(%notice, %channel, "given up: {}", crate::printer::one_line(problem));
            }
        }
    }
}

/// For how long to leave a channel alone that put something off.
fn rest_after(outcomes: &Outcomes) -> Option<SignedDuration> {
    let rest = |delivery: &Delivery| match delivery {
        Delivery::Later { retry_after, .. } => Some(retry_after.unwrap_or(LEAST_REST)),
        Delivery::Accepted | Delivery::Never { .. } => None,
    };
    outcomes.values().filter_map(rest).max().map(|rest| rest.clamp(LEAST_REST, LONGEST_REST))
}

/// Whether a channel takes several messages at once without mixing them up.
fn takes_several(config: &ChannelConfig) -> bool {
    matches!(config.options, ChannelOptions::Webhook(_))
}

fn unspeakable() -> Delivery {
    let problem = "the message can't be made: this is a mistake in Tenko itself, please report it".into();
    Delivery::Later { problem, retry_after: None }
}
