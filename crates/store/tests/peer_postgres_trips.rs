//! What a decision asks PostgreSQL for, and what it may leave out.

#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tenko_core::{ChannelName, Kind};
use tenko_store::PostgresStore;
use tenko_store::conformance::{after, evidence, item, now, slug, state};
use tenko_store::live::{By, Case, Decided, Entry, Kept, Live as _, Node, Settled, Wanted};
use tenko_store::testkit_postgres::{Database, Server, texts};
use uuid::Uuid;

async fn open(url: &str) -> (Arc<PostgresStore>, By) {
    let store = Arc::new(PostgresStore::new(url).unwrap());
    let node = Node { id: Uuid::now_v7(), name: "web-1".into() };
    store.attend(&node, now(), SignedDuration::from_mins(1)).await.unwrap();
    (store, By::Node(node.id))
}

/// Evidence of some jobs, and another state of each.
fn ping(case: Case) -> Decided {
    let judged = |(job, mut entry): (_, Entry)| {
        let mut counted = entry.state.take().unwrap_or_else(|| state(0));
        counted.fold.bad += 1;
        Kept { job, entry: Entry { state: Some(counted), ..entry }, wake_at: Some(now()) }
    };
    let jobs = case.entries.iter().map(|(job, _)| evidence(job.as_str(), Kind::Success, now()));
    Decided {
        evidence: jobs.collect(),
        kept: case.entries.into_iter().map(judged).collect(),
        ..Decided::default()
    }
}

fn jobs(names: &[&str]) -> Wanted {
    Wanted::Jobs(names.iter().map(|name| slug(name)).collect())
}

/// Puts a notice beside the state that there is.
fn notice(case: Case) -> Decided {
    let (job, mut entry) = case.entries.into_iter().next().unwrap();
    entry.items.push(item("ops", job.as_str(), now()));
    Decided { kept: vec![Kept { job, entry, wake_at: Some(now()) }], ..Decided::default() }
}

fn channel() -> ChannelName {
    ChannelName::new("ops").unwrap()
}

async fn have_items(url: &str) -> Vec<String> {
    let sql = "select j.slug || ' ' || s.has_items from tenko.states s join tenko.jobs j on j.id = s.job order by 1";
    texts(url, sql).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_row_says_that_a_job_has_no_items_only_while_there_are_none() {
    let database = Database::create().await;
    let url = database.url();
    let (store, by) = open(&url).await;
    let decide = async |names: &[&str], deciding: fn(Case) -> Decided| {
        store.decide(by, jobs(names), now(), Box::new(deciding)).await.unwrap();
        have_items(&url).await
    };
    assert_eq!(decide(&["a", "b"], ping).await, ["a false", "b false"]);
    assert_eq!(decide(&["a"], notice).await, ["a true", "b false"]);
    assert_eq!(decide(&["a", "b"], ping).await, ["a true", "b false"]);
    let until = after(now(), 60);
    let item = store.claim(&channel(), Uuid::now_v7(), now(), until, 9).await.unwrap().remove(0);
    store.settle(&[Settled { claimed: item, now: None }]).await.unwrap();
    assert_eq!(have_items(&url).await, ["a true", "b false"], "nobody has looked");
    assert_eq!(decide(&["a", "b"], ping).await, ["a false", "b false"]);
}

/// What is read by the statement that waits is as old as the statement, but for the rows that it waits for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_item_that_another_writes_while_its_job_is_waited_for_is_seen() {
    let database = Database::create().await;
    let url = database.url();
    let ((store, by), (other, its)) = (open(&url).await, open(&url).await);
    store.decide(by, jobs(&["job"]), now(), Box::new(ping)).await.unwrap();
    assert_eq!(have_items(&url).await, ["job false"]);
    let (tell, told) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let writing = tokio::spawn(async move {
        let deciding = move |case| {
            tell.send(()).unwrap();
            gone.recv().unwrap();
            notice(case)
        };
        store.decide(by, jobs(&["job"]), now(), Box::new(deciding)).await.unwrap();
    });
    tokio::task::block_in_place(|| told.recv().unwrap());
    let (show, shown) = mpsc::channel();
    let looking = tokio::spawn(async move {
        let deciding = move |case: Case| {
            show.send(case.entries[0].1.items.len()).unwrap();
            Decided::default()
        };
        other.decide(its, jobs(&["job"]), now(), Box::new(deciding)).await.unwrap();
    });
    wait_until_one_waits(&url).await;
    go.send(()).unwrap();
    writing.await.unwrap();
    looking.await.unwrap();
    assert_eq!(shown.recv().unwrap(), 1);
}

async fn wait_until_one_waits(url: &str) {
    let waits = "select pid::text from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock'";
    let until = Instant::now() + Duration::from_secs(20);
    while texts(url, waits).await.is_empty() {
        assert!(Instant::now() < until, "nobody waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Begin, read, write, commit.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn pings_of_known_jobs_take_four_trips() {
    let server = Server::start(&["log_statement=all"]);
    let (store, by) = open(&server.url()).await;
    let log = server.directory().join("log");
    let mut trips = Vec::new();
    for _ in 0..3 {
        let before = fs::read_to_string(&log).unwrap().len();
        store.decide(by, jobs(&["a", "b", "c"]), now(), Box::new(ping)).await.unwrap();
        let text = fs::read_to_string(&log).unwrap();
        let asked = text[before..].lines().filter(|line| line.contains("LOG:  "));
        trips = asked.map(str::to_owned).collect();
    }
    assert_eq!(trips.len(), 4, "{trips:#?}");
}

/// As when another database is put where this one was.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn pings_reach_their_jobs_though_the_numbers_of_these_were_changed() {
    let database = Database::create().await;
    let url = database.url();
    let (store, by) = open(&url).await;
    let count = async || {
        let sql = "select slug || ' ' || count(*) from tenko.evidence e join tenko.jobs j on j.id = e.job
                   group by slug order by slug";
        texts(&url, sql).await
    };
    store.decide(by, jobs(&["a", "b"]), now(), Box::new(ping)).await.unwrap();
    assert_eq!(count().await, ["a 1", "b 1"]);
    database.execute("update tenko.jobs set slug = 'new' where slug = 'a'").await;
    store.decide(by, jobs(&["a"]), now(), Box::new(ping)).await.unwrap();
    store.decide(by, jobs(&["b", "new"]), now(), Box::new(ping)).await.unwrap();
    assert_eq!(count().await, ["a 1", "b 2", "new 2"]);
    database.execute("update tenko.jobs set id = default where slug in ('a', 'b')").await;
    store.decide(by, jobs(&["a", "b", "new"]), now(), Box::new(ping)).await.unwrap();
    assert_eq!(count().await, ["a 1", "b 1", "new 3"], "their evidence has the numbers of before");
}
