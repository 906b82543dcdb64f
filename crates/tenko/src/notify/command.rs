//! Any program: it gets the notice as JSON on its standard input.
//!
//! Exit 0 is accepted. Exit 78 (`EX_CONFIG`, sysexits.h) and a program that is not there or may not be run are never
//! accepted. Any other exit, a signal and a time-out are tried again later, because most programs do not say which of
//! their failures last.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tenko_core::message::Language;
use tenko_core::outbox::{Batch, Delivery};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::options::CommandOptions;
use super::webhook::payload;
use super::{Channel, ChannelError, chain, later, never};

/// `EX_CONFIG` of sysexits.h.
const MISCONFIGURED: i32 = 78;
/// How much output is kept for an error, in bytes.
const MAX_OUTPUT: usize = 2048;
/// For how long output is waited for after the program ended: a daemon that it left behind may hold the pipe open.
const LINGER: Duration = Duration::from_millis(200);

/// A program to run.
#[derive(Debug)]
pub struct Command {
    options: CommandOptions,
    language: Language,
}

impl Command {
    /// A channel that runs a program; fails if none is given.
    pub fn new(options: &CommandOptions, language: Language) -> Result<Self, ChannelError> {
        if options.command.first().is_none_or(String::is_empty) {
            return Err(ChannelError::NoCommand);
        }
        Ok(Self { options: options.clone(), language })
    }

    fn spawn(&self, batch: &Batch) -> std::io::Result<Child> {
        let (program, arguments) = self.options.command.split_first().ok_or(ErrorKind::NotFound)?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command.env("TENKO_ID", batch.id().to_string()).env("TENKO_CHANNEL", batch.channel.as_str());
        if let [only] = batch.notices.as_slice() {
            command.env("TENKO_JOB", only.job.as_str());
        }
        command.spawn()
    }
}

#[async_trait]
impl Channel for Command {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let child = match self.spawn(batch) {
            Ok(child) => child,
            Err(error) => return not_started(&error),
        };
        let mut group = Group::of(&child);
        let input = payload(batch, self.language).to_string();
        let ended = tokio::time::timeout(self.options.timeout, talk(child, input)).await;
        if ended.is_ok() {
            // It was waited for: its number may belong to somebody else by now.
            group.0 = None;
        }
        drop(group);
        match ended {
            Err(_) => later(format!("it did not end within {:?} and was killed", self.options.timeout)),
            Ok(Err(error)) => later(chain(&error)),
            Ok(Ok((status, output))) => judged(status, &output),
        }
    }
}

/// Kills the whole process group of a program when dropped before the program ended, so that nothing is left behind by a time-out or by a
/// delivery that is given up.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error says that nobody of the group is left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn not_started(error: &std::io::Error) -> Delivery {
    let problem = format!("the command can't be started: {error}");
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => never(problem),
        _ => later(problem),
    }
}

/// Feeds the program, reads what it prints, and waits for its end.
async fn talk(mut child: Child, input: String) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is told; its exit code counts.
            drop(stdin.write_all(input.as_bytes()).await);
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let reads = async { tokio::join!(feed, tail(stdout, &mut out), tail(stderr, &mut err)) };
        tokio::pin!(reads);
        tokio::select! {
            status = child.wait() => {
                drop(tokio::time::timeout(LINGER, &mut reads).await);
                status?
            }
            _ = &mut reads => child.wait().await?,
        }
    };
    out.extend(err);
    Ok((status, out))
}

/// Reads to the end and keeps the last bytes.
async fn tail(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(MAX_OUTPUT));
    }
}

fn judged(status: ExitStatus, output: &[u8]) -> Delivery {
    if status.success() {
        return Delivery::Accepted;
    }
    let said = tenko_core::message::line(&String::from_utf8_lossy(output), MAX_OUTPUT);
    let problem = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    if status.code() == Some(MISCONFIGURED) { never(problem) } else { later(problem) }
}
