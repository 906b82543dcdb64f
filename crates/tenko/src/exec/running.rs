//! From the command's start to its end.

use std::io::PipeWriter;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::clock::Moment;
use super::pump::Record;
use super::signals::Signals;
use super::terminal::Terminal;
use super::{Exit, Outcome, Task, finish, reap};

/// How often to look when there is no descriptor left by which to be woken.
const BLIND: Duration = Duration::from_millis(50);

/// The command's output on its way.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) record: Arc<Record>,
    /// Closed to tell the pumps that the command has ended.
    pub(super) running: PipeWriter,
}

impl Output {
    pub(super) fn new(record: Arc<Record>, running: PipeWriter) -> Self {
        Self { record, running }
    }
}

/// A command that has been started. Dropping it leaves the command running and forgotten; call [`Running::wait`].
#[derive(Debug)]
pub struct Running {
    pub(super) task: Task,
    pub(super) group: Pid,
    pub(super) signals: Option<Signals>,
    pub(super) output: Option<Output>,
    child: Child,
    started: Moment,
    terminal: Terminal,
    pub(super) told_to_end: bool,
    limit: Limit,
}

impl Running {
    pub(super) fn new(
        task: Task,
        child: Child,
        started: Moment,
        signals: Option<Signals>,
        output: Option<Output>,
    ) -> Self {
        let group = Pid::from_raw(child.id().cast_signed());
        let limit = Limit::new(&task, started.awake);
        let terminal = Terminal::new(group);
        Self { task, group, signals, output, child, started, terminal, told_to_end: false, limit }
    }

    /// Returns the process number of the command, which is also that of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the moment just before the start, by the wall clock and by the monotonic one.
    pub fn started(&self) -> (SystemTime, Instant) {
        (self.started.wall, self.started.awake)
    }

    /// Waits for the end of the command and of its output, forwarding signals and enforcing the time limit meanwhile.
    ///
    /// Returns at most about 2 s after the command's end, unless the reader of our stdout is slower than that in taking
    /// what the command had written (TERM, INT, HUP or QUIT shortens this), or the command was timed out and the rest of its
    /// group takes until [`Task::kill_after`] to end.
    pub fn wait(mut self) -> Outcome {
        let exit = self.wait_for_exit();
        let duration = self.started.elapsed();
        let usage = finish::usage();
        self.terminal.take_back();
        let timed_out = self.limit.passed();
        if timed_out {
            self.end_rest_of_group();
        }
        let is_clean = !timed_out && exit.is_clean(&self.task.clean_exit);
        let output = self.finish_output(is_clean);
        Outcome { exit, duration, timed_out, output, usage }
    }

    fn wait_for_exit(&mut self) -> Exit {
        loop {
            self.forward_signals();
            if let Some(exit) = self.look() {
                return exit;
            }
            if let Some(signal) = self.limit.due(Instant::now()) {
                self.end_group(signal);
            }
            self.sleep(self.limit.next());
        }
    }

    /// Looks whether the command has ended or stopped.
    fn look(&mut self) -> Option<Exit> {
        if reap::is_init() {
            reap::orphans(self.group);
        }
        match self.child.try_wait() {
            Ok(Some(status)) => return Some(exit(status)),
            Ok(None) => {}
            // Somebody else in this process has taken the status; the end is certain, the way it ended is lost.
            Err(_) => return Some(Exit::Code(255)),
        }
        if let Some(signal) = reap::stopped_by(self.group) {
            self.terminal.command_stopped(signal);
        }
        None
    }

    fn forward_signals(&mut self) {
        let arrived = self.signals.as_mut().map(Signals::take).unwrap_or_default();
        for signal in arrived {
            self.told_to_end |= finish::asks_to_end(signal);
            if self.send(signal) == Err(Errno::EPERM) {
                self.terminal.lend_if_ours();
            }
        }
    }

    /// Signals the whole group, or the command alone if it has left it. Only for a command not yet waited for: its
    /// number may belong to somebody else afterwards.
    fn send(&self, signal: Signal) -> Result<(), Errno> {
        match killpg(self.group, signal) {
            Err(Errno::ESRCH) => kill(self.group, signal),
            result => result,
        }
    }

    /// A stopped process meets its SIGTERM only when continued. Errors mean that there is nobody left, or somebody whom
    /// we may not signal; both leave nothing to do.
    fn end_group(&self, signal: Signal) {
        let _ = self.send(signal);
        let _ = self.send(Signal::SIGCONT);
    }

    pub(super) fn sleep(&self, until: Option<Instant>) {
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        match &self.signals {
            // Rounded up: waking a millisecond early would only mean to sleep again.
            Some(signals) => signals.sleep(rest.map_or(PollTimeout::NONE, |rest| {
                PollTimeout::try_from(rest.saturating_add(Duration::from_millis(1)))
                    .unwrap_or(PollTimeout::MAX)
            })),
            None => std::thread::sleep(rest.unwrap_or(BLIND).min(BLIND)),
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(number) => Exit::Signal { number, core_dumped: status.core_dumped() },
        None => Exit::Code(status.code().unwrap_or(255)),
    }
}

/// The time limit: first SIGTERM, then SIGKILL. Runs on awake time: a job whose machine was suspended has not hung.
#[derive(Debug)]
struct Limit {
    term: Option<Instant>,
    kill: Option<Instant>,
    kill_after: Duration,
    passed: bool,
}

impl Limit {
    fn new(task: &Task, started: Instant) -> Self {
        let term = task.timeout.and_then(|timeout| started.checked_add(timeout));
        Self { term, kill: None, kill_after: task.kill_after, passed: false }
    }

    fn passed(&self) -> bool {
        self.passed
    }

    /// Returns when to look again.
    fn next(&self) -> Option<Instant> {
        self.term.or(self.kill)
    }

    /// Returns the signal that is due, once.
    fn due(&mut self, now: Instant) -> Option<Signal> {
        if self.term.take_if(|at| *at <= now).is_some() {
            self.passed = true;
            self.kill = now.checked_add(self.kill_after);
            return Some(Signal::SIGTERM);
        }
        self.kill.take_if(|at| *at <= now).map(|_| Signal::SIGKILL)
    }
}

impl Running {
    /// After a time-out nothing of the command may stay behind: what is left of the group gets until `kill_after`, then
    /// SIGKILL. Whoever asks us to end meanwhile shortens that.
    fn end_rest_of_group(&mut self) {
        let kill_at = self.limit.kill.unwrap_or_else(Instant::now);
        while self.group_exists() && Instant::now() < kill_at && !self.is_asked_to_end() {
            self.sleep(Some(kill_at.min(Instant::now() + BLIND)));
        }
        if self.group_exists() {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }

    fn group_exists(&self) -> bool {
        if reap::is_init() {
            reap::orphans(self.group);
        }
        killpg(self.group, None) != Err(Errno::ESRCH)
    }
}
