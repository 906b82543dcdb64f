//! How many pieces of evidence per second 64 writers get onto the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, TransactionBehavior, params};
use tenko_core::schedule::{Schedule, ScheduleSpec};
use tenko_core::{Event, Evidence, Job, JobState, Kind, RunId, Slug, Via, step};
use tenko_store::live::{By, Case, Decided, Kept, Wanted};
use tenko_store::open::{OpenOptions, open};
use tenko_store::{SharedStore, StoreError};
use uuid::Uuid;

use crate::{Result, runtime, table};

const WRITERS: usize = 64;
const LENGTH: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// Measures the store of SQLite against a loop that does the same to the same tables, and nothing else.
pub(crate) fn measure() -> Result<()> {
    let (mut loops, mut stores, mut servers) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that whatever else the machine does concerns all.
    for _ in 0..ROUNDS {
        loops.push(bare_loop()?);
        stores.push(through_the_store(write)?);
        servers.push(through_the_store(serve)?);
    }
    let bare = table::median(loops);
    let row =
        |what: &str, rate: f64| vec![what.to_owned(), table::count(rate), format!("{:.2}", rate / bare)];
    let rows = [
        row("bare rusqlite loop, 64 rows a transaction", bare),
        row("the store, 64 writers", table::median(stores)),
        row("the same, each deciding about its job", table::median(servers)),
    ];
    table::print("Durable appends to SQLite, medians", &["what", "per second", "of the loop"], &rows);
    Ok(())
}

fn through_the_store<F>(write: fn(SharedStore, usize) -> F) -> Result<f64>
where
    F: Future<Output = std::result::Result<u32, StoreError>> + Send + 'static,
{
    let place = tempfile::tempdir()?;
    let url = format!("sqlite://{}/bench.db", place.path().display());
    runtime()?.block_on(async {
        let store = open(&url, &OpenOptions::default()).await?;
        let start = Instant::now();
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&store), writer))).collect();
        let mut written = 0;
        for writer in writers {
            written += writer.await??;
        }
        Ok(per_second(written, start))
    })
}

/// One writer that waits for its evidence to be on the disk before it sends more.
async fn write(store: SharedStore, writer: usize) -> std::result::Result<u32, StoreError> {
    let start = Instant::now();
    let mut written = 0;
    while start.elapsed() < LENGTH {
        store.append(&[evidence(writer)]).await?;
        written += 1;
    }
    Ok(written)
}

/// The same by a server: what follows from the evidence is decided in the transaction that stores it.
async fn serve(store: SharedStore, writer: usize) -> std::result::Result<u32, StoreError> {
    let live = store.live().expect("servers can keep it");
    let job = Arc::new(minutely(writer));
    let start = Instant::now();
    let mut written = 0;
    while start.elapsed() < LENGTH {
        let (now, job) = (Timestamp::now(), Arc::clone(&job));
        let wanted = Wanted::Jobs(vec![job.slug.clone()]);
        let mut piece = evidence(writer);
        piece.report.via = Some(via());
        let deciding = move |case| judge(&job, case, piece.clone(), now);
        live.decide(By::Tool, wanted, now, Box::new(deciding)).await?;
        written += 1;
    }
    Ok(written)
}

fn via() -> Via {
    let [scheme, method, from, agent] = ["https", "GET", "203.0.113.7", "curl/8.14.1"].map(str::to_owned);
    Via { scheme, method, from, agent }
}

fn minutely(writer: usize) -> Job {
    let spec = ScheduleSpec { every: Some("1m".into()), ..ScheduleSpec::default() };
    let schedule = Schedule::resolve(&spec, &TimeZone::UTC).expect("the schedule is valid");
    Job::new(evidence(writer).job, schedule)
}

fn judge(job: &Job, case: Case, mut piece: Evidence, now: Timestamp) -> Decided {
    piece.received_at = Some(now);
    let kept = case.entries.into_iter().map(|(slug, mut entry)| {
        let state = entry.state.get_or_insert_with(|| JobState::new(job, now));
        step(job, state, Event::Evidence(&piece), &[], now);
        let wake_at = state.look_again_at;
        Kept { job: slug, entry, wake_at }
    });
    let kept = kept.collect();
    Decided { evidence: vec![piece], kept, ..Decided::default() }
}

fn evidence(writer: usize) -> Evidence {
    let slug = Slug::new(&format!("job-{writer}")).expect("the name is valid");
    Evidence::new(slug, RunId(Uuid::now_v7()), Kind::Success, Timestamp::now())
}

/// The same group commit, by a loop that has all of it at hand.
fn bare_loop() -> Result<f64> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("bench.db");
    create(&path)?;
    let mut connection = Connection::open(&path)?;
    connection.execute_batch("pragma synchronous = full")?;
    let start = Instant::now();
    let mut written = 0;
    while start.elapsed() < LENGTH {
        written += write_group(&mut connection)?;
    }
    Ok(per_second(written, start))
}

/// The tables are those of the store.
fn create(path: &Path) -> Result<()> {
    let url = format!("sqlite://{}", path.display());
    runtime()?.block_on(async {
        let store = open(&url, &OpenOptions::default()).await?;
        let known: Vec<Evidence> = (0..WRITERS).map(evidence).collect();
        store.append(&known).await?;
        Ok(())
    })
}

fn write_group(connection: &mut Connection) -> Result<u32> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for writer in 0..WRITERS {
        write_row(&transaction, writer)?;
    }
    transaction.commit()?;
    Ok(u32::try_from(WRITERS)?)
}

/// What the store does for evidence that says no more than its key.
fn write_row(connection: &Connection, writer: usize) -> Result<()> {
    let mut find_job = connection.prepare_cached("select id from jobs where slug = ?1")?;
    let job: i64 = find_job.query_row([format!("job-{writer}")], |row| row.get(0))?;
    let (high, low) = Uuid::now_v7().as_u64_pair();
    let (high, low) = (high.cast_signed(), low.cast_signed());
    let mut find = connection.prepare_cached(
        "select 1 from evidence
         where (run_hi & -65536) | (((run_lo & 65535) + job) & 65535) = ?1
           and job = ?2 and run_hi = ?3 and run_lo = ?4 and kind = 1",
    )?;
    let mark = (high & -65536) | (((low & 65535) + job) & 65535);
    if !find.exists(params![mark, job, high, low])? {
        let mut insert = connection.prepare_cached(
            "insert into evidence (job, run_hi, run_lo, kind, at, lag) values (?1, ?2, ?3, 1, ?4, 0)",
        )?;
        insert.execute(params![job, high, low, Timestamp::now().as_millisecond()])?;
    }
    Ok(())
}

fn per_second(written: u32, start: Instant) -> f64 {
    f64::from(written) / start.elapsed().as_secs_f64()
}
