//! The store over a bucket and a directory when something is wrong: rights, servers, bodies, links, damage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tenko_core::evidence::{Kind, RunId};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};
use tenko_store::directory::append_now;
use tenko_store::open::{OpenOptions, open, open_objects};
use tenko_store::testkit_s3::{Ask, Fault, Key, TestS3};
use tenko_store::{Appended, Commit, ErrorKind, SharedStore, StoreError};
use uuid::Uuid;

fn evidence(number: u128) -> Evidence {
    let job = Slug::new("daily-report").unwrap();
    Evidence::new(job, RunId(Uuid::from_u128(number)), Kind::Success, Timestamp::now())
}

fn roll_of(second: i64) -> Roll {
    Roll { called_at: Some(Timestamp::from_second(second).unwrap()), ..Roll::default() }
}

async fn commit(store: &SharedStore, base: u64) -> tenko_store::Result<Commit> {
    store.commit(base, &roll_of(1), &Changes::default()).await
}

async fn news(store: &SharedStore) -> tenko_store::Result<tenko_store::News> {
    store.news(&Cursor::default(), Timestamp::now()).await
}

/// What a person is told: what, why, and what helps.
fn told(error: &StoreError, server: &TestS3) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let help = error.help().unwrap_or("-");
    format!("{:?}: {error}\n  {cause}\n  help: {help}", error.kind()).replace(&server.endpoint(), "SERVER")
}

#[tokio::test]
async fn fault_31_each_key_may_do_what_it_needs_and_is_told_what_is_missing() {
    let server = TestS3::start().await;
    let open = async |key| server.open("prod", key).await.unwrap();
    let (writer, checker, reader) =
        (open(Key::Writer).await, open(Key::Checker).await, open(Key::Reader).await);
    let sent = [evidence(1)];
    assert_eq!(writer.append(&sent).await.unwrap(), [Appended::Added]);
    assert_eq!(writer.append(&sent).await.unwrap(), [Appended::Known]);
    let found = news(&checker).await.unwrap().evidence;
    assert_eq!(found.len(), 1);
    assert!(reader.read(&found[0]).await.is_ok());
    assert_eq!(checker.load().await.unwrap().version, 0);
    assert_eq!(commit(&checker, 0).await.unwrap(), Commit::Won(1));
    assert_eq!(checker.prune(Timestamp::MAX).await.unwrap(), 0, "a lifecycle rule does it");

    let mut denied = String::new();
    for error in [
        news(&writer).await.unwrap_err(),
        writer.read(&found[0]).await.unwrap_err(),
        writer.load().await.unwrap_err(),
        checker.append(&[evidence(2)]).await.unwrap_err(),
        commit(&reader, 1).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        let key = error.to_string();
        let shown = if key.contains(".json") { "[a key]" } else { "" };
        let first =
            key.split("/evidence/").next().unwrap_or_default().split("/roll/").next().unwrap_or_default();
        denied.push_str(&told(&error, &server).replace(&key, &format!("{first} {shown}")));
        denied.push('\n');
    }
    insta::assert_snapshot!(denied);
}

#[tokio::test]
async fn a_missing_object_is_told_apart_from_one_that_may_not_be_seen() {
    let server = TestS3::start().await;
    server.put("2019-12-07/evidence.txt", "done");
    let objects = async |key| {
        let options = OpenOptions { env: Some(server.env(key)), per_request: None };
        open_objects(&server.url(""), &options).await.unwrap()
    };
    let reader = objects(Key::Reader).await;
    assert_eq!(reader.head("2019-12-07/evidence.txt").await.unwrap().unwrap().size, 4);
    assert_eq!(reader.head("2019-12-08/evidence.txt").await.unwrap(), None);
    let listed = reader.list_flat("2019-12-07/", 10).await.unwrap().objects;
    assert_eq!(
        listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(),
        ["2019-12-07/evidence.txt"]
    );
    assert_eq!(reader.page("2019-12-07/evidence.txt", "").await.unwrap().objects.len(), 1);
    let getter = objects(Key::Getter).await;
    assert!(getter.head("2019-12-07/evidence.txt").await.unwrap().is_some());
    insta::assert_snapshot!(told(&getter.head("2019-12-08/evidence.txt").await.unwrap_err(), &server), @"
    Denied: can't read s3://tenko-test/2019-12-08/evidence.txt
      the server answered with HTTP 403
      help: grant s3:GetObject; without s3:ListBucket on the bucket a missing object is answered in the same way
    ");
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_evidence() {
    let server = TestS3::start().await;
    let options = OpenOptions { env: Some(server.env(Key::Admin)), per_request: None };
    let store = open(&server.url_of("no-such-bucket", ""), &options).await.unwrap();
    for error in [
        news(&store).await.unwrap_err(),
        store.append(&[evidence(1)]).await.unwrap_err(),
        store.load().await.unwrap_err(),
        store.read(&evidence(1)).await.unwrap_err(),
        commit(&store, 0).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
    }
    let objects = open_objects(&server.url_of("no-such-bucket", ""), &options).await.unwrap();
    assert_eq!(objects.head("x").await.unwrap_err().kind(), ErrorKind::Missing);
    insta::assert_snapshot!(told(&news(&store).await.unwrap_err(), &server), @"
    Missing: can't list s3://no-such-bucket
      the server said NoSuchBucket: The specified bucket does not exist (HTTP 404)
      help: there is no such bucket (here): create it, or check its name, the region and the endpoint
    ");
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_from_missing_rights() {
    let server = TestS3::start().await;
    let mut told_of = String::new();
    for (id, secret) in [("NOBODY", "x"), ("ADMIN", "wrong")] {
        let mut env = server.env(Key::Admin);
        env.insert("AWS_ACCESS_KEY_ID".into(), id.into());
        env.insert("AWS_SECRET_ACCESS_KEY".into(), secret.into());
        let store = open(&server.url(""), &OpenOptions { env: Some(env), per_request: None }).await.unwrap();
        let error = news(&store).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        told_of.push_str(&told(&error, &server));
        told_of.push('\n');
    }
    insta::assert_snapshot!(told_of);
}

#[tokio::test]
async fn fault_29_a_server_that_overwrites_is_refused_for_state() {
    let server = TestS3::start().await;
    server.ignore_conditions(true);
    let store = server.open("", Key::Admin).await.unwrap();
    let error = commit(&store, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfit);
    insta::assert_snapshot!(told(&error, &server));
    assert_eq!(commit(&store, 0).await.unwrap_err().kind(), ErrorKind::Unfit, "asking again does not help");
    assert_eq!(server.keys(), ["roll/probe"], "no roll was written");
    // A roll that was proven elsewhere and copied here proves nothing of this place.
    server.ignore_conditions(false);
    let honest = server.open("elsewhere", Key::Admin).await.unwrap();
    assert_eq!(commit(&honest, 0).await.unwrap(), Commit::Won(1));
    let roll = server.keys().into_iter().find(|key| key.ends_with(".zst")).unwrap();
    server.put(roll.trim_start_matches("elsewhere/"), server.get(&roll).unwrap());
    server.ignore_conditions(true);
    server.remove("roll/probe");
    assert_eq!(store.load().await.unwrap().version, 1);
    assert_eq!(commit(&store, 1).await.unwrap_err().kind(), ErrorKind::Unfit);
}

#[tokio::test]
async fn fault_24_a_server_in_trouble_is_unavailable_and_not_empty() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    store.append(&[evidence(1)]).await.unwrap();
    server.inject(Ask::List, 2, Fault::Status(503));
    assert_eq!(news(&store).await.unwrap().evidence.len(), 1, "two failures are got over");
    server.inject(Ask::List, 20, Fault::Status(500));
    assert_eq!(news(&store).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.heal();
    server.inject(Ask::Put, 20, Fault::Cut);
    let error = store.append(&[evidence(2)]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    server.heal();
    assert_eq!(store.append(&[evidence(2)]).await.unwrap(), [Appended::Added]);
    drop(server);
    assert_eq!(news(&store).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn fault_25_a_server_that_hangs_is_given_up() {
    let server = TestS3::start().await;
    let options =
        OpenOptions { env: Some(server.env(Key::Admin)), per_request: Some(Duration::from_millis(50)) };
    let store = open(&server.url(""), &options).await.unwrap();
    server.inject(Ask::Put, 10, Fault::Delay(Duration::from_secs(60)));
    let began = Instant::now();
    let error = store.append(&[evidence(1)]).await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.starts_with("127.0.0.1:") && why.ends_with(" did not answer in time"), "{why}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn fault_27_a_lost_answer_to_an_append_is_no_second_piece() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    let late = Evidence { at: Timestamp::now() - SignedDuration::from_hours(30), ..evidence(1) };
    server.inject(Ask::Put, 1, Fault::ServeThenCut);
    if store.append(std::slice::from_ref(&late)).await.is_err() {
        assert_eq!(store.append(std::slice::from_ref(&late)).await.unwrap(), [Appended::Known]);
    }
    assert_eq!(server.keys().len(), 1);
}

#[tokio::test]
async fn fault_28_collisions_of_conditional_writes_are_waited_out() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    server.inject(Ask::Put, 2, Fault::Status(409));
    assert_eq!(store.append(&[evidence(1)]).await.unwrap(), [Appended::Added]);
    server.inject(Ask::Put, 100, Fault::Status(409));
    assert!(store.append(&[evidence(2)]).await.is_err(), "a collision is never taken for success");
}

#[tokio::test]
async fn hostile_keys_concern_nobody_else() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    store.append(&[evidence(1)]).await.unwrap();
    let day = Timestamp::now().to_string()[..10].to_owned();
    let hostile = [
        format!("evidence/{day}/../../roll/x"),
        format!("evidence/{day}//x"),
        format!("evidence/{day}/."),
        format!("evidence/{day}/a\u{1}b"),
        format!("evidence/{day}/<script>&amp;\""),
        format!("evidence/{day}/{}", "x".repeat(900)),
        format!("evidence/{day}/"),
        "evidence/\u{10ffff}".to_owned(),
    ];
    for key in &hostile {
        server.put(key, "x");
    }
    let news = news(&store).await.unwrap();
    assert_eq!((news.evidence.len(), news.unreadable.len()), (1, hostile.len()), "{:?}", news.unreadable);
    assert!(news.unreadable.iter().all(|one| one.key.starts_with("evidence/") && !one.problem.is_empty()));
}

#[tokio::test]
async fn fault_32_a_hostile_body_concerns_that_piece_alone() {
    let server = TestS3::start().await;
    let store = server.open("", Key::Admin).await.unwrap();
    let sent: Vec<Evidence> = (0..8).map(evidence).collect();
    store.append(&sent).await.unwrap();
    let mut found = news(&store).await.unwrap().evidence;
    found.sort_by_key(|one| one.run);
    let good = String::from_utf8(server.get(found[0].key.as_deref().unwrap()).unwrap()).unwrap();
    let bodies: Vec<Vec<u8>> = vec![
        "[".repeat(10 << 20).into(),
        "[".repeat(1 << 19).into(),
        good.replace("\"v\":1", "\"v\":NaN").into(),
        good.replace("\"v\":1", "\"v\":9223372036854775808").into(),
        b"{\"v\":1,\xff\xfe}".to_vec(),
        Vec::new(),
        good.replace("daily-report", "another-job").into(),
    ];
    for (piece, body) in found[1..].iter().zip(bodies) {
        server.put(piece.key.as_deref().unwrap(), body);
        let kind = store.read(piece).await.unwrap_err().kind();
        let expected = if piece.run.0.as_u128() == 4 { ErrorKind::Newer } else { ErrorKind::Corrupt };
        assert_eq!(kind, expected, "body {}", piece.run.0.as_u128());
    }
    assert!(store.read(&found[0]).await.is_ok());
    let elsewhere = Evidence { key: Some("evidence/../roll/probe".into()), ..found[0].clone() };
    assert_eq!(store.read(&elsewhere).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn fault_9_a_damaged_roll_is_never_taken_for_none() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}", place.path().display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    assert_eq!(commit(&store, 0).await.unwrap(), Commit::Won(1));
    let path = place.path().join("roll/99999999999999999998.json.zst");
    let good = std::fs::read(&path).unwrap();
    for index in 0..good.len() {
        let mut flipped = good.clone();
        flipped[index] ^= 1 << (index % 8);
        for bad in [&good[..index], flipped.as_slice()] {
            std::fs::write(&path, bad).unwrap();
            let error = store.load().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "at byte {index}");
            assert!(error.help().is_some());
        }
    }
    std::fs::write(&path, good).unwrap();
    assert_eq!(store.load().await.unwrap().version, 1);
}

fn no_file_holds(place: &Path, text: &str) {
    for entry in std::fs::read_dir(place).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            no_file_holds(&path, text);
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&content).contains(text), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn fault_10_planted_links_are_neither_read_nor_listed_nor_written_through() {
    let place = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let url = format!("file://{}", place.path().display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    let [one, two, three] = [1, 2, 3].map(evidence);
    store.append(&[one, two.clone()]).await.unwrap();
    let found = news(&store).await.unwrap().evidence;
    // A file is replaced by a link to another with the same content.
    let key = found.iter().find(|one| one.run == two.run).unwrap();
    let path = place.path().join(key.key.as_deref().unwrap());
    std::fs::rename(&path, outside.path().join("stolen")).unwrap();
    symlink(outside.path().join("stolen"), &path).unwrap();
    assert!(store.read(key).await.is_err());
    assert_eq!(news(&store).await.unwrap().evidence.len(), 1);
    // The directory of rolls leads elsewhere.
    symlink(outside.path(), place.path().join("roll")).unwrap();
    assert_eq!(commit(&store, 0).await.unwrap_err().kind(), ErrorKind::Corrupt);
    // So does the day.
    let day = place.path().join("evidence").join(&Timestamp::now().to_string()[..10]);
    std::fs::rename(&day, place.path().join("moved")).unwrap();
    symlink(outside.path(), &day).unwrap();
    let error = store.append(std::slice::from_ref(&three)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(append_now(place.path(), std::slice::from_ref(&three)).is_err());
    no_file_holds(outside.path(), &three.run.to_string());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_directory_keeps_to_itself() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("new");
    assert_eq!(
        append_now(&root, &[evidence(1), evidence(1), evidence(2)]).unwrap(),
        [Appended::Added, Appended::Known, Appended::Added]
    );
    let store = open(&format!("file://{}", root.display()), &OpenOptions::default()).await.unwrap();
    let found = news(&store).await.unwrap().evidence;
    assert_eq!(found.len(), 2);
    let mut path = root.join(found[0].key.as_deref().unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    while path.pop() && path.starts_with(&root) {
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700, "{}", path.display());
    }
    assert_eq!(store.prune(Timestamp::now() + SignedDuration::from_hours(1)).await.unwrap(), 2);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "no empty directories stay behind");
    let nowhere = open("file:///no/such/directory", &OpenOptions::default()).await.unwrap();
    for error in [nowhere.append(&[evidence(1)]).await.unwrap_err(), news(&nowhere).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
    }
}

#[tokio::test]
async fn a_clock_of_the_server_that_is_off_loses_nothing() {
    for skew in [-3600, 3600] {
        let server = TestS3::start().await;
        server.skew_clock(skew);
        let store = server.open("", Key::Admin).await.unwrap();
        store.append(&[evidence(1)]).await.unwrap();
        let first = news(&store).await.unwrap();
        assert_eq!(first.evidence.len(), 1);
        assert!(first.cursor.0.parse::<Timestamp>().unwrap() <= Timestamp::now());
        store.append(&[evidence(2)]).await.unwrap();
        let second = store.news(&first.cursor, Timestamp::now()).await.unwrap();
        assert!(second.evidence.iter().any(|one| one.run.0.as_u128() == 2), "skew {skew}");
    }
}

async fn seventy_commits(server: &TestS3, key: Key) {
    let store = server.open("", key).await.unwrap();
    for base in store.load().await.unwrap().version.. {
        assert_eq!(commit(&store, base).await.unwrap(), Commit::Won(base + 1));
        if base % 70 == 69 {
            return;
        }
    }
}

#[tokio::test]
async fn old_rolls_are_removed_where_there_is_a_right_to() {
    let server = TestS3::start().await;
    server.skew_clock(-2 * 86_400);
    seventy_commits(&server, Key::Checker).await;
    let rolls = || server.keys().iter().filter(|key| key.ends_with(".zst")).count();
    assert_eq!(rolls(), 70, "without the right they stay for a lifecycle rule");
    assert!(server.count(Ask::Delete) > 0);
    seventy_commits(&server, Key::Admin).await;
    assert_eq!(rolls(), 20 + 12, "twenty were left by the 128th, and twelve were written since");
    let store = server.open("", Key::Admin).await.unwrap();
    assert_eq!(store.load().await.unwrap().version, 140);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_22_appending_to_a_directory_and_pruning_it_get_along() {
    let (place, until) = (tempfile::tempdir().unwrap(), Instant::now() + Duration::from_millis(500));
    let url = format!("file://{}", place.path().display());
    let store = open(&url, &OpenOptions::default()).await.unwrap();
    let pruner = open(&url, &OpenOptions::default()).await.unwrap();
    let pruning = tokio::spawn(async move {
        while Instant::now() < until {
            pruner.prune(Timestamp::now() + SignedDuration::from_hours(1)).await.unwrap();
        }
    });
    let mut number = 0;
    while !pruning.is_finished() {
        number += 1;
        assert_eq!(store.append(&[evidence(number)]).await.unwrap(), [Appended::Added]);
    }
    pruning.await.unwrap();
}
