//! Which run a ping means.

use jiff::{SignedDuration, Timestamp};
use tenko_core::state::{JobState, UnderWay};
use tenko_core::{Kind, RunId};
use uuid::Uuid;

/// A second start with the id of a run that is under way for no longer is the same start, sent again.
const SAME_START: SignedDuration = SignedDuration::from_mins(15);

/// A ping, as far as it says which run it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign {
    pub(super) kind: Kind,
    pub(super) rid: Option<Uuid>,
    pub(super) at: Timestamp,
    /// Different for each ping.
    pub(super) random: u64,
}

/// The runs of a job that are known, while pings of it are gone through.
#[derive(Debug, Default)]
pub(super) struct Runs {
    under_way: Vec<UnderWay>,
    ended: Vec<RunId>,
}

impl Runs {
    pub(super) fn of(state: Option<&JobState>) -> Self {
        let Some(state) = state else { return Self::default() };
        let heard = [state.last_start, state.last_success, state.last_fail];
        let ended = state.tail.iter().map(|answer| answer.run);
        let ended = ended.chain(heard.into_iter().flatten().map(|heard| heard.run)).collect();
        Self { under_way: state.running.clone(), ended }
    }

    /// The run that a ping means. None, if it is a start that was heard already.
    pub(super) fn meant_by(&mut self, sign: Sign) -> Option<RunId> {
        match sign.kind {
            Kind::Log => Some(RunId::made(sign.at, sign.rid, sign.random)),
            Kind::Start => self.started(sign),
            Kind::Success | Kind::Fail(_) => Some(self.ended(sign)),
        }
    }

    fn started(&mut self, sign: Sign) -> Option<RunId> {
        let again = |run: &&UnderWay| {
            sign.rid.is_some_and(|rid| run.run.answers(rid))
                && sign.at.duration_since(run.started).abs() < SAME_START
        };
        if self.under_way.iter().any(|run| again(&run)) {
            return None;
        }
        let run = self.fresh(sign);
        self.under_way.push(UnderWay { run, started: sign.at });
        Some(run)
    }

    fn ended(&mut self, sign: Sign) -> RunId {
        let run = self.to_end(sign.rid).unwrap_or_else(|| self.fresh(sign));
        self.under_way.retain(|known| known.run != run);
        self.ended.push(run);
        run
    }

    /// The run under way that ends.
    fn to_end(&self, rid: Option<Uuid>) -> Option<RunId> {
        let newest = |is_meant: &dyn Fn(RunId) -> bool| {
            let meant = self.under_way.iter().filter(|known| is_meant(known.run));
            meant.max_by_key(|known| (known.started, known.run)).map(|known| known.run)
        };
        match rid {
            Some(rid) => newest(&|run| run.answers(rid)),
            None => newest(&RunId::is_anonymous).or_else(|| newest(&|_| true)),
        }
    }

    /// The id of a run of which nothing is known. One that was used before would make the ping look like one that is stored
    /// already.
    fn fresh(&self, sign: Sign) -> RunId {
        let mut known = self.under_way.iter().map(|known| &known.run).chain(&self.ended);
        match sign.rid {
            Some(rid) if !known.any(|run| run.answers(rid)) => RunId(rid),
            rid => RunId::made(sign.at, rid, sign.random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANT: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);
    const OTHER: Uuid = Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222);

    fn sign(kind: Kind, rid: Option<Uuid>, minute: i64) -> Sign {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        Sign { kind, rid, at, random: u64::try_from(minute).unwrap() }
    }

    #[test]
    fn an_end_without_an_id_ends_the_newest_run_that_had_none() {
        let mut runs = Runs::default();
        let anonymous = runs.meant_by(sign(Kind::Start, None, 0)).unwrap();
        runs.meant_by(sign(Kind::Start, Some(OTHER), 1)).unwrap();
        assert_eq!(runs.meant_by(sign(Kind::Success, None, 2)), Some(anonymous));
        assert_eq!(runs.meant_by(sign(Kind::Fail(None), None, 3)), Some(RunId(OTHER)), "the only one left");
        let own = runs.meant_by(sign(Kind::Success, None, 4)).unwrap();
        assert!(own.is_anonymous() && own != anonymous);
    }

    #[test]
    fn an_id_that_is_used_every_day_makes_a_run_every_day() {
        let mut runs = Runs::default();
        let mut seen = Vec::new();
        for day in 0..5 {
            let start = runs.meant_by(sign(Kind::Start, Some(CONSTANT), day * 1440)).unwrap();
            let again = runs.meant_by(sign(Kind::Start, Some(CONSTANT), day * 1440 + 10));
            assert_eq!(again, None, "it is the same start");
            let end = runs.meant_by(sign(Kind::Success, Some(CONSTANT), day * 1440 + 30)).unwrap();
            assert_eq!(start, end);
            assert!(!seen.contains(&start) && start.answers(CONSTANT));
            seen.push(start);
        }
        assert_eq!(seen[0], RunId(CONSTANT));
    }

    #[test]
    fn a_start_long_after_one_that_never_ended_is_another() {
        let mut runs = Runs::default();
        let hung = runs.meant_by(sign(Kind::Start, Some(CONSTANT), 0)).unwrap();
        let next = runs.meant_by(sign(Kind::Start, Some(CONSTANT), 16)).unwrap();
        assert_ne!(hung, next);
        // Both answer to it; that which hung would be ended by mistake, and the other seem to hang.
        assert_eq!(runs.meant_by(sign(Kind::Success, Some(CONSTANT), 20)), Some(next));
        assert_eq!(runs.meant_by(sign(Kind::Success, Some(CONSTANT), 21)), Some(hung));
    }

    #[test]
    fn every_remark_of_a_run_is_one_of_its_own() {
        let mut runs = Runs::default();
        let first = runs.meant_by(sign(Kind::Log, Some(OTHER), 0)).unwrap();
        let second = runs.meant_by(sign(Kind::Log, Some(OTHER), 1)).unwrap();
        assert_ne!(first, second);
        assert!(first.answers(OTHER) && second.answers(OTHER));
        assert_eq!(runs.meant_by(sign(Kind::Start, Some(OTHER), 2)), Some(RunId(OTHER)));
    }
}
