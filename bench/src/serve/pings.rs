//! Pings per second, and how long one takes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::load::{Flood, JOBS, Shape, flood, paced};
use super::server::{KEY, Server};
use super::{Database, databases};
use crate::{Result, runtime, table};

const LENGTH: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

/// What was measured of one server, for each shape.
struct Measured {
    name: String,
    floods: Vec<Vec<Flood>>,
    /// At half of its own maximum, keep-alive.
    halves: Vec<(f64, Duration, Duration)>,
}

pub(super) fn measure() -> Result<()> {
    let place = tempfile::tempdir()?;
    let ceiling = Server::ceiling()?;
    let mut all = vec![Measured::of("axum, stores nothing", ceiling.address, place.path(), || Ok(()))?];
    let (mut idle, mut after, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for database in databases(place.path(), "pings")? {
        let server = start(&database, place.path())?;
        idle.push(server.memory()?);
        server.create_jobs(JOBS)?;
        starts.push((database.name, server.started_within));
        let name = format!("Tenko on {}", database.name);
        all.push(Measured::of(&name, server.address, place.path(), || database.age())?);
        after.push(server.memory()?);
    }
    show_floods(&all);
    show_halves(&all);
    let rows = starts.iter().zip(idle.iter().zip(&after)).map(|((name, start), (idle, after))| {
        vec![(*name).to_owned(), table::time(*start), table::mebibytes(*idle), table::mebibytes(*after)]
    });
    let rows: Vec<_> = rows.collect();
    table::print(
        "The server itself",
        &["store", "start to first 200", "memory, idle", "memory, after the load"],
        &rows,
    );
    Ok(())
}

fn start(database: &Database, place: &Path) -> Result<Server> {
    Server::tenko(place, &database.url, "")
}

impl Measured {
    fn of(name: &str, address: SocketAddr, place: &Path, age: impl Fn() -> Result<()>) -> Result<Self> {
        let mut floods = Vec::new();
        let mut halves = Vec::new();
        for shape in Shape::ALL {
            let rounds = (0..ROUNDS).map(|_| flood(address, KEY, shape, LENGTH, place));
            let rounds = rounds.collect::<Result<Vec<_>>>()?;
            if shape.keep_alive {
                let half = per_second(&rounds) / 2.0;
                age()?;
                let took = runtime()?.block_on(paced(address, KEY, shape, half, LENGTH))?;
                halves.push((half, took[took.len() / 2], took[took.len() * 99 / 100]));
            }
            floods.push(rounds);
        }
        Ok(Self { name: name.to_owned(), floods, halves })
    }
}

fn per_second(rounds: &[Flood]) -> f64 {
    table::median(rounds.iter().map(|round| round.per_second).collect())
}

fn show_floods(all: &[Measured]) {
    let mut rows = Vec::new();
    for (number, shape) in Shape::ALL.into_iter().enumerate() {
        let most = per_second(&all[0].floods[number]);
        for measured in all {
            let rounds = &measured.floods[number];
            let rate = per_second(rounds);
            rows.push(vec![
                shape.words(),
                measured.name.clone(),
                table::count(rate),
                format!("{:.2}", rate / most),
                table::time(table::median(rounds.iter().map(|round| round.p50).collect())),
                table::time(table::median(rounds.iter().map(|round| round.p99).collect())),
            ]);
        }
    }
    let header = ["what", "server", "per second", "of the ceiling", "p50", "p99"];
    table::print("Pings, 64 connections, 1000 jobs, as many as go; medians", &header, &rows);
}

fn show_halves(all: &[Measured]) {
    let kept: Vec<Shape> = Shape::ALL.into_iter().filter(|shape| shape.keep_alive).collect();
    let row = |shape: &Shape, measured: &Measured, (rate, p50, p99): (f64, Duration, Duration)| {
        vec![shape.words(), measured.name.clone(), table::count(rate), table::time(p50), table::time(p99)]
    };
    let mut rows = Vec::new();
    for (number, shape) in kept.iter().enumerate() {
        rows.extend(all.iter().map(|measured| row(shape, measured, measured.halves[number])));
    }
    table::print("The same at half of its maximum", &["what", "server", "per second", "p50", "p99"], &rows);
}
