//! A channel with moods.

use jiff::SignedDuration;
use tenko_core::outbox::Delivery;

use crate::model::Ms;
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// Spans in which it refuses everything for now.
    pub(crate) refuses: Vec<(Ms, Ms)>,
    /// From when on it refuses everything for ever.
    pub(crate) gone: Ms,
    /// Of so many messages in a thousand nobody knows what became.
    pub(crate) ambiguous: u64,
}

/// What really became of a message, and what the sender is told.
pub(crate) struct Fate {
    pub(crate) accepted: bool,
    pub(crate) answer: Delivery,
}

impl Channel {
    pub(crate) fn offer(&self, now: Ms, calm: bool, rng: &mut Rng) -> Fate {
        if now >= self.gone {
            return Fate { accepted: false, answer: Delivery::Never { problem: "404 no_team".into() } };
        }
        if calm {
            return Fate { accepted: true, answer: Delivery::Accepted };
        }
        if self.refuses.iter().any(|(from, to)| (*from..*to).contains(&now)) {
            let retry_after = rng.maybe(300, |rng| SignedDuration::from_secs(rng.within(0, 4000)));
            return Fate { accepted: false, answer: Delivery::Later { problem: "429".into(), retry_after } };
        }
        if rng.per_mille(self.ambiguous) {
            let answer = Delivery::Later { problem: "timed out".into(), retry_after: None };
            return Fate { accepted: rng.per_mille(500), answer };
        }
        Fate { accepted: true, answer: Delivery::Accepted }
    }
}
