//! What is promised of notices beside the states of their jobs: who decides sees all that there are.

use std::sync::Arc;

use futures::future::join_all;
use tenko_core::outbox::Item;

use super::super::{Fresh, Suite};
use super::*;
use crate::Commit;

/// The most notices that a racer leaves.
const MOST: u32 = 3;

/// However many write them, and let go of them, meanwhile. The state counts them.
pub async fn of_many_who_decide_each_sees_all_notices_of_a_job(fresh: &Fresh, suite: Suite) {
    let by = attending(&fresh.store).await;
    let racers = (0..suite.racers).map(|racer| {
        let store = Arc::clone(if racer % 2 == 0 { &fresh.store } else { &fresh.other });
        tokio::spawn(async move {
            for round in 0..suite.rounds {
                let deciding = move |case| add_one_or_let_go(case, racer + round);
                decide(&store, by, jobs(&["one", "two"]), deciding).await.expect("all notices are seen");
            }
        })
    });
    join_all(racers).await.into_iter().for_each(|done| done.expect("no racer panics"));
}

/// One more notice of each job; at the most, all go, and sometimes the state with them.
fn add_one_or_let_go(case: Case, chance: usize) -> Decided {
    let kept = case.entries.into_iter().map(|(job, mut entry)| {
        let counted = entry.state.as_ref().map_or(0, |state| state.fold.bad);
        assert_eq!(entry.items.len(), counted as usize, "of {job}");
        let counted = (counted + 1) % (MOST + 1);
        match counted {
            0 => entry.items.clear(),
            _ => entry.items.push(item("ops", job.as_str(), after(now(), counted.into()))),
        }
        let mut next = state(0);
        next.fold.bad = counted;
        entry.state = (counted > 0 || chance.is_multiple_of(2)).then_some(next);
        Kept { job, entry, wake_at: None }
    });
    Decided { kept: kept.collect(), ..Decided::default() }
}

async fn items_seen(store: &SharedStore, by: By) -> Vec<Item> {
    first(look(store, by, jobs(&["job"])).await).1.items
}

/// Then it is told of as before, and may come back.
pub async fn notices_outlive_the_state_of_their_job(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    keep(&fresh.store, by, [waking("job", 1, Some(at))]).await;
    let items = vec![item("ops", "job", at), item("ops", "job", after(at, 1))];
    let kept = |state, items: &[Item]| {
        let entry = Entry { state, items: items.to_vec(), ..Entry::default() };
        [Kept { job: slug("job"), entry, wake_at: None }]
    };
    keep(&fresh.other, by, kept(Some(state(1)), &items)).await;
    keep(&fresh.store, by, kept(None, &items)).await;
    assert_eq!(items_seen(&fresh.other, by).await, items);
    let claimed = live(&fresh.other).claim(&ops(), Uuid::now_v7(), at, after(at, 120), 9).await;
    let claimed = claimed.expect("notices are claimed").remove(0);
    assert_eq!(items_seen(&fresh.store, by).await[0], claimed);
    let settled = [crate::live::Settled { claimed, now: None }];
    assert_eq!(live(&fresh.store).settle(&settled).await.expect("it is recorded"), [true]);
    assert_eq!(items_seen(&fresh.other, by).await, items[1..]);
    keep(&fresh.other, by, kept(Some(state(2)), &items[1..])).await;
    assert_eq!(items_seen(&fresh.store, by).await, items[1..]);
    keep(&fresh.store, by, kept(Some(state(3)), &[])).await;
    assert_eq!(items_seen(&fresh.other, by).await, []);
    keep(&fresh.other, by, kept(Some(state(3)), &items)).await;
    assert_eq!(items_seen(&fresh.store, by).await, items);
}

/// Whether it changed anything else of their jobs or not.
pub async fn notices_of_a_roll_call_are_seen_by_who_decides_later(fresh: &Fresh, _: Suite) {
    let node = node("web-1");
    let by = By::Node(node.id);
    for (changed, seed) in [(vec![], 1), (vec!["job"], 2)] {
        attend(&fresh.store, &node, now()).await;
        keep(&fresh.store, by, [waking("job", seed, None)]).await;
        live(&fresh.store).leave(&node, now()).await.expect("the node leaves");
        let mut snapshot = fresh.other.load().await.expect("the roll is loaded");
        snapshot.roll.outbox.items.push(item("ops", "job", now()));
        let done = fresh.other.commit(snapshot.version, &snapshot.roll, &changes(&changed)).await;
        assert!(matches!(done, Ok(Commit::Won(_))), "{done:?}");
        attend(&fresh.store, &node, now()).await;
        assert_eq!(items_seen(&fresh.store, by).await, snapshot.roll.outbox.items, "{changed:?}");
    }
}
