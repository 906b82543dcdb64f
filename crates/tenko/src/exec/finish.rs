//! From the command's end to that of its output.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeVal;

use super::capture::Captured;
use super::pump::Record;
use super::running::{Output, Running};
use super::sink::{Sink, Stream};
use super::spool::Spool;
use super::{Usage, signals::Signals};

/// How long a reader of our outputs that has stalled is waited for, once we were told to end.
const PATIENCE: Duration = Duration::from_secs(3);

impl Running {
    /// Lets the pumps finish, then shows what was held back, if the command failed.
    pub(super) fn finish_output(&mut self, is_clean: bool) -> Captured {
        let Some(Output { record, running }) = self.output.take() else {
            return Captured::default();
        };
        drop(running);
        let all_read = self.wait_until_idle(&record);
        let captured = record.take(!all_read);
        if let Some(spool) = record.take_spool().filter(|_| !is_clean) {
            self.show(&record, spool);
        }
        captured
    }

    fn show(&mut self, record: &Arc<Record>, spool: Spool) {
        let show = move |_: &Record| spool.replay(&mut Sink::new(Stream::Out), &mut Sink::new(Stream::Err));
        if record.work(show).is_ok() {
            self.wait_until_idle(record);
        }
    }

    /// Returns false if somebody asks us to end before that, or has asked already and the reader takes too long.
    fn wait_until_idle(&mut self, record: &Record) -> bool {
        let until = self.told_to_end.then(|| Instant::now() + PATIENCE);
        // Asked before looking: emptying the inbox must not swallow the nudge of a pump that has just ended.
        while !self.is_asked_to_end() {
            if record.is_idle() {
                return true;
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return false;
            }
            self.sleep(until);
        }
        false
    }

    pub(super) fn is_asked_to_end(&mut self) -> bool {
        let arrived = self.signals.as_mut().map(Signals::take).unwrap_or_default();
        arrived.into_iter().any(asks_to_end)
    }
}

/// Says whether this signal is a wish that we end.
pub(super) fn asks_to_end(signal: Signal) -> bool {
    matches!(signal, Signal::SIGTERM | Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT)
}

/// Returns what all commands waited for in this process have used; Tenko waits for one.
pub(super) fn usage() -> Option<Usage> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let max_rss = u64::try_from(usage.max_rss()).unwrap_or(0);
    // Kibibytes, but bytes on Darwin.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let (user, system) = (duration(usage.user_time()), duration(usage.system_time()));
    Some(Usage { user, system, max_rss_bytes: max_rss * unit })
}

fn duration(time: TimeVal) -> Duration {
    let micros =
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0);
    Duration::from_micros(micros)
}
