//! The commands, one file each.

mod addresses;
#[cfg(feature = "aws-setup")]
pub mod aws;
pub mod backup;
pub mod check;
pub mod config;
pub mod flush;
pub mod gaps;
#[cfg(feature = "server")]
pub mod healthy;
pub mod help;
pub mod init;
pub mod jobs;
mod kept;
pub mod key;
pub mod log;
pub mod migrate;
pub mod notify;
pub mod pause;
pub mod ping;
pub mod run;
pub mod schedule;
#[cfg(feature = "server")]
pub mod serve;
mod setup;
pub mod show;
pub mod watch;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::CommandError;

pub use setup::{Known, Setup};

/// Does what the command line says.
pub fn execute(cli: Cli) -> Result<ExitCode, CommandError> {
    let common = cli.common;
    match cli.command {
        Command::Run(run) => Ok(run.execute(&common)),
        Command::Flush(flush) => flush.execute(&common),
        Command::Ping(ping) => ping.execute(&common),
        #[cfg(feature = "server")]
        Command::Serve(serve) => serve.execute(&common),
        #[cfg(feature = "server")]
        Command::Healthy(healthy) => healthy.execute(&common),
        Command::Init(init) => init.execute(&common),
        Command::Schedule(preview) => preview.execute(&common),
        Command::Config(config) => config.execute(&common),
        #[cfg(feature = "aws-setup")]
        Command::Aws(aws) => aws.execute(&common),
        Command::Completions(completions) => completions.execute(),
        Command::Man(man) => man.execute(),
        other => in_runtime(async {
            match other {
                Command::Check(check) => check.execute(&common).await,
                Command::Watch(watch) => watch.execute(&common).await,
                Command::Jobs(jobs) => jobs.execute(&common).await,
                Command::Show(show) => show.execute(&common).await,
                Command::Log(log) => log.execute(&common).await,
                Command::Gaps(gaps) => gaps.execute(&common).await,
                Command::Pause(pause) => pause.execute(&common).await,
                Command::Resume(resume) => resume.execute(&common).await,
                Command::Forget(forget) => forget.execute(&common).await,
                Command::Backup(backup) => backup.execute(&common).await,
                Command::Restore(restore) => restore.execute(&common).await,
                Command::Migrate(migrate) => migrate.execute(&common).await,
                Command::Key(key) => key.execute(&common).await,
                Command::Notify(notify) => notify.execute(&common).await,
                Command::Run(_)
                | Command::Ping(_)
                | Command::Flush(_)
                | Command::Init(_)
                | Command::Schedule(_)
                | Command::Config(_)
                | Command::Completions(_)
                | Command::Man(_) => Ok(ExitCode::SUCCESS),
                #[cfg(feature = "server")]
                Command::Serve(_) | Command::Healthy(_) => Ok(ExitCode::SUCCESS),
                #[cfg(feature = "aws-setup")]
                Command::Aws(_) => Ok(ExitCode::SUCCESS),
            }
        }),
    }
}

/// Commands that wait for a store or a channel do so on one thread: there is little to do and much to wait for.
pub fn in_runtime<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    crate::telemetry::init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}
