//! The URLs under which jobs are pinged.

use std::collections::BTreeMap;
use std::process::ExitCode;

use tenko_core::Slug;
use tenko_store::SharedStore;
use uuid::Uuid;

use super::Setup;
use super::key::live;
use crate::error::CommandError;
use crate::printer;

/// Prints the ping URL of each of these jobs. A job that has no address yet is given one.
pub(super) async fn list(
    setup: &Setup,
    store: &SharedStore,
    jobs: &[Slug],
    json: bool,
) -> Result<ExitCode, CommandError> {
    let urls = urls(setup, store, jobs).await?;
    if json {
        printer::print_json(&urls)?;
    } else {
        let rows: Vec<_> = urls.into_iter().map(|(job, url)| vec![job.to_string(), url]).collect();
        printer::print(&printer::table(&["JOB", "PING URL"], &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The ping URLs of jobs.
pub(super) async fn urls(
    setup: &Setup,
    store: &SharedStore,
    jobs: &[Slug],
) -> Result<BTreeMap<Slug, String>, CommandError> {
    let live = live(store)?;
    let said: BTreeMap<&Slug, Uuid> =
        setup.config.jobs.iter().filter_map(|(slug, job)| Some((slug, job.uuid?))).collect();
    for job in jobs {
        if let Some(uuid) = said.get(job) {
            live.addresses(std::slice::from_ref(job), Some(*uuid)).await?;
        }
    }
    let kept = live.addresses(jobs, None).await?;
    let base = setup.config.server.base_url();
    // What the configuration says holds, also for a job that had an address before; both lead to it.
    let url =
        |(job, kept): (&Slug, Uuid)| (job.clone(), format!("{base}ping/{}", said.get(job).unwrap_or(&kept)));
    Ok(jobs.iter().zip(kept).map(url).collect())
}
