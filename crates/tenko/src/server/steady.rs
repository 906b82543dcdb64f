//! The clock of a server: it goes on evenly, whatever is done to the clock on the wall.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::judge::Gap;
use tenko_core::schedule::later;

use crate::checker::Clock;

/// A step by more than this is not believed at once.
const BELIEVED: SignedDuration = SignedDuration::from_secs(60);
/// For how long the clock on the wall must stay stepped before it is believed.
const PROBATION: SignedDuration = SignedDuration::from_mins(10);
/// Two steps that differ by less are the same.
const SAME_STEP: SignedDuration = SignedDuration::from_secs(5);

/// The two clocks of a machine. Tests bring their own.
#[async_trait]
pub trait Clocks: std::fmt::Debug + Send + Sync {
    /// The time of day; somebody may set it.
    fn wall(&self) -> Timestamp;

    /// How long the machine is up, with the time that it slept; nobody can set that.
    fn uptime(&self) -> SignedDuration;

    /// Returns when the clocks have jumped, so that whoever sleeps looks at them again. Real clocks tell nothing.
    async fn moved(&self) {
        std::future::pending::<()>().await;
    }
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineClocks;

impl Clocks for MachineClocks {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> SignedDuration {
        #[cfg(target_os = "linux")]
        const STEADY: nix::time::ClockId = nix::time::ClockId::CLOCK_BOOTTIME;
        #[cfg(not(target_os = "linux"))]
        const STEADY: nix::time::ClockId = nix::time::ClockId::CLOCK_MONOTONIC;
        let up = nix::time::clock_gettime(STEADY).map(std::time::Duration::from);
        up.ok().and_then(|up| SignedDuration::try_from(up).ok()).unwrap_or_default()
    }
}

/// What a look at the clock on the wall showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It was set by so much just now, and is not believed for the time being.
    Doubted(SignedDuration),
    /// It is back where it was.
    Back,
    /// It stayed as it was set, and is believed from now on. In this span nobody can say what was due.
    Believed(Gap),
}

/// A clock that goes on evenly.
#[derive(Clone, Debug)]
pub struct Steady {
    clocks: Arc<dyn Clocks>,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug)]
struct Told {
    /// The time when the machine was started, as far as it is believed.
    zero: Timestamp,
    /// How much another clock, that of the store, is ahead of the one on the wall.
    ahead: SignedDuration,
    /// A step that is not believed yet, and the uptime when it was seen first.
    doubted: Option<(SignedDuration, SignedDuration)>,
}

impl Steady {
    /// Takes the time of day from the clock on the wall, once.
    pub fn new(clocks: Arc<dyn Clocks>) -> Self {
        let zero = later(clocks.wall(), -clocks.uptime());
        let told = Told { zero, ahead: SignedDuration::ZERO, doubted: None };
        Self { clocks, told: Arc::new(Mutex::new(told)) }
    }

    /// Looks whether somebody has set the clock on the wall. A small step is followed at once; a large one is only told,
    /// until it has stayed for ten minutes.
    pub fn compare(&self) -> Option<Stepped> {
        let (wall, uptime) = (self.clocks.wall(), self.clocks.uptime());
        let mut told = self.told();
        let step = wall.duration_since(later(told.zero, uptime));
        if step.abs() <= BELIEVED {
            told.zero = later(told.zero, step);
            return told.doubted.take().map(|_| Stepped::Back);
        }
        match told.doubted {
            Some((doubted, since)) if (doubted - step).abs() <= SAME_STEP => {
                (uptime - since >= PROBATION).then(|| told.believe(step, uptime))
            }
            _ => {
                told.doubted = Some((step, uptime));
                Some(Stepped::Doubted(step))
            }
        }
    }

    /// Goes by the clock of the store, which was asked at `asked` and had answered by `answered`, by this one, and showed
    /// `theirs` at some moment in between. Only what can't be explained by the way there and back is put right: an answer can
    /// take seconds, and that is no difference between the clocks.
    pub fn follow(&self, theirs: Timestamp, asked: Timestamp, answered: Timestamp) {
        let nearest = theirs.clamp(asked, answered.max(asked));
        let mut told = self.told();
        told.ahead = told.ahead.saturating_add(theirs.duration_since(nearest));
    }

    /// How far the clock that counts is ahead of the one on the wall of this machine.
    pub fn ahead(&self) -> SignedDuration {
        self.now().duration_since(self.clocks.wall())
    }

    /// Both clocks as they are, for whoever has to stop in time whichever of them is right.
    pub(super) fn moment(&self) -> Moment {
        Moment { wall: self.clocks.wall(), uptime: self.clocks.uptime() }
    }

    /// How long ago a moment was, by the clock that says more.
    pub(super) fn since(&self, moment: Moment) -> SignedDuration {
        let now = self.moment();
        now.wall.duration_since(moment.wall).max(now.uptime - moment.uptime)
    }

    /// Returns at `until`, or earlier if the clocks have jumped.
    pub(super) async fn sleep_until(&self, until: Timestamp) {
        let length = until.duration_since(self.now());
        let length = std::time::Duration::try_from(length).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = self.clocks.moved() => {}
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // It is never half changed.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What both clocks showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    wall: Timestamp,
    uptime: SignedDuration,
}

impl Told {
    fn believe(&mut self, step: SignedDuration, uptime: SignedDuration) -> Stepped {
        let before = later(self.zero, uptime);
        self.zero = later(self.zero, step);
        self.doubted = None;
        let after = later(self.zero, uptime);
        Stepped::Believed(Gap { from: before.min(after), to: before.max(after) })
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let uptime = self.clocks.uptime();
        let told = self.told();
        later(told.zero, uptime.saturating_add(told.ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Scripted(Mutex<(Timestamp, SignedDuration)>);

    #[async_trait]
    impl Clocks for Scripted {
        fn wall(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn uptime(&self) -> SignedDuration {
            self.0.lock().unwrap().1
        }
    }

    impl Scripted {
        fn pass(&self, minutes: i64) {
            let mut both = self.0.lock().unwrap();
            let length = SignedDuration::from_mins(minutes);
            *both = (both.0 + length, both.1 + length);
        }

        fn set_by(&self, hours: i64) {
            self.0.lock().unwrap().0 += SignedDuration::from_hours(hours);
        }
    }

    fn steady() -> (Arc<Scripted>, Steady, Timestamp) {
        let start: Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
        let clocks = Arc::new(Scripted(Mutex::new((start, SignedDuration::from_hours(50)))));
        let dynamic: Arc<dyn Clocks> = Arc::<Scripted>::clone(&clocks);
        (clocks, Steady::new(dynamic), start)
    }

    #[test]
    fn fault_33_a_clock_that_is_set_two_hours_ahead_and_back_is_not_followed() {
        let (clocks, steady, start) = steady();
        clocks.set_by(2);
        assert_eq!(steady.compare(), Some(Stepped::Doubted(SignedDuration::from_hours(2))));
        clocks.pass(5);
        assert_eq!(steady.compare(), None, "it is said once");
        assert_eq!(steady.now(), start + SignedDuration::from_mins(5));
        clocks.set_by(-2);
        assert_eq!(steady.compare(), Some(Stepped::Back));
        assert_eq!(steady.now(), start + SignedDuration::from_mins(5));
    }

    #[test]
    fn fault_34_a_clock_that_stays_set_is_believed_after_ten_minutes() {
        let (clocks, steady, start) = steady();
        clocks.set_by(-3);
        assert!(matches!(steady.compare(), Some(Stepped::Doubted(_))));
        clocks.pass(10);
        let after = start + SignedDuration::from_mins(10);
        let gap = Gap { from: after - SignedDuration::from_hours(3), to: after };
        assert_eq!(steady.compare(), Some(Stepped::Believed(gap)));
        assert_eq!(steady.now(), gap.from);
        assert_eq!(steady.compare(), None);
    }

    #[test]
    fn a_small_step_is_followed_without_a_word() {
        let (clocks, steady, start) = steady();
        clocks.0.lock().unwrap().0 += SignedDuration::from_secs(40);
        assert_eq!(steady.compare(), None);
        assert_eq!(steady.now(), start + SignedDuration::from_secs(40));
    }

    #[test]
    fn the_clock_of_the_store_counts_where_there_is_one() {
        let (clocks, steady, start) = steady();
        steady.follow(start + SignedDuration::from_secs(90), steady.now(), steady.now());
        clocks.pass(1);
        assert_eq!(steady.now(), start + SignedDuration::from_secs(150));
        assert_eq!(steady.ahead(), SignedDuration::from_secs(90));
        assert_eq!(steady.compare(), None);
    }

    #[test]
    fn an_answer_that_takes_long_does_not_move_the_clock() {
        let (clocks, steady, start) = steady();
        let asked = steady.now();
        clocks.pass(2);
        for minutes in 0..=2 {
            steady.follow(start + SignedDuration::from_mins(minutes), asked, steady.now());
            assert_eq!(steady.ahead(), SignedDuration::ZERO);
        }
        steady.follow(start - SignedDuration::from_mins(5), asked, steady.now());
        assert_eq!(steady.ahead(), SignedDuration::from_mins(-5), "at least that is certain");
        let asked = steady.now();
        clocks.pass(1);
        steady.follow(asked + SignedDuration::from_mins(3), asked, steady.now());
        assert_eq!(steady.ahead(), SignedDuration::from_mins(-3));
    }
}
