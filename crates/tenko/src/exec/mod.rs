//! Runs the customer's command and returns what happened.
//!
//! The engine behind `tenko run`. It knows nothing of stores, evidence or configuration, starts the command before
//! anything else, and must never make the command's life worse than it is without Tenko:
//!
//! * The child gets its own process group; stdin, environment, working directory, open descriptors, ignored signals and
//!   the signal mask are inherited as they are. Dispositions are reset by `exec`, SIGPIPE is set to its default.
//! * TERM, INT, HUP, QUIT, USR1 and USR2 (and, for terminals, TSTP, CONT and WINCH) go to the whole group, each time
//!   they arrive. A signal that Tenko was started with as ignored stays ignored by both.
//! * Output is passed on byte by byte while it is recorded in constant memory. A reader that closes our stdout is not
//!   the child's problem.
//! * The end of the command is the end of the child, not of daemons that still hold its pipes.
//! * As PID 1 every orphan is reaped.
//! * When a resource is lacking (descriptors, threads), recording is given up, not the command.
//!
//! What cannot be helped: if Tenko itself is killed by SIGKILL, the child runs on and nobody records its end (its next
//! write to stdout raises SIGPIPE, as in any pipeline whose reader died).
//!
//! Terminals: the child's group borrows the terminal when it asks for it (SIGTTIN or SIGTTOU), not before, so that
//! `tenko run -- job | less` leaves the terminal to `less`; Ctrl-C reaches the child by forwarding.

mod capture;
mod clock;
mod finish;
pub mod lock;
pub mod mask;
mod pump;
mod reap;
mod running;
mod signals;
mod sink;
mod spawn;
mod spool;
mod terminal;

use std::ffi::OsString;
use std::time::Duration;

pub use capture::{CaptureLimits, Captured};
pub use running::Running;
pub use spawn::{SpawnError, spawn};

/// A command and how to run it.
#[derive(Debug, Clone)]
pub struct Task {
    /// Looked up in `PATH` unless it contains a slash.
    pub program: OsString,
    /// Arguments after the program's name.
    pub args: Vec<OsString>,
    /// How long the command may take before its group gets SIGTERM. Time in which the machine was suspended does not
    /// count.
    pub timeout: Option<Duration>,
    /// How long after that SIGTERM the group gets SIGKILL.
    pub kill_after: Duration,
    /// How much output is kept in memory.
    pub capture: CaptureLimits,
    /// Holds the output back and shows it, in order, only if the command failed. Implies [`OutputMode::Capture`].
    pub quiet: bool,
    /// Exit codes that count as success; decides whether `quiet` stays silent.
    pub clean_exit: Vec<u8>,
    /// Variables added to the inherited environment.
    pub env: Vec<(OsString, OsString)>,
    /// Whether output is recorded.
    pub output: OutputMode,
}

impl Task {
    /// Returns a task without time limit that keeps 2 kB + 8 kB of output, with 10 s between TERM and KILL.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            timeout: None,
            kill_after: Duration::from_secs(10),
            capture: CaptureLimits::default(),
            quiet: false,
            clean_exit: vec![0],
            env: Vec::new(),
            output: OutputMode::Capture,
        }
    }
}

/// Whether the command's output passes through Tenko.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputMode {
    /// Output is passed on and recorded; the command sees pipes.
    Capture,
    /// The command inherits stdout and stderr; nothing is recorded.
    Passthrough,
}

/// What became of the command.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// From just before its start to its end, suspended time included (CLOCK_BOOTTIME; clock steps do not matter).
    pub duration: Duration,
    /// Whether [`Task::timeout`] passed. The exit is still the command's own.
    pub timed_out: bool,
    /// The record of its output; empty if nothing was captured.
    pub output: Captured,
    /// Resources used by the command and the descendants it waited for, if the system told.
    pub usage: Option<Usage>,
}

impl Outcome {
    /// Says whether the command ended by itself with one of these exit codes.
    pub fn is_clean(&self, clean_exit: &[u8]) -> bool {
        !self.timed_out && self.exit.is_clean(clean_exit)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status, 0 to 255.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number on this system.
        number: i32,
        /// Whether a core image was written.
        core_dumped: bool,
    },
}

impl Exit {
    /// Says whether this is an exit with one of the given codes.
    pub fn is_clean(&self, clean_exit: &[u8]) -> bool {
        match self {
            Self::Code(code) => clean_exit.iter().any(|clean| i32::from(*clean) == *code),
            Self::Signal { .. } => false,
        }
    }
}

/// Returns the status with which a wrapper exits in the command's place: its own code, or 128 + signal as in sh(1).
pub fn exit_code(exit: &Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(*code).unwrap_or(u8::MAX),
        Exit::Signal { number, .. } => u8::try_from(128 + number).unwrap_or(u8::MAX),
    }
}

/// Resources used, see getrusage(2) with RUSAGE_CHILDREN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The largest resident set of any single process, in bytes.
    pub max_rss_bytes: u64,
}
