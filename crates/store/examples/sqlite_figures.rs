//! Measures the store in SQLite: `cargo run --release -p tenko-store --example sqlite_figures [DIRECTORY [PART]]`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenko_core::{Evidence, Kind, RunId, Slug};
use tenko_store::conformance::{now, roll};
use tenko_store::{SqliteStore, Store, sqlite};
use uuid::Uuid;

const WRITERS: usize = 64;
const FOR: Duration = Duration::from_secs(1);
const ROUNDS: usize = 9;

#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
fn main() {
    let root = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let place = tempfile::tempdir_in(root).expect("a temporary directory can be made");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let part = std::env::args().nth(2);
    let wanted = |name: &str| part.as_ref().is_none_or(|part| part == name);
    if wanted("appends") {
        let mut ratios: Vec<f64> =
            (0..ROUNDS).map(|round| runtime.block_on(compare(place.path(), round))).collect();
        ratios.sort_by(f64::total_cmp);
        println!("appends/s against the bare loop: median of {ROUNDS} rounds {:.2}", ratios[ROUNDS / 2]);
    }
    if wanted("size") {
        println!("bytes per plain evidence: {:.1}", runtime.block_on(size(&place.path().join("size.db"))));
    }
    if wanted("roll") {
        let (commit, load) = runtime.block_on(large_roll(&place.path().join("roll.db")));
        println!("100,000 states: first commit {commit:?}, load {load:?}");
    }
    if wanted("one-shot") {
        let (median, slowest) = one_shot(&place.path().join("one-shot.db"));
        println!("one-shot append: median {median:?}, slowest of 200 {slowest:?}");
        let flush = flush(&place.path().join("flush"));
        println!("for comparison, one flush of 4 KiB to this disk: median {flush:?}");
    }
}

#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
async fn compare(place: &Path, round: usize) -> f64 {
    let bare = bare_loop(&place.join(format!("bare-{round}.db")));
    let store = appends(&place.join(format!("store-{round}.db"))).await;
    println!(
        "appends/s with {WRITERS} writers: bare loop {bare:.0}, store {store:.0}, ratio {:.2}",
        store / bare
    );
    store / bare
}

fn piece(number: usize) -> Evidence {
    let job = Slug::new(&format!("job-{}", number % 1000)).expect("the name is valid");
    Evidence::new(job, RunId(Uuid::now_v7()), Kind::Success, now())
}

/// What SQLite itself can do: 64 rows of the same information a transaction, in one table with one index, without a
/// queue and without answers.
fn bare_loop(path: &Path) -> f64 {
    let mut connection = rusqlite::Connection::open(path).expect("the file opens");
    let tables = "pragma journal_mode = wal; pragma synchronous = full;
        create table evidence (seq integer primary key, job integer, run blob, kind integer, at integer, received integer);
        create unique index once on evidence (run, job, kind)";
    connection.execute_batch(tables).expect("the tables are made");
    let (begun, mut rows) = (Instant::now(), 0);
    while begun.elapsed() < FOR {
        let transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .expect("a transaction begins");
        for _ in 0..WRITERS {
            let sql = "insert into evidence (job, run, kind, at, received) values (?1, ?2, ?3, ?4, ?5) on conflict do nothing";
            let mut insert = transaction.prepare_cached(sql).expect("the statement is right");
            let at = now().as_millisecond();
            insert.execute((rows % 1000, Uuid::now_v7().as_bytes(), 1, at, at)).expect("a row goes in");
            rows += 1;
        }
        transaction.commit().expect("the transaction ends");
    }
    f64::from(rows) / begun.elapsed().as_secs_f64()
}

async fn appends(path: &Path) -> f64 {
    let store = Arc::new(SqliteStore::open(path).expect("the store opens"));
    let begun = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut count = 0;
            while begun.elapsed() < FOR {
                let piece = piece(writer + count * WRITERS);
                store.append(std::slice::from_ref(&piece)).await.expect("evidence is stored");
                count += 1;
            }
            count
        })
    });
    let counts = futures::future::join_all(writers).await;
    let all: usize = counts.into_iter().map(|count| count.expect("no writer panics")).sum();
    all as f64 / begun.elapsed().as_secs_f64()
}

/// A start and a success of each run, some runs at the same time.
async fn size(path: &Path) -> f64 {
    const RUNS: usize = 250_000;
    let store = SqliteStore::open(path).expect("the store opens");
    let begin = now();
    let mut batch = Vec::new();
    for number in 0..RUNS {
        let at = begin + Duration::from_millis(200 * number as u64);
        let stamp = uuid::Timestamp::from_unix_time(at.as_second().unsigned_abs(), 0, 0, 0);
        let run = RunId(Uuid::new_v7(stamp));
        let start = Evidence::new(piece(number).job, run, Kind::Start, at);
        let end = Evidence { kind: Kind::Success, at: at + Duration::from_secs(1), ..start.clone() };
        batch.extend([start, end]);
        if batch.len() >= 1000 {
            store.append(&batch).await.expect("evidence is stored");
            batch.clear();
        }
    }
    drop(store);
    let bytes = std::fs::metadata(path).expect("the file is there").len();
    bytes as f64 / (2 * RUNS) as f64
}

async fn large_roll(path: &Path) -> (Duration, Duration) {
    let store = SqliteStore::open(path).expect("the store opens");
    let (roll, changes) = roll(100_000);
    let begun = Instant::now();
    store.commit(0, &roll, &changes).await.expect("the roll is stored");
    let commit = begun.elapsed();
    let begun = Instant::now();
    let loaded = store.load().await.expect("the roll is loaded");
    let load = begun.elapsed();
    assert_eq!(loaded.roll, roll);
    (commit, load)
}

fn one_shot(path: &Path) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..200)
        .map(|number| {
            let begun = Instant::now();
            sqlite::append_now(path, &[piece(number)]).expect("evidence is stored");
            begun.elapsed()
        })
        .collect();
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

fn flush(path: &Path) -> Duration {
    let mut file = std::fs::File::create(path).expect("the file is made");
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
