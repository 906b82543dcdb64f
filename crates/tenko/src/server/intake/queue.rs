//! The way in for pings.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use tenko_core::Slug;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::collector::Collector;
use super::line::{Answer, Line, NoPlace, Waiting};
use super::{Addressee, Heard, Hears, Ping, Refusal};
use crate::server::desk::Desk;
use crate::server::hearing::Arrived;
use crate::server::recent::Recent;

/// When whoever finds the queue full may come again.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// So many addresses are remembered.
const ADDRESSES: usize = 100_000;

/// The way in.
#[derive(Debug)]
pub(in crate::server) struct Intake {
    desk: Arc<Desk>,
    line: Arc<Line>,
    addresses: Recent<Uuid, Slug>,
    lots: Lots,
}

/// Numbers that no other node draws, and none twice in a row.
#[derive(Debug, Default)]
struct Lots {
    seed: RandomState,
    drawn: AtomicU64,
}

impl Lots {
    fn draw(&self) -> u32 {
        let number = self.seed.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        (number >> 32) as u32
    }
}

/// How many jobs there are that the configuration does not know, as far as this node knows, and how many there may be.
#[derive(Debug)]
pub(in crate::server) struct Created {
    most: usize,
    known: AtomicUsize,
}

impl Created {
    pub(in crate::server) fn new(most: usize) -> Self {
        Self { most, known: AtomicUsize::new(0) }
    }

    /// Takes note of how many there are.
    pub(in crate::server) fn counted(&self, known: usize) {
        self.known.store(known, Ordering::Relaxed);
    }

    pub(super) fn one_more(&self) {
        self.known.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn may_be_more(&self, than: usize) -> bool {
        self.known.load(Ordering::Relaxed) + than < self.most
    }
}

/// Makes a queue for so many pings.
pub(in crate::server) fn queue(
    desk: &Arc<Desk>,
    length: usize,
    created: Arc<Created>,
) -> (Intake, Collector) {
    let line = Arc::new(Line::new(length));
    let collector = Collector::new(Arc::clone(desk), Arc::clone(&line), created);
    let (desk, addresses) = (Arc::clone(desk), Recent::new(ADDRESSES));
    (Intake { desk, line, addresses, lots: Lots::default() }, collector)
}

#[async_trait]
impl Hears for Intake {
    async fn hear(&self, ping: Ping) -> Answer {
        let status = &self.desk.status;
        let Some(job) = self.job(&ping.to).await? else {
            status.unknown.add(1);
            return Ok(Heard::Unknown);
        };
        let (answer, answered) = oneshot::channel();
        let bytes = size(&ping);
        let arrived = Arrived { job, ping, at: self.desk.now(), random: self.lots.draw() };
        // Before it is there, so that it is never counted down before it was counted up.
        status.waiting.add(1);
        if let Err(refused) = self.line.put(Waiting { arrived, answer, bytes }) {
            status.waiting.take(1);
            return Err(self.refusal(refused));
        }
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    async fn knows(&self, to: &Addressee) -> Result<bool, Refusal> {
        let Some(job) = self.job(to).await? else { return Ok(false) };
        let roster = &self.desk.roster;
        if roster.is_configured(&job) {
            return Ok(true);
        }
        let entries = self.desk.live().entries(std::slice::from_ref(&job)).await;
        let entries = entries.map_err(|error| Refusal::Store(Arc::new(error)))?;
        Ok(entries.first().is_some_and(|entry| roster.is_known(&job, entry)))
    }
}

impl Intake {
    async fn job(&self, to: &Addressee) -> Result<Option<Slug>, Refusal> {
        let address = match to {
            Addressee::Job(slug) => return Ok(Some(slug.clone())),
            Addressee::Address(address) => *address,
        };
        let configured = self.desk.roster.addressed(address).cloned();
        if let Some(slug) = configured.or_else(|| self.addresses.get(&address)) {
            return Ok(Some(slug));
        }
        let found = self.desk.live().job_at(address).await;
        let found = found.map_err(|error| Refusal::Store(Arc::new(error)))?;
        if let Some(slug) = &found {
            self.addresses.put(address, slug.clone());
        }
        Ok(found)
    }

    fn refusal(&self, refused: NoPlace) -> Refusal {
        match refused {
            NoPlace::Closed => Refusal::Stopping,
            NoPlace::Full => self.busy(),
        }
    }

    fn busy(&self) -> Refusal {
        self.desk.status.busy.add(1);
        Refusal::Busy { retry_after: RETRY_AFTER }
    }
}

/// How many bytes a ping takes while it waits, about.
fn size(ping: &Ping) -> usize {
    let output = ping.report.output.as_ref().map_or(0, |output| output.head.len() + output.tail.len());
    output + ping.text.as_ref().map_or(0, String::len) + ping.report.message.as_ref().map_or(0, String::len)
}
