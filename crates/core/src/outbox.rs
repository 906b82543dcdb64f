//! The outbox: what is to be delivered, who is at it, and what became of it.
//!
//! A notice is claimed with a lease before it is sent and let go only after the channel accepted it. A crash in
//! between lets the lease end, and the notice is sent again under the same id: at least once, and said so.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::name::ChannelName;
use crate::notice::{Notice, NoticeKind};

/// How long a claim holds.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// For how long after it was written a notice is tried again.
pub const RETRY_FOR: SignedDuration = SignedDuration::from_hours(24);
/// More notices than this to one channel in one roll call become one digest.
pub const SINGLY: usize = 5;
/// The most notices in one digest; the rest follows in the next.
pub const MAX_DIGEST: usize = 1000;

/// One notice and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The notice.
    pub notice: Notice,
    /// What is to be done with it.
    pub status: Status,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// What the channel said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What is to be done with a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To be sent, not before a moment.
    Ready {
        /// The moment.
        not_before: Timestamp,
    },
    /// Somebody is sending it.
    Claimed {
        /// Who.
        holder: Uuid,
        /// Until when nobody else may.
        until: Timestamp,
    },
    /// It could not be delivered, and stays here until somebody has seen that.
    Dead {
        /// Since when.
        at: Timestamp,
    },
}

/// What a channel made of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was accepted.
    Accepted,
    /// It may be accepted later.
    Later {
        /// What went wrong.
        problem: String,
        /// How long the channel asked to wait.
        retry_after: Option<SignedDuration>,
    },
    /// It will never be accepted.
    Never {
        /// What went wrong.
        problem: String,
    },
}

/// What is to be sent to one channel in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whom to tell.
    pub channel: ChannelName,
    /// What; several make a digest.
    pub notices: Vec<Notice>,
}

impl Batch {
    /// The id under which it is sent: of the notice, or of the digest.
    pub fn id(&self) -> Uuid {
        match self.notices.as_slice() {
            [only] => only.id,
            several => {
                let ids: Vec<u8> = several.iter().flat_map(|notice| *notice.id.as_bytes()).collect();
                Uuid::new_v5(&Uuid::nil(), &ids)
            }
        }
    }
}

/// All notices that were written and not accepted yet, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outbox {
    /// The items.
    pub items: Vec<Item>,
}

impl Outbox {
    /// Puts in new notices. One that is there already is not put in twice; an alarm that nobody got yet and its
    /// recovery become one notice, so that nobody is told of a recovery without its alarm.
    pub fn add(&mut self, notices: impl IntoIterator<Item = Notice>) {
        for mut notice in notices {
            if self.items.iter().any(|item| item.notice.id == notice.id) {
                continue;
            }
            if notice.kind == NoticeKind::Up {
                notice.facts.brief |= self.withdraw_alarm(&notice);
            }
            if notice.kind == NoticeKind::Known && self.withdraw(&notice, |kind| kind == NoticeKind::Unknown)
            {
                continue;
            }
            let status = Status::Ready { not_before: notice.created_at };
            self.items.push(Item { notice, status, attempts: 0, last_error: None });
        }
    }

    fn withdraw_alarm(&mut self, up: &Notice) -> bool {
        self.withdraw(up, |kind| matches!(kind, NoticeKind::Reminder(_)));
        self.withdraw(up, |kind| kind == NoticeKind::Down)
    }

    /// Takes back what was never tried and concerns the same job, channel and incident.
    fn withdraw(&mut self, newer: &Notice, kind: impl Fn(NoticeKind) -> bool) -> bool {
        let before = self.items.len();
        self.items.retain(|item| {
            let same = item.notice.job == newer.job
                && item.notice.channel == newer.channel
                && item.notice.facts.down_since == newer.facts.down_since;
            let untried = item.attempts == 0 && matches!(item.status, Status::Ready { .. });
            !(same && untried && kind(item.notice.kind))
        });
        self.items.len() != before
    }

    /// Claims what can be sent at `now`, for `holder`, until `now` + [`LEASE`]. Of one job and channel only the oldest
    /// is claimed, so that alarm and recovery keep their order. More than [`SINGLY`] to one channel become a digest.
    pub fn claim(&mut self, holder: Uuid, now: Timestamp) -> Vec<Batch> {
        let until = later(now, LEASE);
        let mut by_channel: BTreeMap<ChannelName, Vec<Notice>> = BTreeMap::new();
        let mut waiting = std::collections::HashSet::new();
        for item in &mut self.items {
            let concern = (item.notice.job.clone(), item.notice.channel.clone());
            if matches!(item.status, Status::Dead { .. }) || !waiting.insert(concern) {
                continue;
            }
            let of_channel = by_channel.get(&item.notice.channel).map_or(0, Vec::len);
            if item.may_be_claimed(now) && of_channel < MAX_DIGEST {
                item.status = Status::Claimed { holder, until };
                item.attempts = item.attempts.saturating_add(1);
                by_channel.entry(item.notice.channel.clone()).or_default().push(item.notice.clone());
            }
        }
        by_channel.into_iter().flat_map(|(channel, notices)| in_batches(&channel, notices)).collect()
    }

    /// Records what became of a notice that `holder` had claimed. Says whether the claim was still held; if it was
    /// not, somebody else may have sent it too.
    pub fn record(&mut self, notice: Uuid, holder: Uuid, delivery: &Delivery, now: Timestamp) -> bool {
        let Some(index) = self.items.iter().position(|item| item.notice.id == notice) else { return false };
        let item = &mut self.items[index];
        let held = matches!(item.status, Status::Claimed { holder: by, .. } if by == holder);
        match delivery {
            Delivery::Accepted => drop(self.items.remove(index)),
            _ if !held => {}
            Delivery::Later { problem, retry_after } => item.put_off(problem, *retry_after, now),
            Delivery::Never { problem } => item.give_up(problem, now),
        }
        held
    }

    /// Gives back what `holder` claimed and did not try, as when time is running out.
    pub fn give_back(&mut self, notice: Uuid, holder: Uuid, now: Timestamp) {
        let held =
            |item: &&mut Item| matches!(item.status, Status::Claimed { holder: by, .. } if by == holder);
        if let Some(item) = self.items.iter_mut().filter(held).find(|item| item.notice.id == notice) {
            item.status = Status::Ready { not_before: now };
            item.attempts = item.attempts.saturating_sub(1);
        }
    }

    /// What could not be delivered.
    pub fn dead(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| matches!(item.status, Status::Dead { .. }))
    }

    /// When something can be sent next.
    pub fn ready_at(&self) -> Option<Timestamp> {
        let moments = self.items.iter().filter_map(|item| match item.status {
            Status::Ready { not_before } => Some(not_before),
            Status::Claimed { until, .. } => Some(until),
            Status::Dead { .. } => None,
        });
        moments.min()
    }
}

fn in_batches(channel: &ChannelName, notices: Vec<Notice>) -> Vec<Batch> {
    let batch = |notices| Batch { channel: channel.clone(), notices };
    if notices.len() > SINGLY {
        return vec![batch(notices)];
    }
    notices.into_iter().map(|notice| batch(vec![notice])).collect()
}

impl Item {
    fn may_be_claimed(&self, now: Timestamp) -> bool {
        match self.status {
            Status::Ready { not_before } => not_before <= now,
            Status::Claimed { until, .. } => until <= now,
            Status::Dead { .. } => false,
        }
    }

    /// Tries it again, if it could not be delivered.
    pub fn revive(&mut self, now: Timestamp) {
        if matches!(self.status, Status::Dead { .. }) {
            self.status = Status::Ready { not_before: now };
            self.attempts = 0;
            self.notice.created_at = now;
        }
    }

    fn put_off(&mut self, problem: &str, retry_after: Option<SignedDuration>, now: Timestamp) {
        let wait =
            retry_after.map_or_else(|| self.back_off(), |asked| asked.clamp(SignedDuration::ZERO, RETRY_FOR));
        let not_before = later(now, wait);
        if not_before > later(self.notice.created_at, RETRY_FOR) {
            return self.give_up(problem, now);
        }
        self.last_error = Some(problem.to_owned());
        self.status = Status::Ready { not_before };
    }

    fn give_up(&mut self, problem: &str, now: Timestamp) {
        self.last_error = Some(problem.to_owned());
        self.status = Status::Dead { at: now };
    }

    /// 10 s, doubled with each attempt up to an hour, and up to a quarter less so that notices do not come in step.
    fn back_off(&self) -> SignedDuration {
        let doubled = 10_000_i64 << self.attempts.saturating_sub(1).min(12);
        let longest = doubled.min(3_600_000);
        let spread = i64::from(self.notice.id.as_bytes()[(self.attempts % 16) as usize]);
        SignedDuration::from_millis(longest - longest * spread / 1024)
    }
}

fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
