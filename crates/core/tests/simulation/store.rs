//! A store that is a list in memory: evidence in the order in which it arrived, one roll, one version.

use std::collections::HashSet;

use tenko_core::judge::Gap;
use tenko_core::{Evidence, Roll, RunId, Slug};

use crate::model::Ms;
use crate::stamp;

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) evidence: Vec<Evidence>,
    known: HashSet<(Slug, RunId, &'static str)>,
    pub(crate) roll: Roll,
    pub(crate) version: u64,
    /// Spans in which it can be neither read nor written, oldest first.
    pub(crate) outages: Vec<(Ms, Ms)>,
    /// Those that have ended, as they should be known.
    pub(crate) gaps: Vec<(Ms, Ms)>,
}

impl Store {
    /// Until when it is away, if it is.
    pub(crate) fn away(&self, now: Ms) -> Option<Ms> {
        self.outages.iter().find(|(from, to)| (*from..*to).contains(&now)).map(|(_, to)| *to)
    }

    /// Adds evidence; `false` if it is known.
    pub(crate) fn append(&mut self, mut piece: Evidence, now: Ms) -> bool {
        let new = self.known.insert((piece.job.clone(), piece.run, piece.kind.word()));
        if new {
            piece.received_at = Some(stamp(now));
            self.evidence.push(piece);
        }
        new
    }

    /// Whoever comes with the newest version wins.
    pub(crate) fn commit(&mut self, base: u64, roll: &Roll) -> bool {
        let wins = base == self.version;
        if wins {
            self.roll = roll.clone();
            self.version += 1;
        }
        wins
    }

    /// The intake starts again and notes that it was away, before anything else. What was decided already, perhaps by
    /// a clock that is a little ahead, stays.
    pub(crate) fn note_gap(&mut self, from: Ms, to: Ms, forgetful: bool) {
        let called = self.roll.called_at.map_or(Ms::MIN, |at| at.as_millisecond() + 1);
        let (from, to) = (from.max(called), to.max(called));
        self.gaps.push((from, to));
        if forgetful {
            return;
        }
        self.roll.add_gap(Gap { from: stamp(from), to: stamp(to) });
        self.version += 1;
    }
}
