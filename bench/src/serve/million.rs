//! A million daily jobs, each with one ping.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::call::call_one;
use tenko_core::schedule::ScheduleSpec;
use tenko_core::{Declaration, Evidence, Job, JobSpec, Kind, RunId, Slug, Via};
use tenko_store::SharedStore;
use tenko_store::live::{By, Case, Decided, Entry, Kept, Wanted};
use tenko_store::open::{OpenOptions, open};
use uuid::Uuid;

use super::server::Server;
use super::{Database, databases};
use crate::{Result, runtime, table};

const BATCH: usize = 2_000;
/// How many of the jobs become due while the server runs.
const DUE: usize = 1_000;
const IDLE: Duration = Duration::from_secs(20);
/// After its start a server looks at all jobs once, and counts them. It is done when it does next to nothing for so long.
const QUIET: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(300);
const HOW_MANY: &str = "TENKO_BENCH_JOBS";

pub(super) fn measure() -> Result<()> {
    let count = std::env::var(HOW_MANY).map_or(Ok(1_000_000), |text| text.parse())?;
    let place = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for database in databases(place.path(), "million")? {
        rows.push(one(place.path(), &database, count)?);
    }
    let header = [
        "store",
        "filled",
        "start to first 200",
        "until all were looked at",
        "CPU for that",
        "memory, idle",
        "CPU, idle",
        "to claim 1,000 due",
        "on disk, a job with its ping",
    ];
    table::print(&format!("{} daily jobs, one ping each", table::count(count as f64)), &header, &rows);
    Ok(())
}

fn one(place: &Path, database: &Database, count: usize) -> Result<Vec<String>> {
    let begun = Instant::now();
    let now = Timestamp::now();
    let bytes = runtime()?.block_on(async {
        let store = open(&database.url, &OpenOptions::default()).await?;
        fill(&store, count, now).await?;
        Result::Ok(size(database))
    })?;
    let filled = begun.elapsed();
    let server = Server::tenko(place, &database.url, "")?;
    let (settled, worked) = settle(&server)?;
    let before = server.cpu()?;
    thread::sleep(IDLE);
    let busy = (server.cpu()? - before).as_secs_f64() / IDLE.as_secs_f64();
    let memory = server.memory()?;
    let claimed = runtime()?.block_on(claim(&database.url, now))?;
    Ok(vec![
        database.name.to_owned(),
        table::time(filled),
        table::time(server.started_within),
        table::time(settled),
        table::time(worked),
        table::mebibytes(memory),
        format!("{:.1} %", busy * 100.0),
        table::time(claimed),
        bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0} B", bytes as f64 / count as f64)),
    ])
}

/// How long a server that has just started is busy, and how long its processor was.
fn settle(server: &Server) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let (mut before, mut busy_until) = (server.cpu()?, Duration::ZERO);
    while begun.elapsed() - busy_until < QUIET {
        if begun.elapsed() > PATIENCE {
            return Err(format!("it is still busy after {PATIENCE:?}").into());
        }
        thread::sleep(Duration::from_millis(500));
        let now = server.cpu()?;
        if now - before > Duration::from_millis(25) {
            busy_until = begun.elapsed();
        }
        before = now;
    }
    Ok((busy_until, before))
}

/// How long it takes to find the first jobs that are due in the next day, as a pass over deadlines does.
async fn claim(url: &str, now: Timestamp) -> Result<Duration> {
    let store = open(url, &OpenOptions::default()).await?;
    let live = store.live().ok_or("no server can keep this store")?;
    let begun = Instant::now();
    let by = now + SignedDuration::from_hours(48);
    let nothing = Box::new(|_: Case| Decided::default());
    live.decide(By::Tool, Wanted::Due { by, most: DUE }, now, nothing).await?;
    Ok(begun.elapsed())
}

async fn fill(store: &SharedStore, count: usize, now: Timestamp) -> Result<()> {
    let live = store.live().ok_or("no server can keep this store")?;
    let jobs: Vec<usize> = (0..count).collect();
    for some in jobs.chunks(BATCH) {
        let made = some.iter().map(|job| make(*job, now)).collect::<Result<Vec<_>>>()?;
        let names = made.iter().map(|made| made.0.job.clone()).collect();
        let decide = Box::new(move |_: Case| Decided {
            kept: made.iter().map(|made| made.0.clone()).collect(),
            evidence: made.iter().map(|made| made.1.clone()).collect(),
            ..Decided::default()
        });
        live.decide(By::Tool, Wanted::Jobs(names), now, decide).await?;
    }
    Ok(())
}

/// A job that is due each day at a minute of its own, and the ping of today.
fn make(number: usize, now: Timestamp) -> Result<(Kept, Evidence)> {
    let slug = Slug::new(&format!("job-{number}"))?;
    let cron = format!("{} {} * * *", number % 60, number / 60 % 24);
    let spec = JobSpec {
        schedule: ScheduleSpec { cron: vec![cron], ..ScheduleSpec::default() },
        ..JobSpec::default()
    };
    let job: Job = spec.resolve(slug.clone(), &TimeZone::UTC, None).map_err(|wrong| format!("{wrong:?}"))?;
    let mut ping = Evidence::new(slug.clone(), RunId(Uuid::now_v7()), Kind::Success, now);
    ping.received_at = Some(now);
    ping.report.via = Some(Via {
        scheme: "http".into(),
        method: "GET".into(),
        from: "192.0.2.7".into(),
        agent: "curl/8.14.1".into(),
    });
    let mut state = None;
    call_one(&job, &mut state, [&ping], None, &[], now);
    let wake_at = state.as_ref().and_then(|state| state.look_again_at);
    let declaration = Some(Declaration { digest: format!("{:08x}", number % 1440), spec: Some(spec.into()) });
    Ok((Kept { job: slug, entry: Entry { state, declaration, items: Vec::new() }, wake_at }, ping))
}

/// The bytes of the file, where it is one.
fn size(database: &Database) -> Option<u64> {
    let path = database.url.strip_prefix("sqlite://")?;
    let log = std::fs::metadata(format!("{path}-wal")).map_or(0, |log| log.len());
    Some(std::fs::metadata(path).ok()?.len() + log)
}
