//! Processes that write are killed at random moments; nothing that they were told to be stored is missing afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tenko_core::{Evidence, Kind};
use tenko_store::conformance::{changes, evidence, flip, full_report, now, roll, slug, state};
use tenko_store::live::{By, Case, Decided, Entry, Kept, Wanted};
use tenko_store::spool::Spool;
use tenko_store::sqlite::append_now;
use tenko_store::{Commit, SharedStore, SqliteStore};

/// Where the process that is to be killed writes; only it has this variable.
const PLACE: &str = "TENKO_TEST_KILL_PLACE";
/// How it writes.
const MANNER: &str = "TENKO_TEST_KILL_MANNER";
const KILLS: u64 = 70;

/// The process that is to be killed. Started as a test of its own, it ends by itself and has nothing to tell.
#[test]
fn a_process_writes_until_it_is_killed() {
    let Some(place) = std::env::var_os(PLACE) else {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        runtime().block_on(write_for_ever(&store, Some(3)));
        assert!(directory.path().join("tenko.db").exists());
        return;
    };
    let place = Path::new(&place);
    match std::env::var(MANNER).unwrap().as_str() {
        "store" => runtime().block_on(write_for_ever(&open(place), None)),
        "server" => runtime().block_on(decide_for_ever(&open(place))),
        "once" => loop {
            let piece = piece();
            append_now(&place.join("tenko.db"), std::slice::from_ref(&piece)).unwrap();
            acknowledge(&piece);
        },
        _ => loop {
            let piece = piece();
            Spool::for_store(place, "s3://bucket").unwrap().put(&piece).unwrap();
            acknowledge(&piece);
        },
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(place: &Path) -> SharedStore {
    Arc::new(SqliteStore::open(&place.join("tenko.db")).unwrap())
}

fn piece() -> Evidence {
    Evidence { report: full_report(), ..evidence("job", Kind::Success, now()) }
}

fn acknowledge(piece: &Evidence) {
    say(&format!("run {}", piece.run));
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // On a line of its own, whatever the harness has printed.
    write!(out, "\n{text}\n").unwrap();
    out.flush().unwrap();
}

/// Four append and one commits.
async fn write_for_ever(store: &SharedStore, rounds: Option<usize>) {
    let append = async || {
        for _ in 0..rounds.unwrap_or(usize::MAX) {
            let piece = piece();
            store.append(std::slice::from_ref(&piece)).await.unwrap();
            acknowledge(&piece);
        }
    };
    let commit = async {
        for _ in 0..rounds.unwrap_or(usize::MAX) {
            let mut snapshot = store.load().await.unwrap();
            let number = i64::try_from(snapshot.version).unwrap();
            snapshot.roll.states.insert(slug("job-0"), state(number));
            snapshot.roll.outbox = roll(1).0.outbox;
            let won = store.commit(snapshot.version, &snapshot.roll, &changes(&["job-0"])).await.unwrap();
            if let Commit::Won(version) = won {
                say(&format!("version {version}"));
            }
        }
    };
    tokio::join!(append(), append(), append(), append(), commit);
}

/// Four are told of evidence and decide: each adds it, counts it in the state and notes a flip.
async fn decide_for_ever(store: &SharedStore) {
    let live = store.live().unwrap();
    let decide = async || {
        loop {
            let piece = piece();
            let adding = piece.clone();
            let deciding = Box::new(move |case| count(case, &adding));
            live.decide(By::Tool, Wanted::Jobs(vec![slug("job")]), now(), deciding).await.unwrap();
            acknowledge(&piece);
        }
    };
    tokio::join!(decide(), decide(), decide(), decide());
}

fn count(mut case: Case, piece: &Evidence) -> Decided {
    let (job, mut entry) = case.entries.pop().unwrap();
    let mut state = entry.state.take().unwrap_or_else(|| state(0));
    state.fold.bad += 1;
    let at = moment_of(state.fold.bad);
    let kept = Kept { job, entry: Entry { state: Some(state), ..entry }, wake_at: Some(at) };
    Decided {
        evidence: vec![piece.clone()],
        flips: vec![(slug("job"), flip(at))],
        kept: vec![kept],
        ..Decided::default()
    }
}

fn moment_of(number: u32) -> Timestamp {
    Timestamp::from_second(number.into()).unwrap()
}

/// What killed processes had been told.
#[derive(Debug, Default)]
struct Told {
    runs: HashSet<String>,
    version: u64,
}

impl Told {
    fn hear(&mut self, child: &mut Child) {
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.split_once(' ') {
                Some(("run", run)) if run.len() == 36 => drop(self.runs.insert(run.to_owned())),
                Some(("version", version)) => self.version = version.parse().unwrap_or(0).max(self.version),
                _ => {}
            }
        }
    }
}

fn kill_many(place: &Path, manner: &str) -> Told {
    let mut told = Told::default();
    let mut chance = 88_172_645_463_325_252_u64;
    for _ in 0..KILLS {
        // Xorshift (Marsaglia 2003).
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_writes_until_it_is_killed", "--nocapture"])
            .env(PLACE, place)
            .env(MANNER, manner)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(2_000 + chance % 60_000));
        child.kill().unwrap();
        told.hear(&mut child);
        assert!(!child.wait().unwrap().success(), "it was killed and did not end by itself");
    }
    assert!(told.runs.len() > 50, "only {} pieces were acknowledged", told.runs.len());
    told
}

fn is_whole(place: &Path) {
    let connection = rusqlite::Connection::open(place.join("tenko.db")).unwrap();
    let found: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

async fn all_is_there(place: &Path, told: &Told) {
    let store = open(place);
    let stored = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap();
    let runs: HashSet<String> = stored.iter().map(|piece| piece.run.to_string()).collect();
    let lost: Vec<_> = told.runs.difference(&runs).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), told.runs.len());
    assert_eq!(runs.len(), stored.len(), "each is there once");
    for piece in &stored {
        assert_eq!(store.read(piece).await.unwrap().report, full_report());
    }
    let snapshot = store.load().await.unwrap();
    assert!(snapshot.version >= told.version, "{} < {}", snapshot.version, told.version);
}

#[tokio::test]
async fn what_a_killed_store_acknowledged_is_there() {
    let place = tempfile::tempdir().unwrap();
    let told = kill_many(place.path(), "store");
    assert!(told.version > 0);
    is_whole(place.path());
    all_is_there(place.path(), &told).await;
}

#[tokio::test]
async fn what_a_killed_server_decided_is_there_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let told = kill_many(place.path(), "server");
    is_whole(place.path());
    all_is_there(place.path(), &told).await;
    let store = open(place.path());
    let pieces = store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap().len();
    let flips = store.facts(&slug("job"), usize::MAX).await.unwrap().flips.len();
    let live = store.live().unwrap();
    let counted =
        live.entries(&[slug("job")]).await.unwrap().remove(0).state.unwrap().fold.bad - state(0).fold.bad;
    assert_eq!((flips, counted as usize), (pieces, pieces));
    let wakes = live.agenda().await.unwrap().look;
    assert_eq!(wakes, Some(moment_of(counted + state(0).fold.bad)));
}

#[tokio::test]
async fn what_was_acknowledged_without_a_runtime_is_there() {
    let place = tempfile::tempdir().unwrap();
    let told = kill_many(place.path(), "once");
    is_whole(place.path());
    all_is_there(place.path(), &told).await;
}

#[test]
fn what_a_killed_process_had_put_into_the_spool_is_there() {
    let place = tempfile::tempdir().unwrap();
    let told = kill_many(place.path(), "spool");
    let mut found = HashSet::new();
    let note = |piece: &Evidence| {
        found.insert(piece.run.to_string());
        true
    };
    let drained = Spool::for_store(place.path(), "s3://bucket").unwrap().drain(usize::MAX, note).unwrap();
    assert_eq!((drained.left, drained.bad.len()), (0, 0));
    let lost: Vec<_> = told.runs.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), told.runs.len());
}
