//! The outbox: what is to be delivered, who is at it, and what became of it.
//!
//! A notice is claimed with a lease before it is sent and let go only after the channel accepted it. A crash in
//! between lets the lease end, and the notice is sent again under the same id: at least once, and said so.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::evidence::cut;
use crate::name::{ChannelName, Slug};
use crate::notice::{Facts, Notice, NoticeKind};
use crate::schedule::later;

/// How long a claim holds.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// For how long after it was written a notice is tried again.
pub const RETRY_FOR: SignedDuration = SignedDuration::from_hours(24);
/// More notices than this to one channel in one roll call become one digest.
pub const SINGLY: usize = 5;
/// The most notices in one digest; the rest follows in the next.
pub const MAX_DIGEST: usize = 1000;
/// The most notices that are kept of one channel after they could not be delivered; the oldest are forgotten.
pub const MAX_DEAD: usize = 1000;
/// The shortest wait before a notice is tried again, whatever the channel asked for.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(5);

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
        let mut known: HashSet<Uuid> = self.items.iter().map(|item| item.notice.id).collect();
        let mut untold = Untold::of(&self.items);
        for mut notice in notices {
            if !known.insert(notice.id) {
                continue;
            }
            match notice.kind {
                NoticeKind::Up => notice.facts.brief |= untold.withdraw_alarm(&notice),
                NoticeKind::Known if untold.withdraw(&notice, |kind| kind == NoticeKind::Unknown) => continue,
                NoticeKind::Known
                | NoticeKind::Down
                | NoticeKind::Reminder(_)
                | NoticeKind::Unknown
                | NoticeKind::Unstored
                | NoticeKind::Test => {}
            }
            let status = Status::Ready { not_before: notice.created_at };
            let item = Item { notice, status, attempts: 0, last_error: None };
            untold.note(&item);
            self.items.push(item);
        }
        let withdrawn = untold.withdrawn;
        if !withdrawn.is_empty() {
            self.items.retain(|item| !withdrawn.contains(&item.notice.id));
        }
    }

    /// Claims what can be sent at `now`, for `holder`, until `now` + [`LEASE`]. Of one job and channel only the oldest
    /// is claimed, so that alarm and recovery keep their order. More than [`SINGLY`] to one channel become a digest.
    pub fn claim(&mut self, holder: Uuid, now: Timestamp) -> Vec<Batch> {
        let until = later(now, LEASE);
        let mut by_channel: BTreeMap<ChannelName, Vec<Notice>> = BTreeMap::new();
        for item in oldest_of_each(&mut self.items) {
            let of_channel = by_channel.get(&item.notice.channel).map_or(0, Vec::len);
            if item.ready_at().is_some_and(|moment| moment <= now) && of_channel < MAX_DIGEST {
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
        if let Some(dead) = self.items.get(index).filter(|item| held && item.is_dead()) {
            let channel = dead.notice.channel.clone();
            self.forget_oldest_dead(&channel);
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
        self.items.iter().filter(|item| item.is_dead())
    }

    /// Lets go of what could not be delivered, because somebody has seen it. Says whether there was such a notice.
    pub fn seen(&mut self, notice: Uuid) -> bool {
        let before = self.items.len();
        self.items.retain(|item| !(item.is_dead() && item.notice.id == notice));
        self.items.len() != before
    }

    /// When something can be claimed next.
    pub fn ready_at(&self) -> Option<Timestamp> {
        let mut concerns = HashSet::new();
        let waiting = self.items.iter().filter(|item| !item.is_dead());
        waiting.filter(|item| concerns.insert(item.concern())).filter_map(Item::ready_at).min()
    }

    /// Of what nobody has seen for long there is enough to see that something is wrong.
    fn forget_oldest_dead(&mut self, channel: &ChannelName) {
        let of_channel = |item: &Item| item.is_dead() && item.notice.channel == *channel;
        if self.items.iter().filter(|item| of_channel(item)).count() > MAX_DEAD
            && let Some(oldest) = self.items.iter().position(of_channel)
        {
            self.items.remove(oldest);
        }
    }
}

/// Of each job and channel the oldest item that is to be delivered: what is newer waits for it.
fn oldest_of_each(items: &mut [Item]) -> impl Iterator<Item = &mut Item> {
    let mut concerns = HashSet::new();
    items.iter_mut().filter(move |item| !item.is_dead() && concerns.insert(item.own_concern()))
}

/// What channels were not told of yet, and what of that is taken back.
#[derive(Default)]
struct Untold {
    by_concern: HashMap<(Slug, ChannelName), Vec<Alarm>>,
    withdrawn: HashSet<Uuid>,
}

struct Alarm {
    id: Uuid,
    kind: NoticeKind,
    since: Option<Timestamp>,
    /// It was given up, and stays visible as such.
    dead: bool,
}

impl Untold {
    fn of(items: &[Item]) -> Self {
        let mut untold = Self::default();
        items.iter().for_each(|item| untold.note(item));
        untold
    }

    fn note(&mut self, item: &Item) {
        let dead = item.is_dead();
        if dead || item.attempts == 0 && matches!(item.status, Status::Ready { .. }) {
            let Notice { id, kind, .. } = item.notice;
            let alarm = Alarm { id, kind, since: item.notice.facts.down_since, dead };
            self.by_concern.entry(item.own_concern()).or_default().push(alarm);
        }
    }

    fn withdraw_alarm(&mut self, up: &Notice) -> bool {
        self.withdraw(up, |kind| matches!(kind, NoticeKind::Reminder(_)));
        self.withdraw(up, |kind| kind == NoticeKind::Down)
    }

    /// Takes back what was never tried and concerns the same job, channel and incident. Says whether the channel was
    /// not told, be it for that or because it could not be.
    fn withdraw(&mut self, newer: &Notice, kind: impl Fn(NoticeKind) -> bool) -> bool {
        let concern = (newer.job.clone(), newer.channel.clone());
        let alarms = self.by_concern.get(&concern).map_or(&[][..], Vec::as_slice);
        let same = |alarm: &&Alarm| alarm.since == newer.facts.down_since && kind(alarm.kind);
        let mut untold = false;
        for alarm in alarms.iter().filter(same) {
            untold = true;
            if !alarm.dead {
                self.withdrawn.insert(alarm.id);
            }
        }
        untold
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
    fn concern(&self) -> (&Slug, &ChannelName) {
        (&self.notice.job, &self.notice.channel)
    }

    fn own_concern(&self) -> (Slug, ChannelName) {
        (self.notice.job.clone(), self.notice.channel.clone())
    }

    /// Whether it could not be delivered, and will not be tried again.
    pub fn is_dead(&self) -> bool {
        matches!(self.status, Status::Dead { .. })
    }

    fn ready_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Ready { not_before } => Some(not_before),
            Status::Claimed { until, .. } => Some(until),
            Status::Dead { .. } => None,
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

    /// What is to be kept of an item that `holder` had claimed, after its channel was told, or was not tried; nothing, if
    /// it accepted. As [`Outbox::record`] and [`Outbox::give_back`] do it, for whoever keeps items one by one.
    #[must_use]
    pub fn settled(&self, holder: Uuid, delivery: Option<&Delivery>, now: Timestamp) -> Option<Self> {
        let mut outbox = Outbox { items: vec![self.clone()] };
        match delivery {
            Some(delivery) => drop(outbox.record(self.notice.id, holder, delivery, now)),
            None => outbox.give_back(self.notice.id, holder, now),
        }
        outbox.items.pop()
    }

    fn put_off(&mut self, problem: &str, retry_after: Option<SignedDuration>, now: Timestamp) {
        let wait = retry_after.map_or_else(|| self.back_off(), |asked| asked.clamp(LEAST_WAIT, RETRY_FOR));
        let not_before = later(now, wait);
        if not_before > later(self.notice.created_at, RETRY_FOR) {
            return self.give_up(problem, now);
        }
        self.note(problem);
        self.status = Status::Ready { not_before };
    }

    fn give_up(&mut self, problem: &str, now: Timestamp) {
        self.note(problem);
        self.status = Status::Dead { at: now };
    }

    fn note(&mut self, problem: &str) {
        let mut problem = problem.to_owned();
        cut(&mut problem, Facts::MAX_TEXT);
        self.last_error = Some(problem);
    }

    /// 10 s, doubled with each attempt up to an hour, and up to a quarter less, so that roll calls do not come in step.
    /// What was written to one channel in one roll call stays in step: it makes one digest again.
    fn back_off(&self) -> SignedDuration {
        let doubled = 10_000_i64 << self.attempts.saturating_sub(1).min(12);
        let longest = doubled.min(3_600_000);
        let name = format!("{}/{}/{}", self.notice.channel, self.notice.created_at, self.attempts);
        let spread = i64::from(Uuid::new_v5(&Uuid::nil(), name.as_bytes()).as_bytes()[0]);
        SignedDuration::from_millis(longest - longest * spread / 1024)
    }
}
