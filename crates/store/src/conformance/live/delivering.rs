//! What is promised of claiming notices and of settling what became of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use tenko_core::ChannelName;
use tenko_core::outbox::{Item, MAX_DEAD, Status};

use super::super::{Fresh, Suite};
use super::*;
use crate::live::Settled;

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("tests use valid names")
}

/// The channel that most notices of these tests go to.
pub(super) fn ops() -> ChannelName {
    channel("ops")
}

/// Puts notices into the outbox, each in its own decision.
async fn write(store: &SharedStore, items: impl IntoIterator<Item = Item>) {
    for item in items {
        decide(store, By::Tool, jobs(&[item.notice.job.as_str()]), move |case| {
            let (job, mut entry) = first(case);
            entry.items.push(item.clone());
            Decided { kept: vec![Kept { job, entry, wake_at: None }], ..Decided::default() }
        })
        .await
        .expect("it is decided");
    }
}

struct Claimant {
    store: SharedStore,
    holder: Uuid,
}

impl Claimant {
    fn new(store: &SharedStore) -> Self {
        Self { store: Arc::clone(store), holder: Uuid::now_v7() }
    }

    /// Claims at a moment, for two minutes.
    async fn claim(&self, channel: &ChannelName, at: Timestamp, most: usize) -> Vec<Item> {
        let until = after(at, 120);
        let claimed = live(&self.store).claim(channel, self.holder, at, until, most).await;
        let claimed = claimed.expect("notices are claimed");
        let mine = Status::Claimed { holder: self.holder, until };
        assert!(claimed.iter().all(|item| item.status == mine && item.notice.channel == *channel));
        claimed
    }

    async fn settle(&self, claimed: &Item, now: Option<Item>) -> bool {
        let settled = [Settled { claimed: claimed.clone(), now }];
        live(&self.store).settle(&settled).await.expect("it is recorded")[0]
    }
}

fn told(items: &[Item]) -> Vec<(&str, Timestamp)> {
    items.iter().map(|item| (item.notice.job.as_str(), item.notice.at)).collect()
}

async fn ready(store: &SharedStore, at: Timestamp) -> BTreeSet<ChannelName> {
    live(store).ready_channels(at).await.expect("channels are read").into_iter().collect()
}

async fn next(store: &SharedStore) -> Option<Timestamp> {
    live(store).agenda().await.expect("the agenda is read").deliver
}

/// The next of a job only when the one before is gone.
pub async fn alarm_and_recovery_are_claimed_one_after_the_other(fresh: &Fresh, _: Suite) {
    let at = now();
    let [alarm, recovery] = [0, 1].map(|n| item("ops", "job", after(at, n)));
    write(&fresh.store, [alarm.clone(), recovery.clone(), item("ops", "other", at)]).await;
    assert_eq!(next(&fresh.other).await, Some(at));
    let claimant = Claimant::new(&fresh.other);
    assert_eq!(claimant.claim(&ops(), after(at, -1), 9).await, [], "it is not time");
    let claimed = claimant.claim(&ops(), after(at, 5), 9).await;
    assert_eq!(told(&claimed), [("job", at), ("other", at)]);
    assert_eq!(claimed.iter().map(|item| item.attempts).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(
        Claimant::new(&fresh.store).claim(&ops(), after(at, 6), 9).await,
        [],
        "all is claimed, or waits"
    );
    assert_eq!(ready(&fresh.store, after(at, 6)).await, [].into());
    assert_eq!(next(&fresh.store).await, Some(after(at, 125)), "then the leases end");
    assert!(claimant.settle(&claimed[0], None).await);
    assert_eq!(next(&fresh.store).await, Some(after(at, 1)));
    assert_eq!(told(&claimant.claim(&ops(), after(at, 7), 9).await), [("job", after(at, 1))]);
    assert_eq!(entry(&fresh.store, "job").await.items.len(), 1);
}

/// Neither does a job wait in one channel because another channel was not told.
pub async fn channels_do_not_wait_for_each_other(fresh: &Fresh, _: Suite) {
    let at = now();
    let later = Status::Ready { not_before: after(at, 600) };
    let slow = Item { status: later, attempts: 1, ..item("slow", "job", at) };
    let items = [
        slow,
        item("ops", "job", at),
        item("mail", "job", after(at, 20)),
        item("ops", "b", at),
        item("ops", "a", at),
    ];
    write(&fresh.store, items).await;
    assert_eq!(ready(&fresh.other, after(at, -1)).await, [].into());
    assert_eq!(ready(&fresh.other, at).await, [ops()].into());
    assert_eq!(ready(&fresh.other, after(at, 20)).await, [ops(), channel("mail")].into());
    assert_eq!(ready(&fresh.other, after(at, 600)).await, [ops(), channel("mail"), channel("slow")].into());
    let claimant = Claimant::new(&fresh.other);
    assert_eq!(told(&claimant.claim(&ops(), at, 2).await), [("job", at), ("b", at)], "the oldest first");
    assert_eq!(told(&claimant.claim(&ops(), at, 2).await), [("a", at)]);
    assert_eq!(claimant.claim(&channel("nobody"), at, 2).await, []);
}

/// And all is claimed.
pub async fn of_many_who_claim_nobody_gets_what_another_has(fresh: &Fresh, suite: Suite) {
    const NOTICES: usize = 60;
    let at = now();
    let items = (0..NOTICES).map(|number| item("ops", &format!("job-{number}"), at));
    write(&fresh.store, items).await;
    let racers = (0..suite.racers).map(|racer| {
        let claimant = Claimant::new(if racer % 2 == 0 { &fresh.store } else { &fresh.other });
        tokio::spawn(async move {
            let mut mine = Vec::new();
            // What another is just claiming is passed over, so that finding nothing once is no end.
            while ready(&claimant.store, at).await.contains(&ops()) {
                mine.extend(claimant.claim(&ops(), at, 3).await);
            }
            mine
        })
    });
    let claimed = join_all(racers).await.into_iter().flat_map(|mine| mine.expect("no racer panics"));
    let mut ids: Vec<_> = claimed.map(|item| item.notice.id).collect();
    assert_eq!(ids.len(), NOTICES);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), NOTICES, "nothing is claimed twice");
}

/// Whoever claimed it may have died.
pub async fn the_end_of_a_lease_frees_a_notice(fresh: &Fresh, _: Suite) {
    let at = now();
    write(&fresh.store, [item("ops", "job", at)]).await;
    let [one, two] = [&fresh.store, &fresh.other].map(Claimant::new);
    let first = one.claim(&ops(), at, 9).await;
    assert_eq!(first.len(), 1);
    assert_eq!(two.claim(&ops(), after(at, 119), 9).await, []);
    let second = two.claim(&ops(), after(at, 120), 9).await;
    assert_eq!(second[0].notice, first[0].notice);
    assert_eq!(second[0].attempts, 2);
}

/// Until somebody has seen that.
pub async fn what_could_not_be_delivered_is_kept_and_not_claimed(fresh: &Fresh, _: Suite) {
    let at = now();
    write(&fresh.store, [0, 1].map(|n| item("ops", "job", after(at, n)))).await;
    let claimant = Claimant::new(&fresh.store);
    let claimed = claimant.claim(&ops(), after(at, 5), 9).await.remove(0);
    let problem = Some("503 \u{0}".to_owned());
    let put_off = Status::Ready { not_before: after(at, 60) };
    let later = Item { status: put_off, last_error: problem.clone(), ..claimed.clone() };
    assert!(claimant.settle(&claimed, Some(later.clone())).await);
    assert_eq!(entry(&fresh.other, "job").await.items[0], later);
    assert_eq!(claimant.claim(&ops(), after(at, 59), 9).await, [], "the recovery waits for its alarm");
    let claimed = claimant.claim(&ops(), after(at, 60), 9).await.remove(0);
    let dead = Item { status: Status::Dead { at: after(at, 61) }, last_error: problem, ..claimed.clone() };
    assert!(claimant.settle(&claimed, Some(dead.clone())).await);
    assert_eq!(entry(&fresh.other, "job").await.items[0], dead);
    assert_eq!(told(&claimant.claim(&ops(), after(at, 999), 9).await), [("job", after(at, 1))]);
    let roll = fresh.other.load().await.expect("the roll is loaded").roll;
    assert_eq!(roll.outbox.dead().collect::<Vec<_>>(), [&dead]);
    assert_eq!(ready(&fresh.store, after(at, 1000)).await, [].into());
}

/// But what was accepted is let go of.
pub async fn who_lost_his_claim_changes_nothing(fresh: &Fresh, _: Suite) {
    let at = now();
    write(&fresh.store, [item("ops", "job", at)]).await;
    let [one, two] = [&fresh.store, &fresh.other].map(Claimant::new);
    let mine = one.claim(&ops(), at, 9).await.remove(0);
    let his = two.claim(&ops(), after(at, 130), 9).await.remove(0);
    let dead = Item { status: Status::Dead { at }, ..mine.clone() };
    assert!(!one.settle(&mine, Some(dead)).await);
    assert_eq!(entry(&fresh.store, "job").await.items, std::slice::from_ref(&his));
    assert!(!one.settle(&mine, None).await);
    assert_eq!(entry(&fresh.store, "job").await.items, []);
    assert!(!two.settle(&his, None).await, "it is gone");
    let back = Item { status: Status::Ready { not_before: at }, ..his.clone() };
    assert!(!two.settle(&his, Some(back)).await);
    assert_eq!(entry(&fresh.other, "job").await.items, [], "it does not come back");
}

/// Of one channel; there is enough to see that something is wrong.
pub async fn of_too_many_dead_notices_the_oldest_are_forgotten(fresh: &Fresh, _: Suite) {
    let at = now();
    let dead = Status::Dead { at };
    let number = |n: usize| i64::try_from(n).expect("they are few");
    let items = (0..MAX_DEAD).map(|n| Item { status: dead, ..item("ops", "job", after(at, number(n))) });
    let entry_of_job = Entry { items: items.collect(), ..Entry::default() };
    keep(&fresh.store, By::Tool, [Kept { job: slug("job"), entry: entry_of_job, wake_at: None }]).await;
    let other = Item { status: dead, ..item("mail", "job-2", at) };
    write(&fresh.store, [other.clone(), item("ops", "job-2", at)]).await;
    let claimant = Claimant::new(&fresh.other);
    let claimed = claimant.claim(&ops(), at, 9).await.remove(0);
    let now_dead = Item { status: dead, ..claimed.clone() };
    assert!(claimant.settle(&claimed, Some(now_dead.clone())).await);
    let items = entry(&fresh.store, "job").await.items;
    assert_eq!((items.len(), items[0].notice.at), (MAX_DEAD - 1, after(at, 1)));
    assert_eq!(entry(&fresh.store, "job-2").await.items, [other, now_dead]);
}

/// Nothing that is just being sent is decided on as if it waited.
pub async fn who_decides_sees_what_was_claimed(fresh: &Fresh, _: Suite) {
    let at = now();
    write(&fresh.store, [0, 1].map(|n| item("ops", "job", after(at, n)))).await;
    for store in [&fresh.store, &fresh.other] {
        let claimant = Claimant::new(store);
        let claimed = claimant.claim(&ops(), after(at, 5), 9).await.remove(0);
        let items = first(look(&fresh.store, By::Tool, jobs(&["job"])).await).1.items;
        assert_eq!(items[0], claimed);
        claimant.settle(&claimed, None).await;
        let left = first(look(&fresh.store, By::Tool, jobs(&["job"])).await).1.items;
        assert_eq!(left, items[1..]);
    }
}
