//! What is promised of the roll and of facts.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use tenko_core::outbox::Status;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::state::Missed;
use tenko_core::{Evidence, Kind};

use super::samples::*;
use super::{Fresh, Suite};
use crate::{Commit, SharedStore, Snapshot};

async fn load(store: &SharedStore) -> Snapshot {
    store.load().await.expect("the roll is loaded")
}

async fn commit(store: &SharedStore, base: u64, roll: &Roll, changes: &Changes) -> Commit {
    store.commit(base, roll, changes).await.expect("a commit is won or lost")
}

/// Commits on top of what is there, and returns the new version.
async fn win(store: &SharedStore, roll: &Roll, changes: &Changes) -> u64 {
    let base = load(store).await.version;
    match commit(store, base, roll, changes).await {
        Commit::Won(version) => version,
        Commit::Lost => panic!("nobody else commits"),
        Commit::Kept => panic!("no server keeps it"),
    }
}

/// Everything that was committed is loaded, by whoever asks, and versions grow.
pub async fn a_commit_is_loaded_as_it_was(fresh: &Fresh, _: Suite) {
    let (roll, changes) = roll(3);
    let first = win(&fresh.store, &roll, &changes).await;
    assert!(first > 0);
    let loaded = load(&fresh.other).await;
    assert_eq!((loaded.version, loaded.roll), (first, roll.clone()));
    let second = win(&fresh.other, &roll, &Changes::default()).await;
    assert!(second > first);
    let loaded = load(&fresh.store).await;
    assert_eq!((loaded.version, loaded.roll), (second, roll));
}

/// Who comes late changes neither roll nor facts.
pub async fn a_stale_commit_is_lost_and_leaves_nothing(fresh: &Fresh, _: Suite) {
    let (first, all) = roll(2);
    assert!(matches!(commit(&fresh.store, 0, &first, &all).await, Commit::Won(_)));
    let (mut second, mut all) = roll(4);
    second.states.remove(&slug("job-0"));
    second.outbox.items.push(item("late", "job-1", now()));
    all.flips.push((slug("job-1"), flip(now())));
    for store in [&fresh.store, &fresh.other] {
        assert_eq!(commit(store, 0, &second, &all).await, Commit::Lost);
        assert_eq!(load(store).await.roll, first);
    }
    let facts = fresh.store.facts(&slug("job-1"), 10).await.expect("facts are found");
    assert!(!facts.flips.iter().any(|found| all.flips.iter().any(|(_, lost)| lost == found)));
}

/// Losing is no end.
pub async fn after_loading_again_a_commit_wins(fresh: &Fresh, _: Suite) {
    let (mut roll, all) = roll(2);
    win(&fresh.store, &roll, &all).await;
    // Another roll: whose answer was lost, and finds the very roll that it wanted to write, has not lost anything.
    let mut stale = roll.clone();
    stale.states.remove(&slug("job-1"));
    assert_eq!(commit(&fresh.other, 0, &stale, &all).await, Commit::Lost);
    let loaded = load(&fresh.other).await;
    roll.states.insert(slug("job-1"), state(77));
    let answer = commit(&fresh.other, loaded.version, &roll, &changes(&["job-1"])).await;
    assert!(matches!(answer, Commit::Won(version) if version > loaded.version));
    assert_eq!(load(&fresh.store).await.roll, roll);
}

/// What is gone is gone, and what did not change stays.
pub async fn jobs_and_declarations_leave_the_roll(fresh: &Fresh, _: Suite) {
    let (mut roll, all) = roll(4);
    win(&fresh.store, &roll, &all).await;
    roll.states.remove(&slug("job-2"));
    roll.declarations.remove(&slug("job-0"));
    roll.declarations.remove(&slug("declared-only"));
    roll.declarations.insert(slug("job-3"), declaration("33333333"));
    roll.gaps.clear();
    roll.called_at = None;
    roll.cursor = Cursor::default();
    win(&fresh.store, &roll, &changes(&["job-0", "job-2", "job-3", "declared-only", "never-was"])).await;
    assert_eq!(load(&fresh.other).await.roll, roll);
    let mut all = Changes::default();
    all.jobs.extend(roll.states.keys().chain(roll.declarations.keys()).cloned());
    win(&fresh.store, &Roll::default(), &all).await;
    assert_eq!(load(&fresh.other).await.roll, Roll::default());
}

/// What somebody does to a roll.
type Change<'a> = Box<dyn Fn(&mut Roll) + 'a>;

/// Notices come, change, go and stand in the order in which they were written.
pub async fn the_outbox_keeps_its_order(fresh: &Fresh, _: Suite) {
    let at = now();
    let mut roll = Roll::default();
    let number = |n: i64| item("ops", "job", after(at, n));
    let mut steps: Vec<Change<'_>> = Vec::new();
    steps.push(Box::new(move |roll| roll.outbox.items.extend([5, 3, 9, 1].map(number))));
    steps.push(Box::new(|roll| drop(roll.outbox.items.remove(1))));
    steps.push(Box::new(move |roll| roll.outbox.items[0].status = Status::Dead { at }));
    steps.push(Box::new(move |roll| roll.outbox.items.extend([2, 8].map(number))));
    steps.push(Box::new(|roll| roll.outbox.items[1].last_error = Some("\u{0} 503".into())));
    steps.push(Box::new(move |roll| roll.outbox.items.insert(1, number(4))));
    steps.push(Box::new(|roll| roll.outbox.items.swap(0, 3)));
    steps.push(Box::new(|roll| roll.outbox.items.reverse()));
    steps.push(Box::new(|roll| drop(roll.outbox.items.drain(1..))));
    steps.push(Box::new(|roll| roll.outbox.items.clear()));
    for (number, step) in steps.iter().enumerate() {
        step(&mut roll);
        win(&fresh.store, &roll, &Changes::default()).await;
        assert_eq!(load(&fresh.other).await.roll, roll, "after step {number}");
    }
}

/// A thousand states.
pub async fn a_large_roll_is_loaded_as_it_was(fresh: &Fresh, _: Suite) {
    let (mut roll, all) = roll(1_000);
    win(&fresh.store, &roll, &all).await;
    assert_eq!(load(&fresh.other).await.roll, roll);
    roll.states.insert(slug("job-500"), state(500_500));
    win(&fresh.store, &roll, &changes(&["job-500"])).await;
    assert_eq!(load(&fresh.other).await.roll, roll);
}

/// In every round all load the same version and commit at once: exactly one wins, and its roll is what is there.
pub async fn of_many_who_commit_one_wins(fresh: &Fresh, suite: Suite) {
    for round in 0..suite.rounds {
        let base = load(&fresh.store).await.version;
        let racers = (0..suite.racers).map(|racer| {
            let store = if racer % 2 == 0 { &fresh.store } else { &fresh.other };
            tokio::spawn(race(Arc::clone(store), base, racer))
        });
        let answers: Vec<_> =
            join_all(racers).await.into_iter().map(|done| done.expect("no racer panics")).collect();
        let won = |answer: &(Roll, Commit)| matches!(answer.1, Commit::Won(_));
        let winners: Vec<_> = answers.iter().filter(|answer| won(answer)).collect();
        assert_eq!(winners.len(), 1, "in round {round}: {answers:?}");
        let loaded = load(&fresh.store).await;
        assert_eq!(
            (&loaded.roll, Commit::Won(loaded.version)),
            (&winners[0].0, winners[0].1),
            "in round {round}"
        );
    }
}

async fn race(store: SharedStore, base: u64, racer: usize) -> (Roll, Commit) {
    let mut roll = Roll::default();
    roll.states.insert(slug("job"), state(i64::try_from(racer).expect("racers are few")));
    let at = now();
    roll.called_at = Some(at);
    roll.cursor = Cursor(racer.to_string());
    let mut changes = changes(&["job"]);
    changes.flips.push((slug("job"), flip(at)));
    let answer = commit(&store, base, &roll, &changes).await;
    (roll, answer)
}

/// Newest first, whatever the order in which they were decided, and no more than was asked for.
pub async fn facts_are_newest_first_and_limited(fresh: &Fresh, _: Suite) {
    let at = moment("2026-11-24T05:00:00Z");
    let missed = |n: i64| Missed { first: after(at, n * 100), last: after(at, n * 100 + 50), count: 2 };
    let mut roll = Roll::default();
    for numbers in [[1, 4], [3, 2]] {
        let mut changes = changes(&["job", "other"]);
        for n in numbers {
            changes.flips.push((slug("job"), flip(after(at, n))));
            changes.missed.push((slug("job"), missed(n)));
            changes.flips.push((slug("other"), flip(after(at, 1000 + n))));
        }
        for (job, flip) in &changes.flips {
            let state = roll.states.entry(job.clone()).or_insert_with(|| state(0));
            state.flips.push(*flip);
        }
        win(&fresh.store, &roll, &changes).await;
    }
    let facts = fresh.other.facts(&slug("job"), 3).await.expect("facts are found");
    assert_eq!(facts.flips, [4, 3, 2].map(|n| flip(after(at, n))));
    assert_eq!(facts.missed, [4, 3, 2].map(missed));
    let facts = fresh.other.facts(&slug("nobody"), 3).await.expect("no facts are found");
    assert_eq!((facts.flips, facts.missed), (vec![], vec![]));
    let facts = fresh.other.facts(&slug("job"), 0).await.expect("no facts are asked for");
    assert_eq!((facts.flips, facts.missed), (vec![], vec![]));
}

/// Evidence from before goes, with its body; what happened at that moment or later stays, and so does the roll.
pub async fn prune_removes_what_is_old_and_nothing_else(fresh: &Fresh, _: Suite) {
    let before = moment("2026-11-20T00:00:00Z");
    let piece = |days: i64| Evidence {
        report: full_report(),
        ..evidence("job", Kind::Success, after(before, days * 86_400))
    };
    let (old, young) = ([piece(-400), piece(-2)], [piece(0), piece(3)]);
    let all: Vec<_> = old.iter().chain(&young).cloned().collect();
    fresh.store.append(&all).await.expect("evidence is appended");
    let (roll, changes) = roll(2);
    win(&fresh.store, &roll, &changes).await;
    let count = fresh.store.prune(before).await.expect("the old is removed");
    assert!(count >= old.len() as u64, "{count} removed");
    let left = fresh.other.between(None, Timestamp::MIN, Timestamp::MAX).await.expect("evidence is found");
    assert_eq!(names_of(&left), names_of(&young));
    let body = fresh.other.read(&left[0]).await.expect("the body stayed");
    assert_eq!(body.report, young[0].report);
    assert!(fresh.store.read(&old[1]).await.is_err());
    assert_eq!(load(&fresh.store).await.roll, roll);
    assert_eq!(fresh.store.prune(before).await.expect("nothing is left to remove"), 0);
}

/// A cursor from before stays good, even if all that it had passed is gone.
pub async fn after_prune_news_go_on(fresh: &Fresh, _: Suite) {
    let old = [1, 2, 3].map(|_| evidence("job", Kind::Success, after(now(), -3 * 86_400)));
    fresh.store.append(&old).await.expect("evidence is appended");
    let cursor = fresh.store.news(&Cursor::default(), now()).await.expect("news are read").cursor;
    fresh.store.prune(after(now(), -86_400)).await.expect("the old is removed");
    let piece = evidence("job", Kind::Success, now());
    fresh.store.append(std::slice::from_ref(&piece)).await.expect("evidence is appended");
    let news = fresh.store.news(&cursor, now()).await.expect("news are read");
    assert_eq!(names_of(&news.evidence), names_of([&piece]));
}

/// Two handles are one store.
pub async fn two_handles_see_the_same(fresh: &Fresh, _: Suite) {
    let piece = Evidence { report: full_report(), ..evidence("job", Kind::Success, now()) };
    fresh.store.append(std::slice::from_ref(&piece)).await.expect("evidence is appended");
    let news = fresh.other.news(&Cursor::default(), now()).await.expect("news are read");
    assert_eq!(names_of(&news.evidence), names_of([&piece]));
    let (roll, all) = roll(2);
    let version = win(&fresh.other, &roll, &all).await;
    assert_eq!(load(&fresh.store).await.version, version);
    assert_eq!(commit(&fresh.store, 0, &roll, &all).await, Commit::Lost);
    assert!(matches!(commit(&fresh.store, version, &roll, &all).await, Commit::Won(_)));
}
