//! Clocks for measuring a run.

use std::time::{Duration, Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// One moment, read on three clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: SystemTime,
    pub(super) awake: Instant,
    boot: Option<Duration>,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { wall: SystemTime::now(), awake: Instant::now(), boot: since_boot() }
    }

    /// Time since this moment; counts suspended time where the system has a clock that does.
    pub(super) fn elapsed(&self) -> Duration {
        match (self.boot, since_boot()) {
            (Some(then), Some(now)) => now.saturating_sub(then),
            _ => self.awake.elapsed(),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
/// On Darwin, CLOCK_MONOTONIC goes on while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

fn since_boot() -> Option<Duration> {
    clock_gettime(BOOT_CLOCK).ok().map(Duration::from)
}
