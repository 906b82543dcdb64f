//! A PostgreSQL that is restarted, frozen, full of clients, or cut off.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tenko_core::{Evidence, Kind, RunId};
use tenko_store::conformance::{evidence, names_of, now, slug, state};
use tenko_store::live::{By, Case, Decide, Decided, Kept, Live, Node, Wanted};
use tenko_store::testkit_postgres::{Database, Server};
use tenko_store::{Appended, ErrorKind, PostgresStore, Result, Store};
use uuid::Uuid;

fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::new(url).unwrap())
}

async fn all(store: &PostgresStore) -> Vec<Evidence> {
    store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap()
}

/// Evidence and a count in the state of its job, in one transaction.
fn ping(piece: Evidence) -> Decide {
    Box::new(move |case: Case| {
        let (job, mut entry) = case.entries.into_iter().next().unwrap();
        let mut counted = entry.state.take().unwrap_or_else(|| {
            let mut state = state(0);
            state.fold.bad = 0;
            state
        });
        counted.fold.bad += 1;
        entry.state = Some(counted);
        let kept = vec![Kept { job, entry, wake_at: Some(piece.at) }];
        Decided { evidence: vec![piece.clone()], kept, ..Decided::default() }
    })
}

async fn attending(store: &PostgresStore) -> By {
    let node = Node { id: Uuid::now_v7(), name: "web-1".into() };
    store.attend(&node, now(), SignedDuration::from_mins(1)).await.unwrap();
    By::Node(node.id)
}

async fn decide(store: &PostgresStore, by: By, piece: &Evidence) -> Result<Vec<Appended>> {
    let wanted = Wanted::Jobs(vec![piece.job.clone()]);
    store.decide(by, wanted, now(), ping(piece.clone())).await
}

async fn count_of(store: &PostgresStore, job: &str) -> usize {
    let entry = store.entries(&[slug(job)]).await.unwrap().remove(0);
    entry.state.map_or(0, |state| state.fold.bad as usize)
}

/// Pings one job until it is told to stop; what was acknowledged.
async fn keep_pinging(store: Arc<PostgresStore>, by: By, job: String, until: Instant) -> Vec<Evidence> {
    let mut acknowledged = Vec::new();
    while Instant::now() < until {
        let piece = evidence(&job, Kind::Success, now());
        // As whoever sends does it: until it is taken.
        while let Err(problem) = decide(&store, by, &piece).await {
            assert_eq!(
                problem.kind(),
                ErrorKind::Unavailable,
                "{problem}: {:?}",
                std::error::Error::source(&problem)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        acknowledged.push(piece);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fault_17_a_database_that_crashes_again_and_again_loses_nothing_that_was_acknowledged() {
    let mut server = Server::start(&[]);
    let store = open(&server.url());
    let by = attending(&store).await;
    let until = Instant::now() + Duration::from_secs(6);
    let pingers: Vec<_> = (0..4)
        .map(|number| tokio::spawn(keep_pinging(Arc::clone(&store), by, format!("job-{number}"), until)))
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| {
            server.stop_immediately();
            server.start_again();
        });
    }
    let mut acknowledged = Vec::new();
    for pinger in pingers {
        let of_one: Vec<Evidence> = pinger.await.unwrap();
        assert!(of_one.len() > 10, "it went on by itself");
        // The state was counted with each piece of evidence, or neither is there.
        assert!(count_of(&store, of_one[0].job.as_str()).await >= of_one.len());
        acknowledged.extend(of_one);
    }
    assert_eq!(names_of(&all(&store).await), names_of(&acknowledged));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_17_of_a_transaction_that_a_crash_interrupted_nothing_is_there() {
    let mut server = Server::start(&[]);
    let store = open(&server.url());
    let before = evidence("before", Kind::Success, now());
    store.append(std::slice::from_ref(&before)).await.unwrap();
    // Somebody holds the job, so that the decision waits in the middle of its transaction.
    let by = attending(&store).await;
    let piece = evidence("job", Kind::Success, now());
    decide(&store, by, &piece).await.unwrap();
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    holder.execute("begin; select from tenko.states for update").await.unwrap();
    let second = evidence("job", Kind::Success, now());
    let deciding = decide(&store, by, &second);
    let crashing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.stop_immediately();
        server.start_again();
    };
    let (decided, ()) = tokio::join!(deciding, crashing);
    // It was tried again as a whole.
    if decided.is_err() {
        decide(&store, by, &second).await.unwrap();
    }
    assert_eq!(count_of(&store, "job").await, 2);
    assert_eq!(names_of(&all(&store).await), names_of([&before, &piece, &second]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fault_17_connections_that_are_cut_again_and_again_are_made_again() {
    let database = Database::create().await;
    let store = open(&database.url());
    let by = attending(&store).await;
    let until = Instant::now() + Duration::from_secs(3);
    let pinger = tokio::spawn(keep_pinging(Arc::clone(&store), by, "job".into(), until));
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
        database.cut_connections().await;
    }
    let acknowledged = pinger.await.unwrap();
    assert_eq!(names_of(&all(&store).await), names_of(&acknowledged));
    assert!(count_of(&store, "job").await >= acknowledged.len());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_18_a_database_that_is_frozen_is_given_up_in_time_and_used_again_when_it_thaws() {
    let server = Server::start(&[]);
    let store = open(&server.url());
    let by = attending(&store).await;
    let piece = evidence("job", Kind::Success, now());
    store.append(std::slice::from_ref(&piece)).await.unwrap();
    server.freeze();
    let (begun, other) = (Instant::now(), evidence("job", Kind::Success, now()));
    let no_wait = SignedDuration::from_mins(1);
    let node = Node { id: Uuid::now_v7(), name: "web-2".into() };
    let (appended, decided, loaded, attended) = tokio::join!(
        store.append(std::slice::from_ref(&other)),
        decide(&store, by, &other),
        store.load(),
        store.attend(&node, now(), no_wait),
    );
    let kinds = [
        appended.unwrap_err().kind(),
        decided.unwrap_err().kind(),
        loaded.unwrap_err().kind(),
        attended.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Unavailable; 4]);
    assert!(begun.elapsed() < Duration::from_secs(17), "{:?}", begun.elapsed());
    server.thaw();
    store.append(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(names_of(&all(&store).await), names_of([&piece, &other]));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_18_a_port_that_takes_connections_and_says_nothing_is_given_up_in_time() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = open(&format!("postgres://tenko@{}/x", mute.local_addr().unwrap()));
    let begun = Instant::now();
    assert_eq!(store.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(17), "{:?}", begun.elapsed());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_19_a_client_that_froze_while_it_held_a_job_keeps_the_others_for_seconds_only() {
    let database = Database::create().await;
    let store = open(&database.url());
    let by = attending(&store).await;
    let [held, free] = ["held", "free"].map(|job| evidence(job, Kind::Success, now()));
    for piece in [&held, &free] {
        decide(&store, by, piece).await.unwrap();
    }
    // As a node does it that stops in the middle of a decision, with the settings of one.
    let mut frozen = PgConnection::connect(&database.url()).await.unwrap();
    frozen.execute("set idle_in_transaction_session_timeout to '15s'; begin").await.unwrap();
    frozen
        .execute(
            "select from tenko.states where job = (select id from tenko.jobs where slug = 'held') for update",
        )
        .await
        .unwrap();
    let begun = Instant::now();
    decide(&store, by, &evidence("free", Kind::Success, now())).await.unwrap();
    let due = Wanted::Due { by: now(), most: 9 };
    let (tell, seen) = std::sync::mpsc::channel();
    let looking = Box::new(move |case: Case| {
        tell.send(case.entries.iter().map(|(job, _)| job.to_string()).collect::<Vec<_>>()).unwrap();
        Decided::default()
    });
    store.decide(by, due, now(), looking).await.unwrap();
    assert_eq!(seen.recv().unwrap(), ["free"], "what another holds is passed over");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let again = evidence("held", Kind::Success, now());
    while let Err(problem) = decide(&store, by, &again).await {
        assert_eq!(problem.kind(), ErrorKind::Unavailable, "{problem}");
        assert!(begun.elapsed() < Duration::from_secs(40));
    }
    assert_eq!(count_of(&store, "held").await, 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn fault_12_a_database_without_a_free_connection_is_said_and_heals() {
    let server = Server::start(&["max_connections=6", "superuser_reserved_connections=0"]);
    let store = open(&server.url());
    let socket = server.socket_url();
    let others = join_all((0..6).map(|_| PgConnection::connect(&socket))).await;
    let others: Vec<PgConnection> = others.into_iter().map(|other| other.unwrap()).collect();
    let problem = store.load().await.unwrap_err();
    assert_eq!(problem.kind(), ErrorKind::Unavailable);
    assert!(problem.help().unwrap().contains("max_connections"), "{problem}: {:?}", problem.help());
    drop(others);
    let piece = evidence("job", Kind::Success, now());
    let until = Instant::now() + Duration::from_secs(10);
    while store.append(std::slice::from_ref(&piece)).await.is_err() {
        assert!(Instant::now() < until);
    }
    assert_eq!(all(&store).await[0].run, piece.run);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn fault_12_many_who_ask_at_once_share_few_connections() {
    let server = Server::start(&["max_connections=12", "superuser_reserved_connections=0"]);
    let store = open(&server.url());
    let askers = (0..200).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let piece = Evidence::new(slug("job"), RunId(Uuid::now_v7()), Kind::Success, now());
            match number % 3 {
                0 => drop(store.load().await.unwrap()),
                1 => drop(store.append(&[piece]).await.unwrap()),
                _ => drop(
                    store
                        .decide(By::Tool, Wanted::Jobs(vec![piece.job.clone()]), now(), ping(piece))
                        .await
                        .unwrap(),
                ),
            }
        })
    });
    join_all(askers).await.into_iter().for_each(|done| done.unwrap());
    assert_eq!(all(&store).await.len(), 133);
}
