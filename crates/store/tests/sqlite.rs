//! The store in one SQLite file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Kind, RunId};
use tenko_store::conformance::{
    Fresh, Suite, after, evidence, full_report, moment, names_of, now, roll, slug,
};
use tenko_store::sqlite::{Opened, append_now};
use tenko_store::{Appended, ErrorKind, SqliteStore, Store};
use uuid::Uuid;

async fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/tenko.db");
    let store = SqliteStore::open(&path).unwrap();
    Fresh::new(Arc::new(store), Arc::new(SqliteStore::open(&path).unwrap()), directory)
}

tenko_store::conformance_tests!(fresh, Suite::default());

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenko.db");
    (directory, path)
}

async fn all(store: &SqliteStore) -> Vec<Evidence> {
    store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap()
}

fn sql(path: &Path, text: &str) {
    Connection::open(path).unwrap().execute_batch(text).unwrap();
}

#[tokio::test]
async fn without_a_runtime_evidence_is_stored_as_well() {
    let (_keep, path) = place();
    let pieces = [Kind::Start, Kind::Success].map(|kind| evidence("job", kind, now()));
    let answer =
        std::thread::scope(|scope| scope.spawn(|| append_now(&path, &pieces).unwrap()).join().unwrap());
    assert_eq!(answer, [Appended::Added; 2]);
    assert_eq!(append_now(&path, &pieces).unwrap(), [Appended::Known; 2]);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(names_of(&all(&store).await), names_of(&pieces));
    assert_eq!(append_now(&path, &pieces[..1]).unwrap(), [Appended::Known]);
}

#[tokio::test]
async fn the_log_stays_short_however_many_processes_write_once() {
    let (_keep, path) = place();
    let pieces: Vec<_> = (0..300).map(|_| evidence("job", Kind::Success, now())).collect();
    let log = PathBuf::from(format!("{}-wal", path.display()));
    for piece in &pieces {
        append_now(&path, std::slice::from_ref(piece)).unwrap();
        assert!(fs::metadata(&log).unwrap().len() < 100 * 4096);
    }
    assert_eq!(names_of(&all(&SqliteStore::open(&path).unwrap()).await), names_of(&pieces));
}

#[tokio::test]
async fn a_log_that_somebody_reads_is_left_to_the_next_process() {
    let (_keep, path) = place();
    let reader = Connection::open(&path).unwrap();
    let pieces: Vec<_> = (0..100).map(|_| evidence("job", Kind::Success, now())).collect();
    append_now(&path, &pieces[..1]).unwrap();
    reader.execute_batch("begin; select * from evidence").unwrap();
    for piece in &pieces[1..] {
        append_now(&path, std::slice::from_ref(piece)).unwrap();
    }
    reader.execute_batch("rollback").unwrap();
    let last = evidence("job", Kind::Success, now());
    append_now(&path, std::slice::from_ref(&last)).unwrap();
    assert_eq!(fs::metadata(format!("{}-wal", path.display())).unwrap().len(), 0);
    assert_eq!(
        names_of(&all(&SqliteStore::open(&path).unwrap()).await),
        names_of(pieces.iter().chain([&last]))
    );
}

#[tokio::test]
async fn a_file_that_was_opened_and_then_removed_is_not_written_to() {
    let (_keep, path) = place();
    let opened = Opened::new(&path).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    let piece = evidence("job", Kind::Success, now());
    opened.append(std::slice::from_ref(&piece)).unwrap();
    assert_eq!(names_of(&all(&SqliteStore::open(&path).unwrap()).await), names_of([&piece]));
}

#[tokio::test]
async fn only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/tenko.db");
    let store = SqliteStore::open(&path).unwrap();
    store.append(&[evidence("job", Kind::Success, now())]).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&directory.path().join("a")), mode(path.parent().unwrap())), (0o700, 0o700));
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&PathBuf::from(format!("{}{suffix}", path.display()))), 0o600, "tenko.db{suffix}");
    }
}

/// A file that is refused by both ways to open it, with this kind, and is not changed by either.
fn is_refused(path: &Path, kind: ErrorKind) {
    let before = fs::read(path).unwrap();
    let opened = SqliteStore::open(path).unwrap_err();
    assert_eq!((opened.kind(), opened.help().is_some()), (kind, true), "{opened}");
    assert_eq!(append_now(path, &[]).unwrap_err().kind(), kind);
    assert!(before == fs::read(path).unwrap(), "the file was changed");
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    let (_keep, path) = place();
    for content in ["#!/bin/sh\nexit 0\n".as_bytes(), &[0; 5000], &[b'x'; 200_000]] {
        fs::write(&path, content).unwrap();
        is_refused(&path, ErrorKind::Config);
    }
}

#[test]
fn the_database_of_another_application_is_refused_and_left_alone() {
    for text in [
        "create table t (a)",
        "pragma application_id = 5",
        "pragma user_version = 1",
        "pragma journal_mode = wal; create table t (a)",
    ] {
        let (_keep, path) = place();
        sql(&path, text);
        is_refused(&path, ErrorKind::Config);
    }
}

#[test]
fn what_a_newer_version_wrote_is_refused_and_left_alone() {
    let (_keep, path) = place();
    drop(SqliteStore::open(&path).unwrap());
    sql(&path, "pragma user_version = 99");
    is_refused(&path, ErrorKind::Newer);
}

#[tokio::test]
async fn a_roll_of_a_newer_version_is_refused() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    sql(&path, "update roll set version = 1, rest = '{\"v\":99}'");
    assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Newer);
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let (_keep, path) = place();
    fs::write(&path, "").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(all(&store).await, []);
}

#[test]
fn a_place_that_can_not_be_is_an_error_with_its_name() {
    let (keep, path) = place();
    fs::write(&path, "").unwrap();
    let below = path.join("tenko.db");
    let error = SqliteStore::open(&below).unwrap_err();
    assert!(error.to_string().contains("tenko.db"), "{error}");
    let error = SqliteStore::open(keep.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "a directory: {error}");
}

#[tokio::test]
async fn fault_11_many_who_open_a_new_file_at_once_make_one_store() {
    let (_keep, path) = place();
    let pieces: Vec<_> = (0..16).map(|_| evidence("job", Kind::Success, now())).collect();
    std::thread::scope(|scope| {
        for piece in &pieces {
            let path = &path;
            scope.spawn(move || append_now(path, std::slice::from_ref(piece)).unwrap());
        }
    });
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(names_of(&all(&store).await), names_of(&pieces));
}

#[tokio::test]
async fn while_another_process_writes_it_is_waited_for() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        other.execute_batch("commit").unwrap();
    });
    assert!(store.load().await.is_ok(), "readers do not wait");
    assert_eq!(store.append(&[evidence("job", Kind::Success, now())]).await.unwrap(), [Appended::Added]);
    holder.join().unwrap();
}

#[tokio::test]
async fn a_file_that_was_removed_is_not_written_to_any_more() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let [first, second] = [1, 2].map(|_| [evidence("job", Kind::Success, now())]);
    store.append(&first).await.unwrap();
    assert_eq!(all(&store).await.len(), 1);
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    store.append(&second).await.unwrap();
    assert_eq!(names_of(&all(&store).await), names_of(&second));
    let other = SqliteStore::open(&path).unwrap();
    assert_eq!(names_of(&all(&other).await), names_of(&second), "it is in the file that others find");
}

#[tokio::test]
async fn a_row_that_is_none_concerns_itself_alone() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let pieces: Vec<_> = (0..4).map(|_| evidence("job", Kind::Success, now())).collect();
    store.append(&pieces).await.unwrap();
    sql(
        &path,
        "update evidence set kind = 99 where seq = 2; update evidence set at = 9000000000000000000 where seq = 3",
    );
    let news = store.news(&Cursor::default(), now()).await.unwrap();
    assert_eq!(names_of(&news.evidence), names_of([&pieces[0], &pieces[3]]));
    let keys: Vec<_> = news.unreadable.iter().map(|found| found.key.as_str()).collect();
    assert_eq!(keys, ["2", "3"]);
    assert_eq!(all(&store).await.len(), 2);
}

#[tokio::test]
async fn a_report_that_is_none_is_an_error() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let piece = Evidence { report: full_report(), ..evidence("job", Kind::Success, now()) };
    store.append(std::slice::from_ref(&piece)).await.unwrap();
    for junk in ["x''", "x'28b52ffd00'", "cast('{' as blob)"] {
        sql(&path, &format!("update reports set report = {junk}"));
        assert_eq!(store.read(&piece).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn fault_9_wherever_a_page_is_damaged_nothing_panics() {
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let pieces: Vec<_> = (0..50)
        .map(|_| Evidence { report: full_report(), ..evidence("job", Kind::Success, now()) })
        .collect();
    store.append(&pieces).await.unwrap();
    let (roll, changes) = roll(5);
    store.commit(0, &roll, &changes).await.unwrap();
    drop(store);
    sql(&path, "pragma wal_checkpoint(truncate)");
    let whole = fs::read(&path).unwrap();
    let mut noticed = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..600].fill(0xa5);
        let damaged_path = path.with_file_name(format!("damaged-{page}.db"));
        fs::write(&damaged_path, damaged).unwrap();
        let Ok(store) = SqliteStore::open(&damaged_path) else { continue };
        let answers = [
            store.load().await.err(),
            store.news(&Cursor::default(), now()).await.err(),
            store.append(&[evidence("new", Kind::Success, now())]).await.err(),
            store.prune(now()).await.err(),
        ];
        let kinds: Vec<_> = answers.iter().flatten().map(tenko_store::StoreError::kind).collect();
        assert!(kinds.iter().all(|kind| *kind == ErrorKind::Corrupt), "page {page}: {answers:?}");
        noticed += usize::from(!kinds.is_empty());
    }
    assert!(noticed > 5, "{noticed} damaged pages were noticed");
}

#[tokio::test]
async fn plain_evidence_takes_less_than_80_bytes() {
    const RUNS: u64 = 20_000;
    let (_keep, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let begin = now();
    let mut pieces = Vec::new();
    for number in 0..RUNS {
        let at = begin + Duration::from_millis(300 * number);
        let stamp = uuid::Timestamp::from_unix_time(at.as_second().unsigned_abs(), 0, 0, 0);
        let job = tenko_core::Slug::new(&format!("job-{}", number % 200)).unwrap();
        let start = Evidence::new(job, RunId(Uuid::new_v7(stamp)), Kind::Start, at);
        pieces.push(Evidence { kind: Kind::Success, at: after(at, 2), ..start.clone() });
        pieces.push(start);
    }
    for (number, batch) in (0..).zip(pieces.chunks(500)) {
        store.append(batch).await.unwrap();
        // A roll call hears it.
        let cursor = Cursor((500 * (number + 1)).to_string());
        store.commit(number, &Roll { cursor, ..Roll::default() }, &Changes::default()).await.unwrap();
    }
    sql(&path, "pragma wal_checkpoint(truncate)");
    let bytes = fs::metadata(&path).unwrap().len() / (2 * RUNS);
    assert!(bytes < 80, "{bytes} bytes");
}

#[test]
fn fault_23_evidence_is_found_by_its_indexes() {
    let (_keep, path) = place();
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    let plan = |sql: &str| {
        let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
        let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        lines.map(|line| line.unwrap()).collect::<Vec<_>>().join("\n")
    };
    let once =
        "select 1 from evidence where (run_hi & -65536) | (((run_lo & 65535) + job) & 65535) = 1 and job = 1";
    assert!(plan(once).contains("evidence_of_run"), "{}", plan(once));
}

#[tokio::test]
async fn after_a_crash_in_the_middle_of_its_making_a_file_is_made() {
    let (_keep, path) = place();
    sql(&path, "pragma journal_mode = wal");
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(all(&store).await, []);
}

/// All that a store holds, in words.
async fn told_by(store: &SqliteStore) -> String {
    let mut told = String::new();
    for piece in all(store).await {
        let Evidence { job, run, kind, at, received_at, report, declaration, .. } =
            store.read(&piece).await.unwrap();
        let (host, message) = (report.host, report.message.map(|message| message.len()));
        let (via, said) = (report.via.map(|via| via.from), declaration.map(|said| said.digest));
        let received_at = received_at.unwrap();
        told += &format!("{job} {run} {kind} {at} {received_at} {host:?} {message:?} {via:?} {said:?}\n");
    }
    told
}

/// Samples of every version that was ever written stay in the tree.
#[tokio::test]
async fn a_store_of_version_1_is_read() {
    let (_keep, path) = place();
    sql(&path, include_str!("samples/sqlite-1.sql"));
    let store = SqliteStore::open(&path).unwrap();
    let told = told_by(&store).await;
    insta::assert_snapshot!(told, @r#"
    daily-report 019ac217-de5a-0077-ba9c-6e7dbb0c0000 start 2026-11-23T05:00:00.12Z 2026-11-23T05:00:00.123Z None None None Some("1f3a9c02")
    daily-report 019ac217-de5a-0077-ba9c-6e7dbb0c0000 success 2026-11-23T05:01:01.354Z 2026-11-23T05:01:01.356Z Some("web-1") None None Some("1f3a9c02")
    backup 00000000-0000-0000-0000-000000000001 fail-3 2026-11-23T05:01:02Z 2026-11-24T05:01:02Z None Some(400) None None
    backup ffffffff-ffff-ffff-ffff-ffffffffffff fail-sig9 2026-11-23T05:01:03Z 2026-11-23T05:00:58Z None None None None
    "#);
    let snapshot = store.load().await.unwrap();
    assert_eq!((snapshot.version, snapshot.roll.cursor.0.as_str()), (7, "4"));
    let facts = store.facts(&slug("daily-report"), 9).await.unwrap();
    assert_eq!((facts.flips.len(), facts.missed.len()), (1, 1));
    let known = all(&store).await;
    assert_eq!(store.append(&known).await.unwrap(), [Appended::Known; 4]);
    assert_eq!(store.append(&[evidence("backup", Kind::Success, now())]).await.unwrap(), [Appended::Added]);
}

#[tokio::test]
async fn a_store_of_version_2_is_read_and_its_stretches_are_known() {
    let (_keep, path) = place();
    sql(&path, include_str!("samples/sqlite-2.sql"));
    assert_eq!(SqliteStore::versions(&path).unwrap(), (2, 4));
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(SqliteStore::versions(&path).unwrap(), (4, 4));
    insta::assert_snapshot!(told_by(&store).await, @r#"
    daily-report 019ac217-de5a-0077-ba9c-6e7dbb0c0000 start 2026-11-23T05:00:00.12Z 2026-11-23T05:00:00.123Z None None None Some("1f3a9c02")
    daily-report 019ac217-e304-8b00-ba9c-6e7dbb0c0000 success 2026-11-23T05:00:30Z 2026-11-24T05:00:30Z None None Some("203.0.113.7") None
    daily-report 019ac217-de5a-0077-ba9c-6e7dbb0c0000 success 2026-11-23T05:01:01.354Z 2026-11-23T05:01:01.356Z Some("web-1") None None Some("1f3a9c02")
    backup 00000000-0000-0000-0000-000000000001 fail-3 2026-11-23T05:01:02Z 2026-11-24T05:01:02Z None Some(400) None None
    backup ffffffff-ffff-ffff-ffff-ffffffffffff fail-sig9 2026-11-23T05:01:03Z 2026-11-23T05:00:58Z None None None None
    daily-report 019ac217-e302-8b00-ba9c-6e7dbb0c0000 success 2026-11-24T05:00:00Z 2026-11-24T05:00:00.003Z None None Some("203.0.113.7") None
    backup 019ac217-e303-8b00-ba9c-6e7dbb0c0000 success 2026-11-24T05:00:01Z 2026-11-24T05:00:01.003Z None None None None
    backup 019ac217-e305-8b00-ba9c-6e7dbb0c0000 success 2027-01-01T00:00:00Z 2026-12-31T23:10:00Z None None None None
    "#);
    let rows = |table: &str| {
        let connection = Connection::open(&path).unwrap();
        let mut statement = connection.prepare(&format!("select * from {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        rows.unwrap().collect::<rusqlite::Result<Vec<Vec<i64>>>>().unwrap()
    };
    assert_eq!(
        rows("stretches"),
        [
            [0, 1_795_410_000_120, 1_795_496_400_000],
            [1, 1_795_496_401_000, 1_795_496_401_000],
            [2, 1_795_410_030_000, 1_798_761_600_000]
        ]
    );
    assert_eq!(rows("unheard"), [[5_001]]);

    let day = [moment("2026-11-23T00:00:00Z"), moment("2026-11-24T00:00:00Z")];
    let backup = store.between(Some(&slug("backup")), day[0], day[1]).await.unwrap();
    assert_eq!(backup.len(), 2);
    assert_eq!(store.between(None, day[0], day[1]).await.unwrap().len(), 5);
    assert_eq!(store.oldest().await.unwrap(), Some(moment("2026-11-23T05:00:00.12Z")));
    assert_eq!(store.prune(day[1]).await.unwrap(), 7, "with a flip and a missed due");
    assert_eq!(store.oldest().await.unwrap(), Some(moment("2026-11-24T05:00:00Z")));
    assert_eq!(all(&store).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_22_who_adds_evidence_does_not_wait_for_who_removes_old_evidence() {
    let (_keep, path) = place();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let long_ago = after(now(), -86_400 * 365);
    let old: Vec<Evidence> =
        (0..20_000).map(|number| evidence("old", Kind::Success, after(long_ago, number))).collect();
    store.append(&old).await.unwrap();
    let pruner = Arc::clone(&store);
    let pruning = tokio::spawn(async move { pruner.prune(after(now(), -86_400)).await.unwrap() });
    let (mut added, mut longest) = (0, Duration::ZERO);
    while !pruning.is_finished() {
        let began = std::time::Instant::now();
        store.append(&[evidence("new", Kind::Success, now())]).await.unwrap();
        longest = longest.max(began.elapsed());
        added += 1;
    }
    assert_eq!(pruning.await.unwrap(), 20_000);
    assert!(added > 0 && longest < Duration::from_secs(2), "{added} were added, one took {longest:?}");
    assert_eq!(all(&store).await.len(), added);
}
