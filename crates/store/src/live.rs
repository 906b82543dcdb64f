//! Stores that servers keep: each job is judged by itself, in the transaction that stores its evidence.
//!
//! A roll call reads the whole roll and replaces it; that is right for a bucket, and for a checker that comes by. A server
//! that hears thousands of pings a second, for a million jobs, needs the same promises job by job: what was decided about a
//! job follows from what the transaction itself has read of it, so that of several nodes none decides on something that
//! another has changed meanwhile, and evidence, verdict and notices are there together or not at all.
//!
//! Servers and checkers do not decide side by side: while a node attends, [`Store::commit`] is refused
//! ([`Commit::Kept`](crate::Commit::Kept)), and a node that did not attend for a while decides nothing before it attends again.

use std::fmt::Debug;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::judge::Gap;
use tenko_core::outbox::Item;
use tenko_core::state::{Flip, Missed};
use tenko_core::{ChannelName, Declaration, Evidence, JobState, Slug};
use uuid::Uuid;

use crate::{Result, Store};

/// How long after it was last seen a node counts as attending.
pub const ATTENDS_FOR: SignedDuration = SignedDuration::from_secs(60);

/// What is kept of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Its state; `None` before it was judged for the first time.
    pub state: Option<JobState>,
    /// What it, or whoever created it, said of it.
    pub declaration: Option<Declaration>,
    /// Its notices in the outbox, oldest first, those that could not be delivered among them.
    pub items: Vec<Item>,
}

impl Entry {
    /// Whether nothing is kept of the job.
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.declaration.is_none() && self.items.is_empty()
    }
}

/// About which jobs is decided.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// About these, whether anything is kept of them or not.
    Jobs(Vec<Slug>),
    /// About those that are named when the transaction has begun.
    Latest(Naming),
    /// About jobs that have to be looked at by a moment ([`Kept::wake_at`]), the earliest first, at most so many. Those at
    /// which another node is just looking are passed over.
    Due {
        /// The moment.
        by: Timestamp,
        /// How many at most.
        most: usize,
    },
    /// About jobs of which evidence is stored that no server has heard, because somebody else added it by
    /// [`Store::append`]. It counts as heard when this is done. While another hears some of it, that is waited for: when
    /// there is none any more, all of it has been judged.
    Unheard {
        /// How many pieces of evidence at most.
        most: usize,
    },
}

/// Names jobs, and says what is now: when a transaction begins, and once more each time that it is begun anew. What has
/// arrived while the store was busy with others is among them.
#[derive(Clone)]
pub struct Naming(Arc<NameThem>);

type NameThem = dyn Fn() -> (Vec<Slug>, Timestamp) + Send + Sync;

impl Naming {
    /// Names them so. That should not take long: others may wait for the store meanwhile.
    pub fn new(name: impl Fn() -> (Vec<Slug>, Timestamp) + Send + Sync + 'static) -> Self {
        Self(Arc::new(name))
    }

    /// The jobs, and what is now.
    pub fn name(&self) -> (Vec<Slug>, Timestamp) {
        (self.0)()
    }
}

impl Debug for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Naming")
    }
}

/// What there is to decide on, as the transaction has read it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The jobs, each once, sorted by name.
    pub entries: Vec<(Slug, Entry)>,
    /// The evidence that no server has heard, with declarations and reports, in the order in which it was added; only for
    /// [`Wanted::Unheard`].
    pub unheard: Vec<Evidence>,
}

/// What was decided, to be stored together.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// Evidence to be added. Each piece of which the run and kind are known already stays as it is stored.
    pub evidence: Vec<Evidence>,
    /// What is to be kept of jobs from now on. Jobs that are not named stay as they are.
    pub kept: Vec<Kept>,
    /// Changes of verdict, in order.
    pub flips: Vec<(Slug, Flip)>,
    /// Dues that nobody answered in time.
    pub missed: Vec<(Slug, Missed)>,
}

/// What is to be kept of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Which job.
    pub job: Slug,
    /// All of it. An empty one forgets the job; its evidence and the facts about it stay.
    pub entry: Entry,
    /// When [`Wanted::Due`] is to find it; never, if `None`. It is found at most a millisecond later. If it was to be found
    /// a little earlier before, it may still be found then, to be put off again.
    pub wake_at: Option<Timestamp>,
}

/// Decides. Called inside a transaction, which may be begun anew: it must not do anything but decide, and what it told
/// somebody before counts no more. It is called, too, if there is nothing to decide on.
pub type Decide = Box<dyn FnMut(Case) -> Decided + Send>;

/// Asks what is decided. What a panic said, if it panicked.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn ask(decide: &mut Decide, case: Case) -> std::result::Result<Decided, String> {
    catch_unwind(AssertUnwindSafe(|| decide(case))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
    })
}

/// A server, as one of those who keep a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Another one at each start.
    pub id: Uuid,
    /// For people: host and address.
    pub name: String,
}

/// Who attends, and what was found out by that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendance {
    /// When it was noted, by the clock of the database, where that is another than that of this machine.
    pub store_time: Option<Timestamp>,
    /// The names of the others that attend.
    pub others: Vec<String>,
    /// When intake was away, oldest first.
    pub gaps: Vec<Gap>,
    /// The gap that was found just now: nobody attended from its beginning to its end.
    pub found: Option<Gap>,
}

/// The next moments at which there is something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// When a job has to be looked at.
    pub look: Option<Timestamp>,
    /// When a notice can be claimed.
    pub deliver: Option<Timestamp>,
}

/// What became of a notice that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The item, as it was claimed.
    pub claimed: Item,
    /// The item as it is to be kept; `None` if the channel accepted it.
    pub now: Option<Item>,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A node, which has to attend.
    Node(Uuid),
    /// A tool that somebody started: to pause a job, say. Roll calls under way lose.
    Tool,
}

/// A store that servers can keep. All times are given by the caller, so that nodes agree on one clock.
#[async_trait]
pub trait Live: Store + Debug {
    /// Decides about jobs in one transaction, and returns when it is on disk. Whatever goes wrong, all of it is there or
    /// nothing. `now` is when evidence counts as received, unless it is said later ([`Wanted::Latest`]). Says of each piece
    /// of evidence whether it was added. Roll calls under way lose if anything is kept of a job.
    ///
    /// # Errors
    /// As for any store; [`ErrorKind::Unfit`](crate::ErrorKind::Unfit) if `by` is a node that does not attend (any more);
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if deciding panicked, or if what is kept of one of the jobs can't
    /// be understood. Of jobs that are due such a one is left out, and sleeps.
    async fn decide(
        &self,
        by: By,
        wanted: Wanted,
        now: Timestamp,
        decide: Decide,
    ) -> Result<Vec<crate::Appended>>;

    /// How many decisions it pays to have under way at once: while one is being written, others can wait for their turn, or
    /// are written beside it.
    fn at_once(&self) -> usize;

    /// What is kept of these jobs, in the same order; an empty entry for those of which nothing is kept.
    async fn entries(&self, jobs: &[Slug]) -> Result<Vec<Entry>>;

    /// The names of jobs of which something is kept, sorted, after `after`, at most so many: all of them, page by page.
    async fn names(&self, after: Option<&Slug>, most: usize) -> Result<Vec<Slug>>;

    /// Notes that `node` is there. If nobody was for longer than `longest`, that is a gap of intake, which is noted too.
    async fn attend(&self, node: &Node, now: Timestamp, longest: SignedDuration) -> Result<Attendance>;

    /// Notes that `node` will not be there any more.
    async fn leave(&self, node: &Node, now: Timestamp) -> Result<()>;

    /// The nodes that attend, in the order of their ids. Changes nothing.
    async fn attending(&self, now: Timestamp) -> Result<Vec<Node>>;

    /// What is to be done next.
    async fn agenda(&self) -> Result<Agenda>;

    /// Returns when something may have been changed by others: evidence that nobody has heard, a job, a notice. It may
    /// also return for no reason, and may miss a change: look at least every few seconds.
    async fn changed(&self);

    /// The channels for which something can be claimed at `now`.
    async fn ready_channels(&self, now: Timestamp) -> Result<Vec<ChannelName>>;

    /// Claims the oldest notices to `channel` that can be sent at `now`, at most so many, for `holder`, until `until`. Of
    /// each job only the oldest is claimed, so that alarm and recovery keep their order. What others are just claiming is
    /// passed over. They come back as they are kept now: claimed, and tried once more than before.
    async fn claim(
        &self,
        channel: &ChannelName,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Item>>;

    /// Records what became of notices that were claimed; says of each whether the claim was still held. If it was not,
    /// somebody else may have sent the notice too: what a channel accepted is let go of all the same, anything else of it
    /// stays as it is. Of notices to one channel that could not be delivered
    /// [`MAX_DEAD`](tenko_core::outbox::MAX_DEAD) are kept, the newest.
    async fn settle(&self, settled: &[Settled]) -> Result<Vec<bool>>;

    /// The job at an address: a UUID that stands in the URLs under which it is pinged.
    async fn job_at(&self, address: Uuid) -> Result<Option<Slug>>;

    /// The addresses of jobs, in the same order. A job that has none is given one: that of `proposed`, or a random one
    /// (`UUIDv4`). Who has one keeps it, whatever is proposed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if another job has the proposed address, or several are in want of it.
    async fn addresses(&self, jobs: &[Slug], proposed: Option<Uuid>) -> Result<Vec<Uuid>>;

    /// Keeps a key: what it is for, its name, and the SHA-256 of it. One of the same purpose and name is replaced.
    async fn keep_key(&self, key: &Key) -> Result<()>;

    /// All keys that are kept.
    async fn keys(&self) -> Result<Vec<Key>>;

    /// Forgets a key. Says whether there was one.
    async fn forget_key(&self, purpose: &str, name: &str) -> Result<bool>;
}

/// A key as it is kept: nobody can use it who can read the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it opens: `ping`.
    pub purpose: String,
    /// How people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// When it was made.
    pub made_at: Timestamp,
}
