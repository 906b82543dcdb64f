//! The process that calls the roll.

#![expect(clippy::print_stdout, reason = "the figures are what this process is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tenko::checker::{Checker, Clock};
use tenko::config::Config;
use tenko::notify::Channels;
use tenko_core::Verdict;
use tenko_store::open::{OpenOptions, open};
use tenko_store::{MemoryStore, SharedStore, Store as _};

use super::backdated::Backdated;
use super::daily::{DAYS, Days};
use crate::{Result, runtime};

/// Calls the roll of `memory COUNT`, or of `TIME COUNT URL`, and prints time and peak memory.
pub(crate) fn in_child(role: &str) -> Result<()> {
    match role.split(' ').collect::<Vec<_>>()[..] {
        ["memory", count] => runtime()?.block_on(in_memory(count.parse()?)),
        [time, count, url] => runtime()?.block_on(elsewhere(time.parse()?, count.parse()?, url)),
        _ => Err(format!("{role:?} is no role").into()),
    }
}

async fn in_memory(count: usize) -> Result<()> {
    let store = MemoryStore::new();
    let days = Days::new(count);
    for day in 0..DAYS {
        store.append(&days.evidence(day)).await?;
        call(Instant::now(), Arc::new(store.clone()), days.end_of(day), count).await?;
    }
    Ok(())
}

async fn elsewhere(time: i64, count: usize, url: &str) -> Result<()> {
    let start = Instant::now();
    let store = open(url, &OpenOptions::default()).await?;
    call(start, store, Timestamp::from_millisecond(time)?, count).await
}

async fn call(start: Instant, store: SharedStore, now: Timestamp, count: usize) -> Result<()> {
    let store = Backdated::shared(store);
    let config = Arc::new(Config::default());
    let channels = Channels::open(&BTreeMap::new());
    let checker = Checker { config, store, channels, clock: Arc::new(At(now)), state_dir: None };
    let report = checker.roll_call().await?;
    let took = start.elapsed();
    // A figure for something else than what it says is worse than none.
    let up = report.roll.states.values().filter(|state| state.fold.verdict == Verdict::Up).count();
    if up != count {
        return Err(format!("{up} of {count} jobs are up: {:?}", report.warnings).into());
    }
    println!("{} {}", took.as_nanos(), peak_kib()?);
    Ok(())
}

/// The clock stands still.
#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// See proc(5), `VmHWM`.
fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
