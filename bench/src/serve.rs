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

use crate::Result;

/// A database to measure on.
#[derive(Clone, Debug)]
struct Database {
    name: &'static str,
    /// The URL of a store that is empty.
    url: String,
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
