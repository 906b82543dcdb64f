//! Stores of which all that is kept can be taken to another: for backups, and for moving from one kind to another.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::outbox::Item;
use tenko_core::state::{Flip, Missed};
use tenko_core::{Declaration, Evidence, JobState, Roll, Slug};
use uuid::Uuid;

use crate::Result;
use crate::live::Key;

/// One of the things that a store keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// What of the roll belongs to no job and no notice: states, declarations and outbox are empty. The cursor is empty,
    /// too: it means something to the store only that gave it.
    Roll(Roll),
    /// When a server was last there to hear pings.
    Attended(Timestamp),
    /// What is kept of a job.
    Job {
        /// Which job.
        job: Slug,
        /// Its state.
        state: Option<JobState>,
        /// What it said of itself.
        declaration: Option<Declaration>,
        /// When it has to be looked at.
        wake_at: Option<Timestamp>,
    },
    /// A notice that is still to be delivered, or could not be.
    Notice(Item),
    /// The UUID under which a job is pinged.
    Address {
        /// Which job.
        job: Slug,
        /// The UUID.
        address: Uuid,
    },
    /// A key.
    Key(Key),
    /// A change of verdict.
    Flip {
        /// Of which job.
        job: Slug,
        /// The change.
        flip: Flip,
    },
    /// A due that nobody answered in time.
    Missed {
        /// Of which job.
        job: Slug,
        /// The due.
        missed: Missed,
    },
    /// A piece of evidence, with its report and the moment at which it was received.
    Evidence {
        /// The evidence.
        evidence: Evidence,
        /// Whether a server or a roll call has heard it.
        heard: bool,
    },
}

/// Takes what a store gives out.
pub type Taker = Box<dyn FnMut(Piece) -> Result<()> + Send>;

/// What is put into a store, piece by piece.
pub type Pieces = Box<dyn Iterator<Item = Result<Piece>> + Send>;

/// A store of which all that is kept can be taken elsewhere.
#[async_trait]
pub trait Portable: Debug + Send + Sync {
    /// Gives out all that is kept as of one moment, whoever writes meanwhile: notices in the order in which they are to be
    /// delivered, evidence in the order in which it was received, flips and missed dues of a job in theirs. An error of
    /// the taker ends it.
    async fn export(&self, taker: Taker) -> Result<()>;

    /// Puts all of it into the store, in one transaction: in the end all of it is there and durable, or nothing is.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the store is not empty; the first error among the pieces.
    async fn import(&self, pieces: Pieces) -> Result<()>;
}
