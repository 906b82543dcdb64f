//! What reaches a server about jobs, by whatever protocol, and what is answered.

pub(super) mod collector;
mod line;
pub(super) mod queue;

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::{Exit, Report, Slug};
use tenko_store::StoreError;
use uuid::Uuid;

/// A ping, as any protocol hands it over. Whoever hands it over has checked that the sender may ping.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Whom it is about.
    pub to: Addressee,
    /// What it says.
    pub said: Said,
    /// The id that it gives the run, if it gives one. An end without one ends the run that is under way.
    pub rid: Option<Uuid>,
    /// Whether a job that is not known is to be created.
    pub create: bool,
    /// When it happened, if the sender says so; else it happened when it arrived.
    pub at: Option<Timestamp>,
    /// What else it tells.
    pub report: Report,
    /// The text in which the words of the job's rules are looked for, if it has such rules: the body of a request; of a mail the
    /// subject in the first line, and the text in the lines after it.
    pub text: Option<String>,
}

/// How a ping says whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addressee {
    /// By the UUID in its URL.
    Address(Uuid),
    /// By its name.
    Job(Slug),
}

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The run began.
    Start,
    /// The run ended well.
    Success,
    /// The run ended badly; how, if that is known.
    Fail(Option<Exit>),
    /// The run ended with this code; the job's `clean_exit` says whether that is well.
    Exit(u8),
    /// A remark.
    Log,
}

/// What became of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is stored.
    Recorded,
    /// It is stored, and its job was created.
    Created,
    /// The rules of its job say that it means nothing; it is stored as a remark.
    Ignored,
    /// There is no such job.
    Unknown,
}

/// Why nothing is known to have become of a ping: it may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// More wait for the disk than can be remembered.
    #[error("too many pings are waiting to be stored")]
    Busy {
        /// When to come again.
        retry_after: SignedDuration,
    },
    /// The server is about to end.
    #[error("the server is stopping")]
    Stopping,
    /// The store did not take it.
    #[error("the ping could not be stored")]
    Store(#[source] std::sync::Arc<StoreError>),
}

/// Hears pings.
#[async_trait]
pub trait Hears: Debug + Send + Sync {
    /// Hears a ping, and returns when what follows from it is stored.
    ///
    /// # Errors
    /// If it is not known to be stored; it may be sent again.
    async fn hear(&self, ping: Ping) -> Result<Heard, Refusal>;

    /// Says whether there is such a job. It is asked only of pings that are wrong otherwise, because that there is no such job is
    /// said first.
    ///
    /// # Errors
    /// If the store does not answer.
    async fn knows(&self, to: &Addressee) -> Result<bool, Refusal>;
}
