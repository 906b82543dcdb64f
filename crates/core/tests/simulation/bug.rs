//! Bugs planted on purpose, to see that the simulation would catch them.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    LostCommitTakenForWon,
}
