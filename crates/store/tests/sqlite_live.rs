//! The store in one SQLite file, as servers keep it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use tenko_core::roll::Cursor;
use tenko_core::{Evidence, JobState, Kind, Report};
use tenko_store::conformance::{
    Fresh, Suite, after, evidence, item, moment, names_of, now, slug, state, via,
};
use tenko_store::live::{By, Case, Decide, Decided, Entry, Kept, Live as _, Node, Wanted};
use tenko_store::{Appended, Commit, ErrorKind, SqliteStore, Store as _};
use uuid::Uuid;

async fn fresh() -> Fresh {
    let (directory, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    Fresh::new(Arc::new(store), Arc::new(SqliteStore::open(&path).unwrap()), directory)
}

tenko_store::live_tests!(fresh, Suite::default());

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenko.db");
    (directory, path)
}

fn sql(path: &Path, text: &str) {
    Connection::open(path).unwrap().execute_batch(text).unwrap();
}

fn ping(job: &str) -> Evidence {
    let report = Report { via: Some(via("203.0.113.7")), ..Report::default() };
    Evidence { report, ..evidence(job, Kind::Success, now()) }
}

/// Adds evidence and keeps a state.
fn hear(piece: Evidence, state: JobState) -> Decide {
    Box::new(move |_| {
        let entry = Entry { state: Some(state.clone()), ..Entry::default() };
        let kept = Kept { job: piece.job.clone(), entry, wake_at: state.look_again_at };
        Decided { evidence: vec![piece.clone()], kept: vec![kept], ..Decided::default() }
    })
}

async fn decide(store: &SqliteStore, job: &str, decide: Decide) -> tenko_store::Result<Vec<Appended>> {
    store.decide(By::Tool, Wanted::Jobs(vec![slug(job)]), now(), decide).await
}

async fn look(store: &SqliteStore, wanted: Wanted) -> Case {
    let (tell, told) = std::sync::mpsc::channel();
    let deciding = move |case| {
        tell.send(case).unwrap();
        Decided::default()
    };
    store.decide(By::Tool, wanted, now(), Box::new(deciding)).await.unwrap();
    told.into_iter().last().unwrap()
}

/// A version 1 that had called the roll up to evidence 2.
#[tokio::test]
async fn what_a_store_of_version_1_holds_is_brought_up_to_date() {
    let (_keep, path) = place();
    sql(&path, include_str!("samples/sqlite-1.sql"));
    let at = moment("2026-11-24T05:31:00.123Z");
    let waking = JobState { look_again_at: Some(at), ..state(1) };
    let dead = tenko_core::outbox::Item {
        status: tenko_core::outbox::Status::Dead { at },
        ..item("mail", "backup", at)
    };
    let items = [item("ops", "unheard-of", at), dead];
    let connection = Connection::open(&path).unwrap();
    let json = |state: &JobState| serde_json::to_string(state).unwrap();
    let keep = "insert into states (job, state) values (?1, ?2)";
    connection.execute(keep, (1, json(&waking))).unwrap();
    connection.execute(keep, (2, json(&JobState { look_again_at: None, ..waking.clone() }))).unwrap();
    for item in &items {
        let row = (item.notice.id.as_bytes(), serde_json::to_string(item).unwrap());
        connection.execute("insert into outbox (notice, item) values (?1, ?2)", row).unwrap();
    }
    connection.execute_batch("update roll set rest = replace(rest, '\"4\"', '\"2\"')").unwrap();
    drop(connection);

    let store = SqliteStore::open(&path).unwrap();
    let agenda = store.agenda().await.unwrap();
    assert_eq!((agenda.look, agenda.deliver), (Some(at), Some(at)));
    let due = look(&store, Wanted::Due { by: at, most: 9 }).await;
    assert_eq!(due.entries, [(slug("daily-report"), Entry { state: Some(waking), ..Entry::default() })]);
    let unheard = look(&store, Wanted::Unheard { most: 9 }).await;
    let kinds: Vec<_> = unheard.unheard.iter().map(|piece| piece.kind.to_string()).collect();
    assert_eq!(kinds, ["fail-3", "fail-sig9"]);
    assert_eq!(unheard.entries[0].1.items, items[1..]);
    assert_eq!(store.load().await.unwrap().roll.outbox.items, items);
    let ready = store.ready_channels(at).await.unwrap();
    assert_eq!(ready.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ops"]);
    let claimed = store.claim(&ready[0], Uuid::now_v7(), at, after(at, 9), 9).await.unwrap();
    assert_eq!(claimed.len(), 1);
}

#[tokio::test]
async fn a_version_1_of_which_nobody_ever_called_the_roll_is_unheard() {
    let (_keep, path) = place();
    sql(&path, include_str!("samples/sqlite-1.sql"));
    sql(&path, "update roll set version = 0, rest = '{\"v\":1,\"cursor\":\"\",\"states\":{},\"outbox\":[]}'");
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(look(&store, Wanted::Unheard { most: 9 }).await.unheard.len(), 4);
}

#[tokio::test]
async fn a_decision_that_the_file_refuses_takes_no_others_with_it() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    decide(&store, "bad", hear(ping("bad"), state(0))).await.unwrap();
    sql(
        &path,
        "create trigger refuse before update on states
         when new.job = (select id from jobs where slug = 'bad') begin select raise(abort, 'no'); end",
    );
    let before = store.entries(&[slug("bad")]).await.unwrap();
    for round in 1..4 {
        let jobs = ["a", "b", "bad", "c", "a"];
        let decisions = jobs.map(|job| decide(&store, job, hear(ping(job), state(round))));
        for (job, answer) in jobs.iter().zip(join_all(decisions).await) {
            assert_eq!(answer.is_ok(), *job != "bad", "{answer:?}");
        }
    }
    let all = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    assert_eq!(all.len(), 1 + 3 * 4);
    assert_eq!(look(&store, Wanted::Jobs(vec![slug("bad")])).await.entries[0].1, before[0]);
}

#[tokio::test]
async fn a_state_that_can_not_be_read_concerns_its_job_alone() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    for job in ["a", "bad", "c"] {
        decide(&store, job, hear(ping(job), state(0))).await.unwrap();
    }
    sql(&path, "update states set state = '{' where job = (select id from jobs where slug = 'bad')");
    let due = Wanted::Due { by: now(), most: 9 };
    for wanted in [due.clone(), due] {
        let jobs: Vec<_> = look(&store, wanted).await.entries.into_iter().map(|(job, _)| job).collect();
        assert_eq!(jobs, [slug("a"), slug("c")]);
    }
    let jobs = ["a", "bad", "c"];
    let answers = join_all(jobs.map(|job| decide(&store, job, hear(ping(job), state(1))))).await;
    let kinds = answers.iter().map(|answer| answer.as_ref().map_err(tenko_store::StoreError::kind).is_ok());
    assert_eq!(kinds.collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn what_was_pruned_is_heard_by_nobody() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let [old, new] = [-86_400, 0].map(|seconds| evidence("job", Kind::Success, after(now(), seconds)));
    store.append(&[old, new.clone()]).await.unwrap();
    store.prune(after(now(), -3600)).await.unwrap();
    let unheard = look(&store, Wanted::Unheard { most: 9 }).await.unheard;
    assert_eq!(names_of(&unheard), names_of([&new]));
}

/// The checker that comes after servers that died reads what they had not heard.
#[tokio::test]
async fn the_cursor_never_passes_what_nobody_heard() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let node = Node { id: Uuid::now_v7(), name: "web-1".into() };
    let longest = SignedDuration::from_mins(1);
    let long_ago = after(now(), -600);
    let mut pieces = Vec::new();
    for seconds in [0, 10, 20] {
        store.attend(&node, after(long_ago, seconds), longest).await.unwrap();
        pieces.push(evidence("job", Kind::Success, now()));
        store.append(&pieces[pieces.len() - 1..]).await.unwrap();
        let told = hear(ping("job"), state(seconds));
        store
            .decide(By::Node(node.id), Wanted::Jobs(Vec::new()), after(long_ago, seconds), told)
            .await
            .unwrap();
    }
    let snapshot = store.load().await.unwrap();
    let news = store.news(&snapshot.roll.cursor, now()).await.unwrap();
    assert_eq!(news.evidence.len(), 6, "the oldest that nobody heard, and all since");
    let roll = tenko_core::Roll { cursor: news.cursor, ..snapshot.roll };
    let changes = tenko_core::roll::Changes::default();
    let commit = store.commit(snapshot.version, &roll, &changes).await.unwrap();
    assert!(matches!(commit, Commit::Won(_)));
    assert_eq!(look(&store, Wanted::Unheard { most: 9 }).await.unheard, []);
    assert_eq!(store.news(&Cursor::default(), now()).await.unwrap().evidence.len(), 6);
}

#[tokio::test]
async fn a_plain_ping_takes_less_than_80_bytes() {
    const PINGS: u64 = 40_000;
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let begin = now();
    let size = || {
        sql(&path, "pragma wal_checkpoint(truncate)");
        fs::metadata(&path).unwrap().len()
    };
    let mut before = 0;
    for batch in 0..=PINGS / 500 {
        let at = begin + Duration::from_secs(150 * batch);
        let numbers = 500 * batch..500 * (batch + 1);
        let pieces: Vec<_> =
            numbers.map(|number| ping_at(number, at + Duration::from_millis(number % 500))).collect();
        let decided = Decided { evidence: pieces, ..Decided::default() };
        let deciding = Box::new(move |_| decided.clone());
        store.decide(By::Tool, Wanted::Jobs(Vec::new()), at, deciding).await.unwrap();
        before = if batch == 0 { size() } else { before };
    }
    let bytes = (size() - before) as f64 / PINGS as f64;
    assert!(bytes < 80.0, "{bytes} bytes");
}

/// Of one of 200 jobs, from one of 50 hosts.
fn ping_at(number: u64, at: Timestamp) -> Evidence {
    let stamp = uuid::Timestamp::from_unix_time(
        at.as_second().unsigned_abs(),
        at.subsec_nanosecond().unsigned_abs(),
        0,
        0,
    );
    let run = tenko_core::RunId(Uuid::new_v7(stamp));
    let report = Report { via: Some(via(&format!("203.0.113.{}", number % 50))), ..Report::default() };
    Evidence { report, ..Evidence::new(slug(&format!("job-{}", number % 200)), run, Kind::Success, at) }
}
