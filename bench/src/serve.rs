//! The server: pings per second, notices after deadlines, a million jobs.
//!
//! PostgreSQL is measured where `TENKO_BENCH_POSTGRES` names a database that may be filled, as `bench/run` does.

mod deadlines;
mod load;
mod million;
mod pings;
mod receiver;
mod server;

use std::path::Path;
use std::process::Command;

use crate::Result;

/// A database to measure on.
#[derive(Clone, Debug)]
struct Database {
    name: &'static str,
    /// The URL of a store that is empty.
    url: String,
}

impl Database {
    /// Brings it to the state in which it is after running for long: PostgreSQL then writes over files of its log that it has. Until
    /// its first checkpoint it makes each of them anew, filled with zeros, and all who commit wait for that.
    fn age(&self) -> Result<()> {
        if !self.url.starts_with("postgres") {
            return Ok(());
        }
        let url = self.url.split('?').next().unwrap_or_default();
        let output = Command::new("psql").args([url, "--quiet", "--command", "checkpoint"]).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }
}

/// SQLite in `place`, and PostgreSQL if there is one.
fn databases(place: &Path, purpose: &str) -> Result<Vec<Database>> {
    let file = place.join(format!("{purpose}.db"));
    let mut all = vec![Database { name: "SQLite", url: format!("sqlite://{}", file.display()) }];
    if let Ok(url) = std::env::var("TENKO_BENCH_POSTGRES") {
        let separator = if url.contains('?') { '&' } else { '?' };
        // A schema for each measurement, so that each begins with nothing.
        let schema = format!("bench_{purpose}_{}", std::process::id());
        all.push(Database { name: "PostgreSQL", url: format!("{url}{separator}schema={schema}") });
    }
    Ok(all)
}

/// How many pings go through.
pub(crate) fn measure_pings() -> Result<()> {
    pings::measure()
}

/// How soon people are told.
pub(crate) fn measure_deadlines() -> Result<()> {
    deadlines::measure()
}

/// What a million jobs cost.
pub(crate) fn measure_million() -> Result<()> {
    million::measure()
}
