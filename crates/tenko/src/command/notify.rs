//! `tenko notify`: tries a channel, and shows what could not be delivered.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use tenko_core::outbox::{Batch, Delivery, Outbox, Status};
use tenko_core::roll::Changes;
use tenko_core::{ChannelName, Notice, Roll, Slug};
use tenko_store::{Commit, SharedStore};
use uuid::Uuid;

use super::{Setup, check, kept};
use crate::cli::Common;
use crate::error::CommandError;
use crate::notify::Channels;
use crate::printer;

/// Try a channel, and see what could not be delivered.
#[derive(Debug, Args)]
pub struct Notify {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a real test notice to a channel
    Test {
        /// The channel
        #[arg(value_name = "CHANNEL")]
        channel: String,
    },
    /// List the notices that are not delivered
    List {
        /// Print JSON
        #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
    /// Try a notice again that could not be delivered
    Retry {
        /// Its id; all, if none is given
        #[arg(value_name = "ID")]
        id: Option<Uuid>,
    },
    /// Remove a notice that could not be delivered, now that somebody has seen it
    Dismiss {
        /// Its id; all, if none is given
        #[arg(value_name = "ID")]
        id: Option<Uuid>,
    },
}

impl Notify {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        match self.action {
            Action::Test { channel } => test(&setup, &channel).await,
            Action::List { json } => list(&setup, json).await,
            Action::Retry { id } => settle(&setup, id, false).await,
            Action::Dismiss { id } => settle(&setup, id, true).await,
        }
    }
}

async fn test(setup: &Setup, name: &str) -> Result<ExitCode, CommandError> {
    let known = setup.config.channels.keys();
    let Some(channel) = known.clone().find(|channel| channel.as_str() == name) else {
        let error = CommandError::usage(format!("there is no channel {name:?}"));
        let near = crate::config::nearest(name, known.map(ChannelName::as_str));
        return Err(near.map_or_else(
            || CommandError::usage(format!("there is no channel {name:?}")).hint("describe it in [channels]"),
            |near| error.hint(format!("did you mean {near}?")),
        ));
    };
    let job = Slug::new("test").map_err(CommandError::usage)?;
    let notice = Notice::test(channel.clone(), job, Timestamp::now());
    let batch = Batch { channel: channel.clone(), notices: vec![notice] };
    let config = crate::aws::secrets::fetched(&setup.config).await?;
    match Channels::open(&config.channels).deliver(&batch).await {
        Delivery::Accepted => {
            printer::print(&format!("{name} accepted a test notice\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Delivery::Later { problem, .. } => Err(CommandError::could_not_tell(format!(
            "{name} did not accept a test notice, but may later: {problem}"
        ))),
        Delivery::Never { problem } => {
            Err(CommandError::usage(format!("{name} refused a test notice: {problem}")))
        }
    }
}

async fn list(setup: &Setup, json: bool) -> Result<ExitCode, CommandError> {
    let roll = setup.open_store().await?.load().await?.roll;
    if json {
        printer::print_json(&roll.outbox)?;
    } else if roll.outbox.items.is_empty() {
        printer::print("no notice is waiting\n")?;
    } else {
        let now = Timestamp::now();
        let lines = roll.outbox.items.iter().map(|item| check::undelivered(item, now) + "\n");
        printer::print(&lines.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries dead notices again in the next roll call, or removes them.
async fn settle(setup: &Setup, id: Option<Uuid>, dismiss: bool) -> Result<ExitCode, CommandError> {
    let store = setup.open_store().await?;
    loop {
        let snapshot = store.load().await?;
        let (mut roll, now) = (snapshot.roll, Timestamp::now());
        let jobs = jobs_of_dead(&roll.outbox, id);
        let mut settled = settle_in(&mut roll.outbox, id, dismiss, now);
        if settled == 0 {
            return Err(none_dead(id));
        }
        let done = match store.commit(snapshot.version, &roll, &Changes::default()).await? {
            Commit::Won(_) => true,
            Commit::Lost => false,
            Commit::Kept => {
                settled = settle_with_server(&store, jobs, id, dismiss, now).await?;
                settled > 0
            }
        };
        if done {
            let what = if dismiss { "dismissed" } else { "to be tried again in the next roll call" };
            printer::print(&format!("{} {what}\n", check::counted(settled)))?;
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn jobs_of_dead(outbox: &Outbox, id: Option<Uuid>) -> Vec<Slug> {
    let dead = outbox.dead().filter(|item| id.is_none_or(|id| id == item.notice.id));
    let jobs: BTreeSet<Slug> = dead.map(|item| item.notice.job.clone()).collect();
    jobs.into_iter().collect()
}

/// Says how many were settled.
fn settle_in(outbox: &mut Outbox, id: Option<Uuid>, dismiss: bool, now: Timestamp) -> usize {
    let before = outbox.dead().count();
    let wanted = |notice: Uuid| id.is_none_or(|id| id == notice);
    if dismiss {
        let keep = |status: &Status, notice| !(matches!(status, Status::Dead { .. }) && wanted(notice));
        outbox.items.retain(|item| keep(&item.status, item.notice.id));
    } else {
        for item in outbox.items.iter_mut().filter(|item| wanted(item.notice.id)) {
            item.revive(now);
        }
    }
    before - outbox.dead().count()
}

async fn settle_with_server(
    store: &SharedStore,
    jobs: Vec<Slug>,
    id: Option<Uuid>,
    dismiss: bool,
    now: Timestamp,
) -> Result<usize, CommandError> {
    let Some(live) = store.live() else { return Ok(0) };
    let settled = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&settled);
    let deciding = move |roll: &mut Roll| {
        let count = settle_in(&mut roll.outbox, id, dismiss, now);
        told.store(count, Ordering::Relaxed);
        (count > 0).then(Vec::new)
    };
    kept::change(live, jobs, Vec::new(), now, deciding).await?;
    Ok(settled.load(Ordering::Relaxed))
}

fn none_dead(id: Option<Uuid>) -> CommandError {
    match id {
        Some(id) => CommandError::usage(format!("there is no notice {id} that could not be delivered")),
        None => CommandError::usage("there is no notice that could not be delivered"),
    }
    .hint("tenko notify list lists what waits, and why")
}
