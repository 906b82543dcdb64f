//! Job control: lending the terminal to the command's group, and stopping together with it.

use std::fs::File;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The terminal as the command's group sees it.
#[derive(Debug)]
pub(super) struct Terminal {
    group: Pid,
    lent: bool,
}

impl Terminal {
    pub(super) fn new(group: Pid) -> Self {
        Self { group, lent: false }
    }

    /// Reacts to a stop of the command. If it was stopped because it used the terminal and we have that, it gets it and
    /// goes on. If it was stopped by the user or we are in the background ourselves, we stop as well, for our shell to
    /// see, and continue it when we are continued. Other stops, and those without a terminal, are none of our business.
    pub(super) fn command_stopped(&mut self, signal: Signal) {
        let asks = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
        if !asks && signal != Signal::SIGTSTP {
            return;
        }
        let Ok(tty) = File::open("/dev/tty") else { return };
        if asks && is_front(&tty, getpgrp()) {
            self.lend(&tty);
        } else {
            self.take_back_from(&tty);
            stop_own_group();
        }
        self.resume();
    }

    /// Lends the terminal unasked, for a command that we may not signal (as set-user-ID programs), so that Ctrl-C reaches
    /// it directly.
    pub(super) fn lend_if_ours(&mut self) {
        if let Ok(tty) = File::open("/dev/tty")
            && is_front(&tty, getpgrp())
        {
            self.lend(&tty);
        }
    }

    /// Takes the terminal back after the command's end.
    pub(super) fn take_back(&mut self) {
        if self.lent
            && let Ok(tty) = File::open("/dev/tty")
        {
            self.take_back_from(&tty);
        }
    }

    fn lend(&mut self, tty: &File) {
        self.lent = give(tty, self.group).is_ok();
    }

    fn take_back_from(&mut self, tty: &File) {
        if self.lent && is_front(tty, self.group) {
            // Fails if the terminal has gone, and then there is nothing to take back.
            let _ = give(tty, getpgrp());
        }
        self.lent = false;
    }

    fn resume(&self) {
        // Fails if the group has ended meanwhile.
        let _ = killpg(self.group, Signal::SIGCONT);
    }
}

fn is_front(tty: &File, group: Pid) -> bool {
    tcgetpgrp(tty) == Ok(group)
}

/// Changes the foreground group. From the background this raises SIGTTOU unless that is blocked.
fn give(tty: &File, group: Pid) -> nix::Result<()> {
    let mut before = SigSet::empty();
    let stops = SigSet::from(Signal::SIGTTOU);
    if let Ok(mask) = stops.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK) {
        before = mask;
    }
    let given = tcsetpgrp(tty, group);
    let _ = before.thread_set_mask();
    given
}

/// Stops our group until our shell continues it. SIGTTIN and not SIGSTOP, because the kernel ignores it in a group that
/// no shell looks after, which would stay stopped for ever. The pause keeps that case from spinning.
fn stop_own_group() {
    let _ = killpg(getpgrp(), Signal::SIGTTIN);
    thread::sleep(Duration::from_millis(50));
}
