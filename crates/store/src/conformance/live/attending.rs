//! What is promised of nodes that attend, and of roll calls beside them.

use tenko_core::judge::Gap;
use tenko_core::{Evidence, Kind, Roll};

use super::super::{Fresh, Suite};
use super::*;
use crate::live::ATTENDS_FOR;
use crate::{Commit, ErrorKind};

/// A roll call that reads again when another was quicker.
async fn call(store: &SharedStore, change: impl Fn(&mut Roll), changed: &[&str]) -> Commit {
    for _ in 0..5 {
        let mut snapshot = store.load().await.expect("the roll is loaded");
        change(&mut snapshot.roll);
        match store.commit(snapshot.version, &snapshot.roll, &changes(changed)).await {
            Ok(Commit::Lost) => {}
            done => return done.expect("a commit is answered"),
        }
    }
    panic!("nobody else commits");
}

fn won(commit: Commit) -> bool {
    matches!(commit, Commit::Won(_))
}

/// States, notices and when to look; what a roll call heard is not unheard.
pub async fn who_decides_sees_what_a_roll_call_committed(fresh: &Fresh, _: Suite) {
    let at = now();
    let [first, second] = [1, 2].map(|_| evidence("a", Kind::Success, at));
    fresh.store.append(&[first]).await.expect("evidence is appended");
    let cursor =
        fresh.store.news(&tenko_core::roll::Cursor::default(), at).await.expect("news are read").cursor;
    fresh.store.append(std::slice::from_ref(&second)).await.expect("evidence is appended");
    let looking = |seconds: Option<i64>| {
        let mut state = state(1);
        state.look_again_at = seconds.map(|seconds| after(at, seconds));
        state
    };
    let commit = |roll: &mut Roll| {
        roll.cursor = cursor.clone();
        roll.states = [("a", Some(10)), ("b", None)].map(|(job, wakes)| (slug(job), looking(wakes))).into();
        roll.declarations = [(slug("b"), declaration("1f3a9c02"))].into();
        roll.outbox.items =
            ["b", "a", "b"].iter().zip(0..).map(|(job, n)| item("ops", job, after(at, n))).collect();
    };
    assert!(won(call(&fresh.store, commit, &["a", "b"]).await));
    let by = attending(&fresh.other).await;
    let case = look(&fresh.other, by, jobs(&["b"])).await;
    let items = vec![item("ops", "b", at), item("ops", "b", after(at, 2))];
    let entry = Entry { state: Some(looking(None)), declaration: Some(declaration("1f3a9c02")), items };
    assert_eq!(case.entries[0].1.items, entry.items);
    assert_eq!(case.entries[0].1.declaration, entry.declaration);
    let due = look(&fresh.other, by, Wanted::Due { by: after(at, 10), most: 9 }).await;
    assert_eq!(names(&due), ["a"]);
    let unheard = look(&fresh.other, by, Wanted::Unheard { most: 9 }).await.unheard;
    assert_eq!(names_of(&unheard), names_of([&second]));
    let claimed = live(&fresh.other).claim(&ops(), Uuid::now_v7(), after(at, 9), after(at, 99), 9).await;
    let claimed: Vec<_> = claimed.expect("notices are claimed").into_iter().map(|item| item.notice).collect();
    assert_eq!(claimed, [item("ops", "b", at).notice, item("ops", "a", after(at, 1)).notice]);
}

/// What servers heard is not news, and what nobody heard is.
pub async fn a_roll_call_goes_on_from_what_servers_decided(fresh: &Fresh, _: Suite) {
    let node = node("web-1");
    attend(&fresh.store, &node, now()).await;
    let by = By::Node(node.id);
    let piece = || evidence("job", Kind::Success, now());
    let (told, heard, unheard) = (piece(), piece(), piece());
    fresh.other.append(&[heard]).await.expect("evidence is appended");
    let kept = vec![waking("job", 1, None)];
    let state = kept[0].entry.state.clone();
    put(&fresh.store, by, Decided { evidence: vec![told], kept, ..Decided::default() }).await;
    look(&fresh.store, by, Wanted::Unheard { most: 9 }).await;
    live(&fresh.store).leave(&node, now()).await.expect("the node leaves");
    fresh.other.append(std::slice::from_ref(&unheard)).await.expect("evidence is appended");
    let snapshot = fresh.other.load().await.expect("the roll is loaded");
    assert_eq!(snapshot.roll.states.get(&slug("job")), state.as_ref());
    let news = fresh.other.news(&snapshot.roll.cursor, now()).await.expect("news are read");
    assert_eq!(names_of(&news.evidence), names_of([&unheard]));
    let roll = Roll { cursor: news.cursor, ..snapshot.roll };
    assert!(won(fresh
        .other
        .commit(snapshot.version, &roll, &changes(&[]))
        .await
        .expect("a commit is answered")));
    let by = attending(&fresh.store).await;
    assert_eq!(look(&fresh.store, by, Wanted::Unheard { most: 9 }).await.unheard, Vec::<Evidence>::new());
}

/// So that nothing is decided on what somebody has changed meanwhile.
pub async fn a_tool_makes_roll_calls_lose(fresh: &Fresh, _: Suite) {
    let mut roll = Roll::default();
    roll.states.insert(slug("job"), state(1));
    for store in [&fresh.store, &fresh.other] {
        let before = fresh.store.load().await.expect("the roll is loaded");
        let mut paused = state(2);
        paused.paused = Some(now());
        let entry = Entry { state: Some(paused), ..Entry::default() };
        keep(store, By::Tool, [Kept { job: slug("job"), entry: entry.clone(), wake_at: None }]).await;
        let late = fresh.store.commit(before.version, &roll, &changes(&["job"])).await;
        assert_eq!(late.expect("a commit is answered"), Commit::Lost);
        let after = fresh.other.load().await.expect("the roll is loaded");
        assert_eq!(after.roll.states.get(&slug("job")), entry.state.as_ref());
        assert!(won(fresh.other.commit(after.version, &roll, &changes(&["job"])).await.expect("it wins")));
    }
}

/// And once it left, they are not.
pub async fn while_a_node_attends_roll_calls_are_kept_out(fresh: &Fresh, _: Suite) {
    let add = |roll: &mut Roll| drop(roll.states.insert(slug("job"), state(1)));
    let [one, two] = ["web-1", "web-2"].map(node);
    attend(&fresh.store, &one, now()).await;
    attend(&fresh.other, &two, now()).await;
    let before = fresh.store.load().await.expect("the roll is loaded");
    assert_eq!(call(&fresh.other, add, &["job"]).await, Commit::Kept);
    assert_eq!(fresh.store.load().await.expect("the roll is loaded").roll, before.roll);
    live(&fresh.store).leave(&one, now()).await.expect("the node leaves");
    assert_eq!(call(&fresh.store, add, &["job"]).await, Commit::Kept);
    live(&fresh.store).leave(&two, now()).await.expect("the node leaves");
    assert!(won(call(&fresh.store, add, &["job"]).await));
    assert!(entry(&fresh.other, "job").await.state.is_some());
}

/// Who did not leave and did not lapse, whatever the order in which they came.
pub async fn who_attends_is_told_to_anybody_who_asks(fresh: &Fresh, _: Suite) {
    let mut nodes = ["web-1", "web-2", "web-3"].map(node);
    nodes[0].id = Uuid::max();
    for node in &nodes {
        attend(&fresh.store, node, now()).await;
    }
    attend(&fresh.store, &node("lapsed"), after(now(), -120)).await;
    live(&fresh.store).leave(&nodes[1], now()).await.expect("the node leaves");
    let there = async |at| live(&fresh.other).attending(at).await.expect("it is told who attends");
    assert_eq!(there(now()).await, [nodes[2].clone(), nodes[0].clone()]);
    assert_eq!(there(now() + ATTENDS_FOR + SignedDuration::from_secs(5)).await, []);
}

/// It need not say that it is gone.
pub async fn a_node_that_lapsed_keeps_nobody_out(fresh: &Fresh, _: Suite) {
    attend(&fresh.store, &node("web-1"), after(now(), -120)).await;
    let add = |roll: &mut Roll| drop(roll.states.insert(slug("job"), state(1)));
    assert!(won(call(&fresh.other, add, &["job"]).await));
}

/// Before it attends, after it left, and when it was held up.
pub async fn a_node_that_does_not_attend_decides_nothing(fresh: &Fresh, _: Suite) {
    let (node, at) = (node("web-1"), now());
    let lapsed = at + ATTENDS_FOR + SignedDuration::from_secs(1);
    let piece = || evidence("job", Kind::Success, at);
    let decide_at = async |moment| {
        let decided =
            Decided { evidence: vec![piece()], kept: vec![waking("job", 1, None)], ..Decided::default() };
        let deciding = Box::new(move |_| decided.clone());
        let answer = live(&fresh.other).decide(By::Node(node.id), jobs(&["job"]), moment, deciding).await;
        answer.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(decide_at(at).await, Err(ErrorKind::Unfit));
    attend(&fresh.store, &node, at).await;
    assert_eq!(decide_at(after(at, 30)).await, Ok(()));
    assert_eq!(decide_at(lapsed).await, Err(ErrorKind::Unfit));
    attend(&fresh.store, &node, lapsed).await;
    assert_eq!(decide_at(lapsed).await, Ok(()));
    live(&fresh.store).leave(&node, lapsed).await.expect("the node leaves");
    assert_eq!(decide_at(lapsed).await, Err(ErrorKind::Unfit));
    assert_eq!(all_evidence(&fresh.store).await.len(), 2);
}

/// From when the last one was seen until the next one came.
pub async fn that_nobody_attended_is_a_gap(fresh: &Fresh, _: Suite) {
    let [one, two] = ["web-1", "web-2"].map(node);
    let at = moment("2026-11-24T05:00:00Z");
    let first = attend(&fresh.store, &one, at).await;
    assert_eq!((first.found, first.gaps), (None, vec![]), "nobody had ever been there");
    for (node, seconds) in [(&two, 50), (&one, 110), (&two, 160)] {
        assert_eq!(attend(&fresh.other, node, after(at, seconds)).await.found, None, "somebody was there");
    }
    let gap = Gap { from: after(at, 160), to: after(at, 3600) };
    let back = attend(&fresh.store, &one, gap.to).await;
    assert_eq!((back.found, back.gaps), (Some(gap), vec![gap]));
    let roll = fresh.other.load().await.expect("the roll is loaded").roll;
    assert_eq!(roll.gaps, [gap]);
    let next = attend(&fresh.other, &two, after(at, 3610)).await;
    assert_eq!((next.found, next.gaps), (None, vec![gap]));
    live(&fresh.store).leave(&one, after(at, 3660)).await.expect("the node leaves");
    let restarted = attend(&fresh.store, &node_again(), after(at, 3700)).await;
    assert_eq!((restarted.found, restarted.gaps), (None, vec![gap]), "a restart is no gap");
}

fn node_again() -> Node {
    node("web-1")
}

/// A week is a gap as well.
pub async fn a_gap_is_found_however_long_ago_anybody_attended(fresh: &Fresh, _: Suite) {
    let at = moment("2026-11-01T05:00:00Z");
    attend(&fresh.store, &node("old"), after(at, -30)).await;
    attend(&fresh.store, &node("older"), at).await;
    let mut gaps = Vec::new();
    for week in 1..=3 {
        let back = after(at, week * 7 * 86_400);
        let from = gaps.last().map_or(at, |gap: &Gap| gap.to);
        gaps.push(Gap { from, to: back });
        let attendance = attend(&fresh.other, &node("web-1"), back).await;
        assert_eq!(attendance.found, gaps.last().copied(), "in week {week}");
    }
    let roll = fresh.store.load().await.expect("the roll is loaded").roll;
    assert_eq!(roll.gaps, [Gap { from: at, to: gaps[2].to }], "gaps that touch are one");
}

/// The others, not those that left or lapsed.
pub async fn those_who_attend_are_named(fresh: &Fresh, _: Suite) {
    let at = now();
    let [one, two, three, four] = ["web-1", "web-2", "web-3", "web-4"].map(node);
    for (node, seconds) in [(&one, -100), (&two, -20), (&three, -10), (&four, -5)] {
        attend(&fresh.store, node, after(at, seconds)).await;
    }
    live(&fresh.store).leave(&three, at).await.expect("the node leaves");
    let mut others = attend(&fresh.other, &four, at).await.others;
    assert_eq!(others, ["web-2"]);
    others = attend(&fresh.other, &one, at).await.others;
    others.sort();
    assert_eq!(others, ["web-2", "web-4"]);
}
