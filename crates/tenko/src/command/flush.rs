//! `tenko flush`: sends evidence that could not be delivered before.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use tenko_store::spool::Spool;

use super::Setup;
use crate::cli::Common;
use crate::error::{CommandError, chain};
use crate::report::{Courier, Destination, Emptying};
use crate::{place, printer};

/// How long one destination may take in all.
const TIME: Duration = Duration::from_secs(300);
/// How long one piece may take.
const PIECE_TIME: Duration = Duration::from_secs(10);

/// Send evidence that could not be delivered before. It counts for the time at which it happened.
///
/// Exit codes: 0 nothing is left, 3 something is left.
#[derive(Debug, Args)]
pub struct Flush {}

impl Flush {
    /// Does it.
    pub fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let state_dir = place::state_dir();
        let spools = Spool::all(&state_dir.join("spool"))?;
        let mut left = 0;
        for (url, spool) in spools {
            let destination = match Destination::of(&url) {
                // It was kept while the configuration could not be read.
                Destination::Configured => Destination::of(&Setup::load(common)?.store_url),
                known => known,
            };
            left += flush(destination, &spool, &state_dir)?;
        }
        Ok(ExitCode::from(if left == 0 { 0 } else { 3 }))
    }
}

/// Gives how much is left.
fn flush(destination: Destination, spool: &Spool, state_dir: &Path) -> Result<usize, CommandError> {
    let shown = destination.shown();
    let mut courier = Courier::new(destination, state_dir);
    let until = Instant::now() + TIME;
    let mut emptying = Emptying::default();
    let drained = spool.drain(usize::MAX, |evidence| {
        let this = (Instant::now() + PIECE_TIME).min(until);
        emptying.send(&mut courier, evidence, this)
    })?;
    let (sent, left) = (drained.sent - emptying.given_up, drained.left);
    for bad in &drained.bad {
        printer::remark(&format!("warning: {} is no evidence, and was moved there", bad.display()));
    }
    if drained.busy {
        printer::remark(&format!("another process is sending to {shown}"));
    }
    if drained.sent + drained.left > 0 {
        let given_up = match emptying.given_up {
            0 => String::new(),
            count => format!(", {count} given up"),
        };
        printer::print(&format!("{shown}: {sent} sent{given_up}, {left} left\n"))?;
    }
    emptying.remark(courier.destination());
    if let Some(error) = emptying.problem {
        printer::remark(&format!("{shown}: {}", chain(&error)));
    }
    Ok(left)
}
