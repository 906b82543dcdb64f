//! What is promised of decisions.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use tenko_core::state::Missed;
use tenko_core::{Evidence, Kind};

use super::super::{Fresh, Suite};
use super::*;
use crate::ErrorKind;

/// Evidence, states, declarations, notices, facts and when to look: all of it, for whoever asks.
pub async fn what_is_decided_is_there_whole(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    let piece = Evidence {
        report: full_report(),
        declaration: Some(declaration("1f3a9c02")),
        ..evidence("job", Kind::Success, at)
    };
    let entry = Entry {
        state: Some(state(1)),
        declaration: Some(declaration("1f3a9c02")),
        items: vec![item("ops", "job", at), item("mail", "job", at), item("ops", "job", after(at, 1))],
    };
    let missed = Missed { first: after(at, -500), last: after(at, -100), count: 5 };
    let wake_at = after(at, 600);
    let decided = Decided {
        evidence: vec![piece.clone()],
        kept: vec![Kept { job: slug("job"), entry: entry.clone(), wake_at: Some(wake_at) }],
        flips: vec![(slug("job"), flip(at)), (slug("job"), flip(after(at, 1)))],
        missed: vec![(slug("job"), missed)],
    };
    let received = after(at, 5);
    let answer = live(&fresh.store).decide(by, jobs(&["job"]), received, Box::new(move |_| decided.clone()));
    assert_eq!(answer.await.expect("it is decided"), [Appended::Added]);
    for store in [&fresh.other, &fresh.store] {
        assert_eq!(super::entry(store, "job").await, entry);
        let found = store.read(&piece).await.expect("the evidence is there");
        assert_eq!((found.received_at, as_appended(&found)), (Some(received), piece.clone()));
        let facts = store.facts(&slug("job"), 9).await.expect("facts are found");
        assert_eq!(facts.flips, [flip(after(at, 1)), flip(at)]);
        assert_eq!(facts.missed, [missed]);
        let agenda = live(store).agenda().await.expect("the agenda is read");
        assert_eq!((agenda.look, agenda.deliver), (Some(wake_at), Some(at)));
        let roll = store.load().await.expect("the roll is loaded").roll;
        assert_eq!(roll.states[&slug("job")], state_of(&entry));
        assert_eq!(roll.declarations[&slug("job")], declaration("1f3a9c02"));
        assert_eq!(roll.outbox.items, entry.items);
    }
}

fn state_of(entry: &Entry) -> tenko_core::JobState {
    entry.state.clone().expect("the job was judged")
}

/// It stays as it was stored first.
pub async fn evidence_that_is_known_is_not_added_twice(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let piece = evidence("job", Kind::Success, now());
    let later = Evidence { at: after(piece.at, 1), report: full_report(), ..piece.clone() };
    let other = evidence("job", Kind::Success, now());
    let all = vec![piece.clone(), later.clone(), other.clone()];
    let decided = Decided { evidence: all, ..Decided::default() };
    let once = [Appended::Added, Appended::Known, Appended::Added];
    assert_eq!(put(&fresh.store, by, decided.clone()).await, once);
    assert_eq!(put(&fresh.other, by, decided).await, [Appended::Known; 3]);
    assert_eq!(fresh.store.append(&[later]).await.expect("it is known"), [Appended::Known]);
    assert_eq!(names_of(&all_evidence(&fresh.other).await), names_of([&piece, &other]));
}

/// Also what of a named job is not another.
pub async fn what_is_not_named_stays_as_it_is(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    let entry = |seed| Entry {
        state: Some(state(seed)),
        declaration: Some(declaration("1f3a9c02")),
        items: vec![item("ops", "one", at), item("ops", "one", after(at, 1))],
    };
    let other = Entry { items: vec![item("ops", "other", at)], ..Entry::default() };
    keep(&fresh.store, by, [Kept { job: slug("other"), entry: other.clone(), wake_at: None }]).await;
    let mut kept = Kept { job: slug("one"), entry: entry(1), wake_at: Some(at) };
    for step in 0..4 {
        kept.entry = Entry { state: kept.entry.state, ..entry(step) };
        match step {
            0 => {}
            1 => kept.entry.state = Some(state(2)),
            2 => drop(kept.entry.items.remove(0)),
            _ => kept = Kept { entry: Entry { declaration: None, ..kept.entry }, wake_at: None, ..kept },
        }
        let store = if step % 2 == 0 { &fresh.store } else { &fresh.other };
        keep(store, by, [kept.clone()]).await;
        for store in [&fresh.store, &fresh.other] {
            let wanted = look(store, by, jobs(&["one", "other", "one", "neither"])).await;
            assert_eq!(names(&wanted), ["neither", "one", "other"]);
            let read: Vec<_> = wanted.entries.into_iter().map(|(_, entry)| entry).collect();
            assert_eq!(read, [Entry::default(), kept.entry.clone(), other.clone()], "after step {step}");
        }
        let agenda = live(&fresh.other).agenda().await.expect("the agenda is read");
        assert_eq!(agenda.look, kept.wake_at, "after step {step}");
    }
}

/// Nothing is kept of it, and what is known of its past stays.
pub async fn a_forgotten_job_leaves_its_evidence(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    let piece = evidence("job", Kind::Success, at);
    let mut kept = waking("job", 1, Some(at));
    kept.entry.items.push(item("ops", "job", at));
    let decided = Decided {
        evidence: vec![piece.clone()],
        kept: vec![kept],
        flips: vec![(slug("job"), flip(at))],
        ..Decided::default()
    };
    put(&fresh.store, by, decided).await;
    let nothing = Kept { job: slug("job"), entry: Entry::default(), wake_at: None };
    keep(&fresh.other, by, [nothing]).await;
    assert!(entry(&fresh.store, "job").await.is_empty());
    assert_eq!(live(&fresh.store).names(None, 9).await.expect("names are read"), []);
    let agenda = live(&fresh.store).agenda().await.expect("the agenda is read");
    assert_eq!((agenda.look, agenda.deliver), (None, None));
    assert_eq!(names_of(&all_evidence(&fresh.store).await), names_of([&piece]));
    let facts = fresh.store.facts(&slug("job"), 9).await.expect("facts are found");
    assert_eq!(facts.flips, [flip(at)]);
}

/// All count on what the one before left.
pub async fn of_many_who_decide_about_one_job_none_is_lost(fresh: &Fresh, suite: Suite) {
    let by = attending(&fresh.store).await;
    let racers = (0..suite.racers).map(|racer| {
        let store = Arc::clone(if racer % 2 == 0 { &fresh.store } else { &fresh.other });
        tokio::spawn(async move {
            for _ in 0..suite.rounds {
                decide(&store, by, jobs(&["job"]), count_one).await.expect("it is decided");
            }
        })
    });
    join_all(racers).await.into_iter().for_each(|done| done.expect("no racer panics"));
    let counted = state_of(&entry(&fresh.other, "job").await).fold.bad;
    assert_eq!(counted as usize, suite.racers * suite.rounds);
}

/// Counts in the state of each job, which sleeps then.
fn count_one(case: Case) -> Decided {
    let count = |(job, mut entry): (Slug, Entry)| {
        let mut state = entry.state.take().unwrap_or_else(|| {
            let mut state = state(0);
            state.fold.bad = 0;
            state
        });
        state.fold.bad += 1;
        Kept { job, entry: Entry { state: Some(state), ..entry }, wake_at: None }
    };
    Decided { kept: case.entries.into_iter().map(count).collect(), ..Decided::default() }
}

/// And the store goes on.
pub async fn a_decision_that_panics_leaves_nothing(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let kept = waking("job", 1, None);
    keep(&fresh.store, by, [kept.clone()]).await;
    let piece = evidence("other", Kind::Success, now());
    fresh.store.append(std::slice::from_ref(&piece)).await.expect("evidence is appended");
    for wanted in [jobs(&["job"]), Wanted::Unheard { most: 9 }] {
        let error = decide(&fresh.store, by, wanted, |_| panic!("an impossible job")).await;
        let error = error.expect_err("nothing is decided");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    assert_eq!(entry(&fresh.store, "job").await, kept.entry);
    let unheard = look(&fresh.store, by, Wanted::Unheard { most: 9 }).await.unheard;
    assert_eq!(names_of(&unheard), names_of([&piece]));
}

/// Those who can't be helped do not take others with them.
pub async fn many_decide_at_once_and_each_is_answered(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let stranger = By::Node(node("stranger").id);
    let deciders = (0..60).map(|number| {
        let store = Arc::clone(if number % 2 == 0 { &fresh.store } else { &fresh.other });
        tokio::spawn(async move {
            let job = format!("job-{}", number % 7);
            let by = if number % 10 == 3 { stranger } else { by };
            let deciding = move |case: Case| {
                assert!(number % 10 != 4, "this one panics");
                let piece = evidence(first(case.clone()).0.as_str(), Kind::Success, now());
                Decided { evidence: vec![piece], ..count_one(case) }
            };
            decide(&store, by, jobs(&[&job]), deciding).await.map_err(|error| error.kind())
        })
    });
    for (number, answer) in join_all(deciders).await.into_iter().enumerate() {
        let wanted = match number % 10 {
            3 => Err(ErrorKind::Unfit),
            4 => Err(ErrorKind::Corrupt),
            _ => Ok(vec![Appended::Added]),
        };
        assert_eq!(answer.expect("no decider panics"), wanted, "of {number}");
    }
    assert_eq!(all_evidence(&fresh.store).await.len(), 48);
    let all: Vec<_> = (0..7).map(|number| slug(&format!("job-{number}"))).collect();
    let entries = live(&fresh.store).entries(&all).await.expect("entries are read");
    assert_eq!(entries.iter().map(|entry| state_of(entry).fold.bad).sum::<u32>(), 48);
}

/// A moment in it is part of what is due.
pub async fn due_finds_the_earliest_first_and_not_what_sleeps(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    let wakes = [("e", 50), ("a", 30), ("d", 10), ("b", 20), ("c", 40)];
    keep(&fresh.store, by, wakes.map(|(job, seconds)| waking(job, 1, Some(after(at, seconds))))).await;
    keep(&fresh.store, by, [waking("sleeps", 1, None)]).await;
    let due = |seconds, most| Wanted::Due { by: after(at, seconds), most };
    for (wanted, found) in [
        (due(9, 9), vec![]),
        (due(10, 9), vec!["d"]),
        (due(40, 2), vec!["b", "d"]),
        (due(40, 9), vec!["a", "b", "c", "d"]),
        (due(999_999, 9), vec!["a", "b", "c", "d", "e"]),
    ] {
        let case = look(&fresh.other, by, wanted.clone()).await;
        assert_eq!((names(&case), case.unheard.len()), (found, 0), "{wanted:?}");
    }
    decide(&fresh.other, by, due(20, 9), count_one).await.expect("it is decided");
    let case = look(&fresh.store, by, due(999_999, 9)).await;
    assert_eq!(names(&case), ["a", "c", "e"], "those that were looked at sleep");
    assert_eq!(first(case).1.state.map(|state| state.fold.bad), Some(state(1).fold.bad));
}

/// However many look at once.
pub async fn of_two_who_look_none_looks_at_what_the_other_saw(fresh: &Fresh, suite: Suite) {
    let by = attending(&fresh.store).await;
    let at = now();
    let mut fresh_state = state(1);
    fresh_state.fold.bad = 0;
    for round in 0..suite.rounds.min(10) {
        let due = (0..40).map(|number| {
            let mut kept = waking(&format!("job-{number}"), 1, Some(after(at, number)));
            kept.entry.state = Some(fresh_state.clone());
            kept
        });
        keep(&fresh.store, by, due).await;
        let lookers = (0..suite.racers).map(|racer| {
            let store = Arc::clone(if racer % 2 == 0 { &fresh.store } else { &fresh.other });
            tokio::spawn(look_until_all_sleep(store, by, after(at, 100)))
        });
        join_all(lookers).await.into_iter().for_each(|done| done.expect("no looker panics"));
        let roll = fresh.other.load().await.expect("the roll is loaded").roll;
        assert_eq!(roll.states.len(), 40);
        assert!(roll.states.values().all(|state| state.fold.bad == 1), "in round {round}");
    }
}

async fn look_until_all_sleep(store: SharedStore, by: By, until: Timestamp) {
    while live(&store).agenda().await.expect("the agenda is read").look.is_some() {
        let due = Wanted::Due { by: until, most: 5 };
        decide(&store, by, due, count_one).await.expect("it is decided");
    }
}

/// In the order in which it was added, with all that it says, together with what is kept of its jobs.
pub async fn unheard_evidence_is_heard_once(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    keep(&fresh.store, by, [waking("b", 1, None)]).await;
    let pieces = ["b", "a", "b", "c", "a"].map(|job| Evidence {
        report: full_report(),
        declaration: Some(declaration("1f3a9c02")),
        ..evidence(job, Kind::Success, now())
    });
    for piece in &pieces {
        fresh.other.append(std::slice::from_ref(piece)).await.expect("evidence is appended");
    }
    fresh.store.append(&pieces).await.expect("evidence is known");
    for (jobs, heard) in [(vec!["a", "b"], &pieces[..3]), (vec!["a", "c"], &pieces[3..]), (vec![], &[])] {
        let case = look(&fresh.store, by, Wanted::Unheard { most: 3 }).await;
        assert_eq!(names(&case), jobs);
        assert!(case.unheard.iter().all(|piece| piece.received_at.is_some()));
        let whole: Vec<_> = case.unheard.iter().map(as_appended).collect();
        assert_eq!(whole, heard);
        let judged = case.entries.iter().filter(|(_, entry)| entry.state.is_some()).count();
        assert_eq!(judged, usize::from(jobs.contains(&"b")));
    }
}

/// Nobody hears it again as if it were of somebody else.
pub async fn what_a_server_was_told_is_heard(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let [told, added] = [1, 2].map(|_| evidence("job", Kind::Success, now()));
    put(&fresh.store, by, Decided { evidence: vec![told.clone()], ..Decided::default() }).await;
    fresh.store.append(&[told, added.clone()]).await.expect("evidence is appended");
    let unheard = look(&fresh.other, by, Wanted::Unheard { most: 9 }).await.unheard;
    assert_eq!(names_of(&unheard), names_of([&added]));
}

/// Jobs are named, and the time is told, when the transaction has begun; what was said before does not count.
pub async fn who_is_named_late_is_decided_about_by_the_later_clock(fresh: &Fresh, _: Suite) {
    let by = attending(&fresh.store).await;
    let entry = Entry { state: Some(state(1)), ..Entry::default() };
    keep(&fresh.store, by, [Kept { job: slug("known"), entry: entry.clone(), wake_at: None }]).await;
    let (at, late) = (now(), after(now(), 7));
    let naming = Naming::new(move || (vec![slug("known"), slug("new")], late));
    let piece = evidence("new", Kind::Success, at);
    let added = piece.clone();
    let deciding = move |case: Case| {
        let expected = vec![(slug("known"), entry.clone()), (slug("new"), Entry::default())];
        assert_eq!(case.entries, expected);
        Decided { evidence: vec![added.clone()], ..Decided::default() }
    };
    let decided = live(&fresh.store).decide(by, Wanted::Latest(naming), at, Box::new(deciding)).await;
    assert_eq!(decided.expect("it is decided"), [Appended::Added]);
    let found = fresh.other.read(&piece).await.expect("the evidence is there");
    assert_eq!(found.received_at, Some(late));
    let nobody = Wanted::Latest(Naming::new(move || (Vec::new(), late)));
    assert_eq!(look(&fresh.store, by, nobody).await.entries, []);
}
