//! `tenko jobs`: lists all jobs.

use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Serialize;
use tenko_core::Slug;
use tenko_store::live::Node;

use super::addresses;
use super::check::counted;
use super::setup::{Known, Setup};
use crate::cli::Common;
use crate::error::CommandError;
use crate::view::{self, JobView};
use crate::{printer, words};

/// List all jobs, as the last roll call and what was heard since then leave them.
///
/// Decides nothing and tells nobody: that is what `tenko check` does.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
    /// Print the ping URL of each job, for a store that servers keep
    #[arg(long, env = "TENKO_URLS", value_parser = BoolishValueParser::new())]
    urls: bool,
}

#[derive(Serialize)]
struct Listing {
    at: jiff::Timestamp,
    called_at: Option<jiff::Timestamp>,
    jobs: Vec<JobView>,
}

impl Jobs {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let known = setup.known().await?;
        if self.urls {
            let jobs: Vec<Slug> = known.jobs.keys().cloned().collect();
            return addresses::list(&setup, &known.store, &jobs, self.json).await;
        }
        let view = |(slug, job)| view::job(job, known.roll.states.get(slug), &known.roll, known.now);
        let jobs: Vec<JobView> = known.jobs.iter().map(view).collect();
        if self.json {
            printer::print_json(&Listing { at: known.now, called_at: known.roll.called_at, jobs })?;
        } else {
            printer::print(&view::table(&jobs, known.now))?;
            remarks(&known, &attending(&known).await?);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The servers that keep the store.
async fn attending(known: &Known) -> Result<Vec<Node>, CommandError> {
    match known.store.live() {
        Some(live) => Ok(live.attending(known.now).await?),
        None => Ok(Vec::new()),
    }
}

/// How old this is, and whether anybody would be told.
fn remarks(known: &Known, servers: &[Node]) {
    let kept = match (servers, known.roll.called_at) {
        ([], Some(at)) => format!("roll last called {}", words::distance(at, known.now)),
        ([], None) => "the roll has never been called: tenko check calls it".into(),
        (servers, _) => kept_by(servers),
    };
    printer::remark(&kept);
    let given_up = known.roll.outbox.dead().count();
    if given_up > 0 {
        let notices = counted(given_up);
        printer::remark(&format!("{notices} could not be delivered: tenko notify list shows why"));
    }
    let untold = known.jobs.values().filter(|job| job.channels.is_empty()).count();
    if untold > 0 {
        let all = known.jobs.len();
        printer::remark(&format!("nobody is told about {untold} of {all} jobs: name channels in notify"));
    }
}

fn kept_by(servers: &[Node]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    let many = if servers.len() == 1 { "a server keeps" } else { "servers keep" };
    format!("{many} the store: {}", names.join(", "))
}
