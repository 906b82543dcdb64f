//! `tenko pause`, `resume` and `forget`: what people decide about a job.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use tenko_core::roll::Changes;
use tenko_core::state::Flip;
use tenko_core::{Job, JobState, Roll, Slug};
use tenko_store::Commit;

use super::{Known, Setup, kept};
use crate::cli::Common;
use crate::error::CommandError;
use crate::printer;

/// How often it is tried while roll calls are quicker.
const TRIES: u32 = 20;

/// Stop judging a job: nobody is told about it until it is resumed.
///
/// Its evidence is still kept. An open incident ends without a word.
#[derive(Debug, Args)]
pub struct Pause {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
}

/// Judge a paused job again, from its next due on.
#[derive(Debug, Args)]
pub struct Resume {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
}

/// Forget a job that is in no configuration and will not come back.
///
/// If it reports again, it is known again.
#[derive(Debug, Args)]
pub struct Forget {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
}

impl Pause {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let done =
            change(common, &self.job, |job, roll, now| state(job, roll, now).pause(now).map(Some)).await?;
        say(&self.job, if done { "is paused" } else { "was paused already" })
    }
}

impl Resume {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let done =
            change(common, &self.job, |job, roll, now| state(job, roll, now).resume(job, now).map(Some))
                .await?;
        say(&self.job, if done { "is judged again" } else { "was not paused" })
    }
}

impl Forget {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        if setup.config.jobs.contains_key(self.job.as_str()) {
            let error = CommandError::usage(format!("job {} is in the configuration", self.job));
            return Err(
                error.hint(format!("remove [jobs.{}] there; the next roll call forgets it", self.job))
            );
        }
        change(common, &self.job, |job, roll, _| {
            roll.states.remove(&job.slug);
            roll.declarations.remove(&job.slug);
            roll.outbox.items.retain(|item| item.notice.job != job.slug);
            Some(None)
        })
        .await?;
        say(&self.job, "is forgotten")
    }
}

fn say(job: &str, what: &str) -> Result<ExitCode, CommandError> {
    printer::print(&format!("{job} {what}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn state<'a>(job: &Job, roll: &'a mut Roll, now: Timestamp) -> &'a mut JobState {
    roll.states.entry(job.slug.clone()).or_insert_with(|| JobState::new(job, now))
}

/// Changes the state of one job, on top of whatever roll calls decide meanwhile. `decide` gives `None` if there is
/// nothing to change, and the flip if it brings one about. Says whether there was anything to change.
async fn change(
    common: &Common,
    name: &str,
    decide: impl Fn(&Job, &mut Roll, Timestamp) -> Option<Option<Flip>> + Send + 'static,
) -> Result<bool, CommandError> {
    let setup = Setup::load(common)?;
    let mut known = setup.known().await?;
    let slug = known.job(name)?.0.slug.clone();
    for _ in 0..TRIES {
        let mut roll = known.snapshot.roll.clone();
        let Some(flip) = decide(&known.jobs[&slug], &mut roll, Timestamp::now()) else { return Ok(false) };
        let flips = flip.map(|flip| (slug.clone(), flip)).into_iter().collect();
        let changes = Changes { jobs: [slug.clone()].into(), flips, missed: Vec::new() };
        match known.store.commit(known.snapshot.version, &roll, &changes).await? {
            Commit::Won(_) => return Ok(true),
            Commit::Kept => return change_with_server(&known, &slug, decide).await,
            Commit::Lost => known.snapshot = known.store.load().await?,
        }
    }
    Err(CommandError::could_not_tell(format!("can't change {name}: {TRIES} times a roll call was quicker")))
}

/// The same where a server keeps the store.
async fn change_with_server(
    known: &Known,
    slug: &Slug,
    decide: impl Fn(&Job, &mut Roll, Timestamp) -> Option<Option<Flip>> + Send + 'static,
) -> Result<bool, CommandError> {
    let Some(live) = known.store.live() else { return Ok(false) };
    let (job, gaps, now) = (known.jobs[slug].clone(), known.snapshot.roll.gaps.clone(), Timestamp::now());
    let deciding = move |roll: &mut Roll| {
        let flip = decide(&job, roll, now)?;
        Some(flip.map(|flip| (job.slug.clone(), flip)).into_iter().collect())
    };
    kept::change(live, vec![slug.clone()], gaps, now, deciding).await
}
