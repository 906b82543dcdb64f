//! The store over a bucket and over a directory: what it promises, and what it costs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod object_promises;

use jiff::{SignedDuration, Timestamp};
use object_promises::*;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_store::layout;
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::{Ask, Fault, Key, TestS3};
use tenko_store::{Commit, ErrorKind, SharedStore};

async fn directory() -> (tempfile::TempDir, SharedStore) {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}", place.path().display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    (place, store)
}

#[tokio::test]
async fn evidence_goes_round_through_a_bucket() {
    let server = TestS3::start().await;
    goes_round(server.open("prod", Key::Admin).await.unwrap()).await;
    assert!(server.keys().iter().all(|key| key.starts_with("prod/evidence/")));
}

#[tokio::test]
async fn evidence_goes_round_through_a_directory() {
    let (_place, store) = directory().await;
    goes_round(store).await;
}

#[tokio::test]
async fn at_most_one_of_two_commits_on_one_roll_wins() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    let other = server.open("", Key::Admin).await.unwrap();
    assert_eq!(store.load().await.unwrap().version, 0);
    assert_eq!(other.load().await.unwrap().version, 0);
    assert_eq!(store.commit(0, &roll_of(1), &Changes::default()).await.unwrap(), Commit::Won(1));
    assert_eq!(other.commit(0, &roll_of(2), &Changes::default()).await.unwrap(), Commit::Lost);
    let newest = other.load().await.unwrap();
    assert_eq!((newest.version, newest.roll), (1, roll_of(1)));
    assert_eq!(other.commit(1, &roll_of(2), &Changes::default()).await.unwrap(), Commit::Won(2));
}

#[tokio::test]
async fn a_hundred_pieces_of_evidence_cost_one_list() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    store.append(&some_evidence(100)).await.unwrap();
    server.reset_counts();
    let snapshot = store.load().await.unwrap();
    let news = store.news(&snapshot.roll.cursor, Timestamp::now()).await.unwrap();
    assert_eq!(news.evidence.len(), 100);
    let roll = Roll { cursor: news.cursor, ..roll_of(1) };
    store.commit(snapshot.version, &roll, &Changes::default()).await.unwrap();
    let asks = [Ask::List, Ask::Get, Ask::Put].map(|ask| server.count(ask));
    assert_eq!(asks, [2, 0, 3], "the first roll call also makes the server prove itself, by two PUT");

    server.reset_counts();
    let later = server.open("", Key::Admin).await.unwrap();
    let snapshot = later.load().await.unwrap();
    let news = later.news(&snapshot.roll.cursor, Timestamp::now()).await.unwrap();
    let roll = Roll { cursor: news.cursor, ..roll_of(2) };
    assert_eq!(later.commit(1, &roll, &Changes::default()).await.unwrap(), Commit::Won(2));
    let asks = [Ask::List, Ask::Get, Ask::Put].map(|ask| server.count(ask));
    assert_eq!(asks, [2, 1, 1], "another process finds the proof in the roll");
}

#[tokio::test]
async fn who_decides_again_looks_for_no_newer_roll() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Checker).await.unwrap();
    let mut base = store.load_to_commit().await.unwrap().version;
    for second in 1..4 {
        let Commit::Won(version) = store.commit(base, &roll_of(second), &Changes::default()).await.unwrap()
        else {
            panic!("nobody else commits");
        };
        server.reset_counts();
        let again = store.load_to_commit().await.unwrap();
        assert_eq!((again.version, again.roll), (version, roll_of(second)));
        assert_eq!([Ask::List, Ask::Get, Ask::Head, Ask::Put].map(|ask| server.count(ask)), [0, 0, 1, 0]);
        base = version;
    }
    server.reset_counts();
    assert_eq!(store.commit(base, &roll_of(9), &Changes::default()).await.unwrap(), Commit::Won(4));
    assert_eq!([Ask::List, Ask::Get, Ask::Head, Ask::Put].map(|ask| server.count(ask)), [0, 0, 0, 1]);
}

#[tokio::test]
async fn a_roll_that_was_removed_is_not_decided_on() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    assert_eq!(store.commit(0, &roll_of(1), &Changes::default()).await.unwrap(), Commit::Won(1));
    assert_eq!(store.commit(1, &roll_of(2), &Changes::default()).await.unwrap(), Commit::Won(2));
    server.remove(&layout::roll_key(2));
    let before = store.load_to_commit().await.unwrap();
    assert_eq!((before.version, before.roll), (1, roll_of(1)));
    server.remove(&layout::roll_key(1));
    assert_eq!(store.load_to_commit().await.unwrap().version, 0);
}

#[tokio::test]
async fn who_may_not_look_at_a_roll_lists_them_and_who_gets_no_answer_does_not() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    assert_eq!(store.commit(0, &roll_of(1), &Changes::default()).await.unwrap(), Commit::Won(1));
    server.inject(Ask::Head, 1, Fault::Status(403));
    assert_eq!(store.load_to_commit().await.unwrap().version, 1);
    server.inject(Ask::Head, 100, Fault::Status(503));
    server.reset_counts();
    let error = store.load_to_commit().await.unwrap_err();
    assert_eq!((error.kind(), server.count(Ask::List)), (ErrorKind::Unavailable, 0), "{error}");
}

#[tokio::test]
async fn fault_30_two_and_a_half_thousand_pieces_cost_three_lists() {
    let server = TestS3::start().await;
    let store = server.open("prod", Key::Admin).await.unwrap();
    many_pieces_are_all_found(&store).await;
    assert_eq!((server.count(Ask::List), server.count(Ask::Get)), (3, 0));
}

#[tokio::test]
async fn late_evidence_is_found_by_the_next_list_from_the_cursor() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    let now = Timestamp::now();
    store.append(&[evidence("job", 1, now)]).await.unwrap();
    let cursor = store.news(&Cursor::default(), now).await.unwrap().cursor;
    let long_ago = now - SignedDuration::from_hours(75);
    store.append(&[evidence("job", 2, long_ago)]).await.unwrap();
    let news = store.news(&cursor, now).await.unwrap();
    let late = news.evidence.iter().find(|one| one.run.0.as_u128() == 2).expect("it is found");
    assert_eq!(late.at.as_millisecond(), long_ago.as_millisecond());
    let found = store.between(None, late.at, late.at + SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(store.read(late).await.is_ok());
}

#[tokio::test]
async fn fault_27_a_commit_of_which_the_answer_was_lost_is_ours_all_the_same() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    assert_eq!(store.commit(0, &roll_of(1), &Changes::default()).await.unwrap(), Commit::Won(1));
    server.inject(Ask::Put, 1, Fault::ServeThenCut);
    let unclear = store.commit(1, &roll_of(2), &Changes::default()).await;
    let settled = match unclear {
        Ok(commit) => commit,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            store.commit(1, &roll_of(2), &Changes::default()).await.unwrap()
        }
    };
    assert_eq!(settled, Commit::Won(2));
    assert_eq!(store.commit(1, &roll_of(2), &Changes::default()).await.unwrap(), Commit::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_28_of_eight_writers_to_a_bucket_one_wins_a_hundred_times() {
    let server = TestS3::start().await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(server.open("", Key::Admin).await.unwrap());
    }
    eight_writers_have_one_winner(stores, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_11_of_eight_writers_to_a_directory_one_wins_a_hundred_times() {
    let (place, store) = directory().await;
    let url = format!("file://{}", place.path().display());
    let other = open(&url, &OpenOptions::default()).await.unwrap();
    eight_writers_have_one_winner(vec![store, other], 100).await;
}
