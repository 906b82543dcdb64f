//! A roll call over many daily jobs, each with one success since the last one.
//!
//! This process keeps the store and adds the evidence of each day; the roll call of a day is called by a process of its
//! own, as `tenko check` is, so that its peak memory can be told.

mod backdated;
mod daily;
mod in_child;
mod place;

use std::process::Command;
use std::time::Duration;

use daily::Days;
use place::Place;
pub(crate) use place::server;

pub(crate) use in_child::in_child;

use crate::{Result, table};

/// The environment variable that says which store a child calls the roll of.
pub(crate) const ROLE: &str = "TENKO_BENCH_ROLL";

/// What one roll call cost.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    peak_kib: u64,
}

/// Measures roll calls in all kinds of store.
pub(crate) fn measure() -> Result<()> {
    let mut rows = Vec::new();
    for count in [1_000, 10_000, 100_000] {
        rows.push(in_memory(count)?);
        for mut place in [
            Some(Place::sqlite()?),
            (count <= 10_000).then(Place::directory).transpose()?,
            Some(Place::s3()?),
        ]
        .into_iter()
        .flatten()
        {
            rows.push(measure_one(&mut place, count)?);
        }
    }
    let header = [
        "jobs",
        "store",
        "roll call",
        "peak memory",
        "LIST",
        "GET",
        "PUT",
        "first roll call, when all is new",
    ];
    table::print("A roll call over daily jobs, each with one new success, medians of 3 days", &header, &rows);
    Ok(())
}

/// The store is in the memory of the child, so that it adds the evidence as well.
fn in_memory(count: usize) -> Result<Vec<String>> {
    let costs = spawn(&format!("memory {count}"), &Place::nowhere())?;
    Ok(row(count, "memory", &costs, None))
}

fn measure_one(place: &mut Place, count: usize) -> Result<Vec<String>> {
    let days = Days::new(count);
    let mut costs = Vec::new();
    let mut asked = Vec::new();
    for day in 0..daily::DAYS {
        place.add(&days.evidence(day), days.end_of(day))?;
        place.forget_requests();
        let role = format!("{} {} {}", days.end_of(day).as_millisecond(), count, place.url());
        costs.extend(spawn(&role, place)?);
        asked.push(place.requests());
    }
    Ok(row(count, place.name(), &costs, asked.pop().flatten()))
}

fn row(count: usize, store: &str, costs: &[Cost], asked: Option<[u64; 3]>) -> Vec<String> {
    let (first, others) = costs.split_at(1);
    let time = table::median(others.iter().map(|cost| cost.time).collect());
    let peak = table::median(others.iter().map(|cost| cost.peak_kib).collect());
    let mut row =
        vec![table::count(count as f64), store.to_owned(), table::time(time), table::mebibytes(peak)];
    match asked {
        Some(asked) => row.extend(asked.map(|number| number.to_string())),
        None => row.extend(std::iter::repeat_n("-".to_owned(), 3)),
    }
    row.push(table::time(first[0].time));
    row
}

fn spawn(role: &str, place: &Place) -> Result<Vec<Cost>> {
    let output = Command::new(std::env::current_exe()?)
        .env(ROLE, role)
        .envs(place.env())
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the roll call of {role} failed").into());
    }
    String::from_utf8(output.stdout)?.lines().map(read).collect()
}

fn read(line: &str) -> Result<Cost> {
    let (nanos, peak) = line.split_once(' ').ok_or("a roll call prints two figures")?;
    Ok(Cost { time: Duration::from_nanos(nanos.parse()?), peak_kib: peak.parse()? })
}
