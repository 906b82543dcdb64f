//! Signals sent to Tenko, as something that can be polled.
//!
//! Handlers and a self-pipe, not a blocked mask: a mask would be inherited by the child, handlers are undone by its
//! `exec`. They are installed before the child starts, so that no signal meets a Tenko that has a child and no handler.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// Signals that are passed on to the command's process group.
const FORWARDED: [Signal; 9] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// The inbox of this process.
#[derive(Debug)]
pub(super) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    nudge: Arc<UnixStream>,
}

impl Signals {
    /// Starts to collect signals. Those ignored at this moment, as with nohup(1), are left alone.
    ///
    /// # Errors
    /// Fails if there is no descriptor left for the self-pipe.
    pub(super) fn install() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        // A full pipe already wakes the reader; whoever nudges must not wait for room.
        write.set_nonblocking(true)?;
        let nudge = Arc::new(write.try_clone()?);
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, wanted())?;
        Ok(Self { delivery, nudge })
    }

    /// Returns a writer by which another thread ends a [`Signals::sleep`].
    pub(super) fn nudge(&self) -> Arc<UnixStream> {
        Arc::clone(&self.nudge)
    }

    /// Waits for a signal, a nudge or the time limit, whichever comes first; may return early.
    pub(super) fn sleep(&self, limit: PollTimeout) {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // An interrupted or failed poll is an early return, which callers allow for.
        let _ = poll(&mut fds, limit);
    }

    /// Takes the signals that came since the last call. Several of one kind count as one.
    pub(super) fn take(&mut self) -> Vec<Signal> {
        let numbers = self.delivery.pending();
        numbers.filter_map(|number| Signal::try_from(number).ok()).filter(|s| *s != Signal::SIGCHLD).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// SIGCHLD is taken in any case: while it is ignored the kernel throws exit statuses away.
fn wanted() -> Vec<i32> {
    let ignored = ignored_mask();
    let forwarded = FORWARDED.into_iter().filter(|signal| ignored & bit(*signal) == 0);
    forwarded.chain([Signal::SIGCHLD]).map(|signal| signal as i32).collect()
}

fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// The set of ignored signals, from proc_pid_status(5). Without /proc, none is taken for ignored.
fn ignored_mask() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
