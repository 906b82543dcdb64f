//! Pings per second, and how long one takes.

use std::path::Path;
use std::time::Duration;

use super::load::{Flood, JOBS, Shape, flood, paced};
use super::server::{KEY, Server};
use super::{Database, databases};
use crate::{Result, runtime, table};

const LENGTH: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// A server that is measured beside others.
struct Contestant {
    name: String,
    server: Server,
    database: Option<Database>,
    /// How long the start took that made the tables.
    first_start: Duration,
    /// Resident memory before the load, in KiB.
    idle: u64,
    /// For each shape, round by round.
    floods: Vec<Vec<Flood>>,
    halves: Vec<Vec<Half>>,
}

/// What was measured at half of its own maximum, keep-alive.
#[derive(Clone, Copy)]
struct Half {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Machines are now faster, now slower, for minutes: all servers are there from the beginning and are measured in turn, and what
/// is compared was measured in the same round.
pub(super) fn measure() -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut all = vec![Contestant::ceiling()?];
    for database in databases(place.path(), "pings")? {
        all.push(Contestant::tenko(database, place.path())?);
    }
    for shape in Shape::ALL {
        all.iter_mut().for_each(|one| one.floods.push(Vec::new()));
        for _ in 0..ROUNDS {
            all.iter_mut().try_for_each(|one| one.flood(shape, place.path()))?;
        }
        if shape.keep_alive {
            all.iter_mut().for_each(|one| one.halves.push(Vec::new()));
            all.iter().try_for_each(Contestant::age)?;
            for _ in 0..ROUNDS {
                all.iter_mut().try_for_each(|one| one.at_half(shape))?;
            }
        }
    }
    show_floods(&all);
    show_halves(&all);
    show_servers(&all[1..])
}

impl Contestant {
    fn ceiling() -> Result<Self> {
        let server = Server::ceiling()?;
        Self::of("axum, stores nothing".into(), server.started_within, server, None)
    }

    fn tenko(database: Database, place: &Path) -> Result<Self> {
        // Each has a configuration and a log of its own.
        let place = place.join(database.name);
        std::fs::create_dir(&place)?;
        let first_start = Server::tenko(&place, &database.url, "")?.started_within;
        let server = Server::tenko(&place, &database.url, "")?;
        let one = Self::of(format!("Tenko on {}", database.name), first_start, server, Some(database))?;
        one.server.create_jobs(JOBS)?;
        Ok(one)
    }

    fn of(name: String, first_start: Duration, server: Server, database: Option<Database>) -> Result<Self> {
        let idle = server.memory()?;
        Ok(Self { name, server, database, first_start, idle, floods: Vec::new(), halves: Vec::new() })
    }

    fn flood(&mut self, shape: Shape, place: &Path) -> Result<()> {
        let seen = flood(self.server.address, KEY, shape, LENGTH, place)?;
        self.floods.last_mut().ok_or("no shape")?.push(seen);
        Ok(())
    }

    /// Brings its database to the state in which it is after running for long.
    fn age(&self) -> Result<()> {
        self.database.as_ref().map_or(Ok(()), Database::age)
    }

    fn at_half(&mut self, shape: Shape) -> Result<()> {
        let floods = self.floods.last().ok_or("no shape")?;
        let per_second = median(floods, |round| round.per_second) / 2.0;
        let took = runtime()?.block_on(paced(self.server.address, KEY, shape, per_second, LENGTH))?;
        let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        self.halves.last_mut().ok_or("no shape")?.push(Half { per_second, p50, p99 });
        Ok(())
    }
}

fn median<T, V: PartialOrd + Copy>(rounds: &[T], value: impl Fn(&T) -> V) -> V {
    table::median(rounds.iter().map(value).collect())
}

fn show_floods(all: &[Contestant]) {
    let mut rows = Vec::new();
    for (number, shape) in Shape::ALL.into_iter().enumerate() {
        for one in all {
            let rounds = &one.floods[number];
            let beside: Vec<_> = rounds.iter().zip(&all[0].floods[number]).collect();
            rows.push(vec![
                shape.words(),
                one.name.clone(),
                table::count(median(rounds, |round| round.per_second)),
                format!("{:.2}", median(&beside, |(round, most)| round.per_second / most.per_second)),
                table::time(median(rounds, |round| round.p50)),
                table::time(median(rounds, |round| round.p99)),
            ]);
        }
    }
    let header = ["what", "server", "per second", "of the ceiling", "p50", "p99"];
    table::print("Pings, 64 connections, 1000 jobs, as many as go; medians of five rounds", &header, &rows);
}

fn show_halves(all: &[Contestant]) {
    let mut rows = Vec::new();
    for (number, shape) in Shape::ALL.into_iter().filter(|shape| shape.keep_alive).enumerate() {
        for one in all {
            let rounds = &one.halves[number];
            rows.push(vec![
                shape.words(),
                one.name.clone(),
                table::count(median(rounds, |round| round.per_second)),
                table::time(median(rounds, |round| round.p50)),
                table::time(median(rounds, |round| round.p99)),
            ]);
        }
    }
    table::print("The same at half of its maximum", &["what", "server", "per second", "p50", "p99"], &rows);
}

fn show_servers(all: &[Contestant]) -> Result<()> {
    let row = |one: &Contestant| {
        let after = one.server.memory()?;
        let [first, start] = [one.first_start, one.server.started_within].map(table::time);
        Ok(vec![one.name.clone(), first, start, table::mebibytes(one.idle), table::mebibytes(after)])
    };
    let rows = all.iter().map(row).collect::<Result<Vec<_>>>()?;
    let header = [
        "server",
        "first start, tables are made",
        "start to first 200",
        "memory, idle",
        "memory, after the load",
    ];
    table::print("The server itself", &header, &rows);
    Ok(())
}
