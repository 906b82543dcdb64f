//! Starting the command.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;

use nix::errno::Errno;

use super::capture::Capture;
use super::clock::Moment;
use super::pump::{Pump, Record};
use super::running::{Output, Running};
use super::signals::Signals;
use super::sink::{Stream, is_one_place};
use super::spool::Spool;
use super::{OutputMode, Task};

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no such program, or its interpreter is missing.
    #[error("command not found: {}", program.display())]
    NotFound {
        /// The program as it was named.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// It exists but could not be executed, or the system has no process left for it.
    #[error("cannot execute: {}", program.display())]
    NotExecutable {
        /// The program as it was named.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    fn new(program: OsString, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            Self::NotFound { program, source }
        } else {
            Self::NotExecutable { program, source }
        }
    }

    /// Returns the exit code of shells for this: 127 if not found, 126 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
        }
    }
}

/// Starts the command. When this returns it has been executed already, and its output flows.
///
/// Signals that arrive from here on are kept and passed on by [`Running::wait`], which the main thread should call soon;
/// whatever else is to be done meanwhile belongs on another thread. They stay caught after the command's end, so that a
/// second Ctrl-C does not interrupt what the caller still has to do.
///
/// A missing `#!` line is no error: as in execvp(3) and shells, such a file is run by `/bin/sh`.
///
/// # Errors
/// Only if the command itself can't be started. Lack of anything needed to watch it is no reason not to start it.
pub fn spawn(task: Task) -> Result<Running, SpawnError> {
    let signals = Signals::install().ok();
    let (output, writers) = connect(&task, signals.as_ref());
    let started = Moment::now();
    match start(&task, writers) {
        Ok(child) => Ok(Running::new(task, child, started, signals, output)),
        Err(error) => Err(SpawnError::new(task.program, error)),
    }
}

/// The child's ends of the pipes.
#[derive(Debug)]
struct Writers {
    out: PipeWriter,
    err: PipeWriter,
}

/// Lays the pipes and starts the pumps. Without descriptors or threads for them the command gets our own outputs.
fn connect(task: &Task, signals: Option<&Signals>) -> (Option<Output>, Option<Writers>) {
    if task.output == OutputMode::Passthrough && !task.quiet {
        return (None, None);
    }
    let spool = task.quiet.then(Spool::default);
    let record = Arc::new(Record::new(Capture::new(task.capture), spool, signals.map(Signals::nudge)));
    match lay_pipes(&record) {
        Ok((ended, writers)) => (Some(Output::new(record, ended)), Some(writers)),
        Err(_) => (None, None),
    }
}

/// If both our outputs lead to the same place, one pipe serves both, and the order of what the child writes is exact.
fn lay_pipes(record: &Arc<Record>) -> io::Result<(PipeWriter, Writers)> {
    let (ended, command_ends) = io::pipe()?;
    let (from, out) = io::pipe()?;
    if is_one_place() {
        let writers = Writers { err: out.try_clone()?, out };
        pump(record, from, Stream::Out, ended)?;
        return Ok((command_ends, writers));
    }
    let (from_err, err) = io::pipe()?;
    pump(record, from, Stream::Out, ended.try_clone()?)?;
    pump(record, from_err, Stream::Err, ended)?;
    Ok((command_ends, Writers { out, err }))
}

fn pump(record: &Arc<Record>, from: PipeReader, stream: Stream, ended: PipeReader) -> io::Result<()> {
    let pump = Pump { from, stream, ended };
    record.work(move |record| pump.run(record))
}

fn start(task: &Task, writers: Option<Writers>) -> io::Result<Child> {
    let retry = writers
        .as_ref()
        .and_then(|w| Some(Writers { out: w.out.try_clone().ok()?, err: w.err.try_clone().ok()? }));
    match command(task, &task.program, &[], writers).spawn() {
        Err(error) if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            let script = locate(&task.program).ok_or(error)?;
            command(task, "/bin/sh".as_ref(), &[script.as_os_str()], retry).spawn()
        }
        result => result,
    }
}

fn command(task: &Task, program: &OsStr, first: &[&OsStr], writers: Option<Writers>) -> Command {
    let mut command = Command::new(program);
    command.args(first).args(&task.args).process_group(0);
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    if let Some(Writers { out, err }) = writers {
        command.stdout(out).stderr(err);
    }
    command
}

/// Finds the file that execvp(3) would have run.
fn locate(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| Path::new(".").join(dir).join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
