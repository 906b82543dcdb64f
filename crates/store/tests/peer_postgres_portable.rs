//! What is kept, taken from SQLite to PostgreSQL and back.

#![cfg(all(feature = "postgres", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use tenko_core::judge::Gap;
use tenko_core::roll::{Cursor, Roll};
use tenko_core::state::Missed;
use tenko_core::{Evidence, Exit, Kind};
use tenko_store::conformance::{
    after, declaration, evidence, flip, full_report, item, moment, now, slug, state,
};
use tenko_store::live::{By, Decided, Key, Live as _, Wanted};
use tenko_store::portable::{Piece, Portable};
use tenko_store::testkit_postgres::Database;
use tenko_store::{ErrorKind, PostgresStore, SqliteStore, Store as _};
use uuid::Uuid;

/// More pieces than are read or written at once.
const MANY: i64 = 2500;

/// Something of everything, as a store gives it out.
fn pieces() -> Vec<Piece> {
    let at = moment("2026-11-24T05:00:00.123Z");
    let gaps = vec![Gap { from: after(at, -600), to: after(at, -300) }];
    let mut pieces =
        vec![Piece::Roll(Roll { called_at: Some(at), gaps, ..Roll::default() }), Piece::Attended(at)];
    pieces.extend((0..MANY).map(|number| Piece::Job {
        job: slug(&format!("job-{number}")),
        state: (number != 1).then(|| state(number)),
        declaration: (number < 2).then(|| declaration(&format!("1f3a9c0{number}"))),
        wake_at: (number != 1).then(|| after(at, number)),
    }));
    let channels = ["ops", "dev", "ops"];
    pieces.extend(channels.map(|channel| Piece::Notice(item(channel, "job-0", at))));
    let address =
        |number| Piece::Address { job: slug(&format!("job-{number}")), address: Uuid::from_u128(number) };
    pieces.extend([3, 7].map(address));
    let key = Key { purpose: "ping".into(), name: "main".into(), hash: [7; 32], made_at: at };
    pieces.push(Piece::Key(key));
    let told = |seconds| Piece::Flip { job: slug("job-0"), flip: flip(after(at, seconds)) };
    pieces.extend([0, -9, 0].map(told));
    let missed = Missed { first: at, last: after(at, 60), count: 2 };
    pieces.push(Piece::Missed { job: slug("job-0"), missed });
    pieces
        .extend((0..MANY).map(|number| Piece::Evidence { evidence: piece(number), heard: number % 3 != 0 }));
    pieces
}

fn piece(number: i64) -> Evidence {
    let at = moment("2026-11-24T05:00:00.123Z");
    let kind =
        [Kind::Start, Kind::Success, Kind::Log, Kind::Fail(Some(Exit::Signal(9)))][number as usize % 4];
    let mut piece = evidence(&format!("job-{}", number % 5), kind, after(at, -number));
    piece.received_at = Some(after(at, number));
    piece.declaration = (number % 7 == 0).then(|| declaration("1f3a9c00"));
    if number % 4 == 3 {
        piece.report = full_report();
    }
    piece
}

async fn put(store: &dyn Portable, pieces: Vec<Piece>) -> tenko_store::Result<()> {
    store.import(Box::new(pieces.into_iter().map(Ok))).await
}

async fn taken(store: &dyn Portable) -> Vec<Piece> {
    let all = Arc::<Mutex<Vec<Piece>>>::default();
    let taking = Arc::clone(&all);
    let taker = move |piece| {
        taking.lock().unwrap().push(piece);
        Ok(())
    };
    store.export(Box::new(taker)).await.unwrap();
    Arc::into_inner(all).unwrap().into_inner().unwrap()
}

fn sqlite(directory: &Path, name: &str) -> SqliteStore {
    SqliteStore::open(&directory.join(name)).unwrap()
}

/// In the order of jobs, which each store numbers by itself.
fn sorted(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| match piece {
        Piece::Job { job, .. } => Some(job.clone()),
        _ => None,
    });
    pieces
}

fn assert_same(left: Vec<Piece>, right: Vec<Piece>) {
    let (left, right) = (sorted(left), sorted(right));
    assert_eq!(left.len(), right.len());
    left.into_iter().zip(right).for_each(|(left, right)| assert_eq!(left, right));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_goes_from_sqlite_to_postgres_and_back_is_the_same() {
    let (directory, database) = (tempfile::tempdir().unwrap(), Database::create().await);
    let first = sqlite(directory.path(), "first.db");
    put(&first, pieces()).await.unwrap();
    let from_sqlite = taken(&first).await;
    assert_eq!(from_sqlite.len(), 2 * MANY as usize + 12);

    let postgres = PostgresStore::new(&database.url()).unwrap();
    put(&postgres, from_sqlite.clone()).await.unwrap();
    let from_postgres = taken(&postgres).await;
    assert_same(from_sqlite.clone(), from_postgres.clone());

    let second = sqlite(directory.path(), "second.db");
    put(&second, from_postgres).await.unwrap();
    assert_same(from_sqlite, taken(&second).await);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn what_was_brought_is_read_and_goes_on() {
    let database = Database::create().await;
    let [store, other] = [(); 2].map(|()| PostgresStore::new(&database.url()).unwrap());
    put(&store, pieces()).await.unwrap();
    let snapshot = other.load().await.unwrap();
    assert_eq!((snapshot.version, snapshot.roll.states.len()), (1, MANY as usize - 1));
    assert_eq!(other.job_at(Uuid::from_u128(7)).await.unwrap(), Some(slug("job-7")));
    // What nobody had heard is news, and a server hears it.
    let news = other.news(&snapshot.roll.cursor, now()).await.unwrap();
    assert!(!news.evidence.is_empty());
    let heard = Arc::<Mutex<usize>>::default();
    let counting = Arc::clone(&heard);
    let node = tenko_store::live::Node { id: Uuid::new_v4(), name: "one".into() };
    other.attend(&node, now(), jiff::SignedDuration::from_secs(60)).await.unwrap();
    let decide = move |case: tenko_store::live::Case| {
        *counting.lock().unwrap() = case.unheard.len();
        Decided::default()
    };
    let wanted = Wanted::Unheard { most: 5000 };
    other.decide(By::Node(node.id), wanted, now(), Box::new(decide)).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), MANY.unsigned_abs() as usize / 3 + 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn where_all_was_heard_nothing_is_news() {
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    let heard = pieces().into_iter().map(|piece| match piece {
        Piece::Evidence { evidence, .. } => Piece::Evidence { evidence, heard: true },
        piece => piece,
    });
    put(&store, heard.collect()).await.unwrap();
    let cursor = store.load().await.unwrap().roll.cursor;
    assert_eq!(store.news(&cursor, now()).await.unwrap().evidence, []);
    store.append(&[evidence("job-0", Kind::Success, now())]).await.unwrap();
    assert_eq!(store.news(&cursor, now()).await.unwrap().evidence.len(), 1);
    let everything = store.news(&Cursor::default(), now()).await.unwrap();
    assert_eq!(everything.evidence.len(), MANY.unsigned_abs() as usize + 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_store_in_which_something_is_is_refused_and_not_changed() {
    let database = Database::create().await;
    let store = PostgresStore::new(&database.url()).unwrap();
    store.append(&[evidence("daily", Kind::Success, now())]).await.unwrap();
    let before = taken(&store).await;
    let refused = put(&store, pieces()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.to_string().ends_with("is not empty"), "{refused}");
    assert_eq!(taken(&store).await, before);
    // Of what breaks off, nothing is there.
    let other = Database::create().await;
    let store = PostgresStore::new(&other.url()).unwrap();
    let broken = || tenko_store::StoreError::new(ErrorKind::Corrupt, "the file is damaged");
    let cut = pieces().into_iter().map(Ok).chain([Err(broken())]);
    let refused = store.import(Box::new(cut)).await.unwrap_err();
    assert_eq!(refused.to_string(), broken().to_string());
    put(&store, pieces()).await.unwrap();
}
