//! Measures the store in PostgreSQL: `cargo run --release -p tenko-store --features postgres --example postgres_figures [URL]`,
//! where the URL names a database beside which others can be made; by default that of the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use sqlx::{Connection as _, PgConnection};
use tenko_core::{Evidence, Kind, Report};
use tenko_store::PostgresStore;
use tenko_store::conformance::{after, evidence, now, slug, state, via};
use tenko_store::live::{By, Case, Decided, Kept, Live as _, Node, Wanted};
use tenko_store::testkit_postgres::Database;
use uuid::Uuid;

const FOR: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
const BATCH: usize = 64;
const JOBS: usize = 1_000;

#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
#[tokio::main]
async fn main() {
    let database = match std::env::args().nth(1) {
        Some(url) => Database::create_at(&url).await,
        None => Database::create().await,
    };
    let store = Arc::new(PostgresStore::new(&database.url()).expect("the URL is good"));
    let node = Node { id: Uuid::now_v7(), name: "web-1".into() };
    store.attend(&node, now(), SignedDuration::from_mins(1)).await.expect("the node attends");
    decide(&store, By::Node(node.id), 0, JOBS).await;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        store.attend(&node, now(), SignedDuration::from_mins(1)).await.expect("the node attends");
        let bare = bare(&database).await;
        let one = decisions(&store, By::Node(node.id), 1).await;
        let four = decisions(&store, By::Node(node.id), 4).await;
        println!("pings/s: bare {bare:.0}, decided one after the other {one:.0}, four at once {four:.0}");
        ratios.push(one.max(four) / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("decided against bare: median {:.2}", ratios[ROUNDS / 2]);
}

/// Inserts batches on one connection, and nothing else.
async fn bare(database: &Database) -> f64 {
    database
        .execute(
            "drop table if exists bare;
             create table bare (seq bigint generated always as identity primary key, at bigint, run uuid, job int);
             create unique index on bare (run, job)",
        )
        .await;
    let mut connection = PgConnection::connect(&database.url()).await.expect("it connects");
    let begun = Instant::now();
    let mut count = 0;
    while begun.elapsed() < FOR {
        let runs: Vec<String> = (0..BATCH).map(|_| Uuid::now_v7().to_string()).collect();
        let jobs: Vec<i32> = (0..BATCH).map(|job| i32::try_from(job).expect("they are few")).collect();
        let times = vec![now().as_millisecond(); BATCH];
        let sql = "insert into bare (at, run, job)
                   select a, r, j from unnest($1::bigint[], $2::text[]::uuid[], $3::int[]) as g (a, r, j)
                   on conflict do nothing";
        let done = sqlx::query(sql).bind(times).bind(runs).bind(jobs).execute(&mut connection).await;
        done.expect("they are inserted");
        count += BATCH;
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Decides about batches, so many at once.
async fn decisions(store: &Arc<PostgresStore>, by: By, at_once: usize) -> f64 {
    let (begun, count) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let deciders: Vec<_> = (0..at_once)
        .map(|decider| {
            let (store, count) = (Arc::clone(store), Arc::clone(&count));
            tokio::spawn(async move {
                let mut first = decider * JOBS / at_once;
                while begun.elapsed() < FOR {
                    decide(&store, by, first, BATCH).await;
                    count.fetch_add(BATCH, Ordering::Relaxed);
                    first += BATCH;
                }
            })
        })
        .collect();
    for decider in deciders {
        decider.await.expect("nobody panics");
    }
    count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn decide(store: &PostgresStore, by: By, first: usize, count: usize) {
    let ping = |number: usize| {
        let report = Report { via: Some(via("203.0.113.7")), ..Report::default() };
        Evidence { report, ..evidence(&format!("job-{}", number % JOBS), Kind::Success, now()) }
    };
    let pings: Vec<Evidence> = (first..first + count).map(ping).collect();
    let jobs = pings.iter().map(|ping| slug(ping.job.as_str())).collect();
    let deciding = move |case: Case| {
        let keep = |(job, mut entry): (_, tenko_store::live::Entry)| {
            let mut judged = entry.state.take().unwrap_or_else(|| {
                let mut judged = state(1);
                judged.fold.bad = 0;
                judged
            });
            judged.fold.bad += 1;
            judged.look_again_at = Some(after(now(), 3_600));
            let wake_at = judged.look_again_at;
            entry.state = Some(judged);
            Kept { job, entry, wake_at }
        };
        let kept = case.entries.into_iter().map(keep).collect();
        Decided { evidence: pings.clone(), kept, ..Decided::default() }
    };
    store.decide(by, Wanted::Jobs(jobs), now(), Box::new(deciding)).await.expect("it is decided");
}
