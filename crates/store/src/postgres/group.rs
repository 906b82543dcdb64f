//! Group commit: whatever has arrived while the database was busy becomes one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use tenko_core::Evidence;
use tokio::sync::oneshot;

use super::adding::Append;
use super::bell::Bell;
use super::connection::Connections;
use super::known::Known;
use crate::{Appended, ErrorKind, Result, StoreError};

/// The most evidence that becomes one transaction, unless one caller brings more.
const GROUP: usize = 1_000;
const DOING: &str = "add evidence to";

/// What waits to be added.
#[derive(Debug)]
pub(super) struct Group {
    connections: Arc<Connections>,
    bell: Arc<Bell>,
    known: Arc<Known>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    parcels: Vec<Parcel>,
    /// Whether somebody is writing, who will see what comes meanwhile.
    written: bool,
}

/// Evidence of one caller, and whom to tell what came of it.
#[derive(Debug)]
struct Parcel {
    evidence: Vec<Evidence>,
    answer: oneshot::Sender<Result<Vec<Appended>>>,
}

impl Group {
    /// Nothing waits.
    pub(super) fn new(connections: Arc<Connections>, bell: Arc<Bell>, known: Arc<Known>) -> Self {
        Self { connections, bell, known, waiting: Mutex::default() }
    }

    /// Adds evidence together with that of others.
    pub(super) async fn append(self: &Arc<Self>, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        let (answer, answered) = oneshot::channel();
        self.put(Parcel { evidence: evidence.to_vec(), answer });
        let shown = &self.connections.address().shown;
        let gone =
            |_| StoreError::new(ErrorKind::Unavailable, format!("can't {DOING} {shown}: nobody answered"));
        self.connections.in_time(DOING, async { answered.await.map_err(gone)? }).await
    }

    fn put(self: &Arc<Self>, parcel: Parcel) {
        let mut waiting = self.waiting();
        waiting.parcels.push(parcel);
        if !waiting.written {
            waiting.written = true;
            tokio::spawn(Arc::clone(self).write_all());
        }
    }

    async fn write_all(self: Arc<Self>) {
        // If this is dropped with its runtime, the next runtime begins anew.
        let mut writing = Writing { of: &self, is_under_way: true };
        while let Some(parcels) = self.next() {
            self.write(parcels).await;
        }
        writing.is_under_way = false;
    }

    /// What is written next; if there is nothing, nobody is writing any more.
    fn next(&self) -> Option<Vec<Parcel>> {
        let mut waiting = self.waiting();
        let mut count = 0;
        let fits = |parcel: &Parcel| {
            count += parcel.evidence.len();
            count <= GROUP
        };
        let most = waiting.parcels.iter().map(fits).take_while(|fits| *fits).count().max(1);
        let most = most.min(waiting.parcels.len());
        if most == 0 {
            waiting.written = false;
            return None;
        }
        Some(waiting.parcels.drain(..most).collect())
    }

    /// Writes in one transaction. If that fails for a reason that need not concern all, each stands alone.
    async fn write(&self, parcels: Vec<Parcel>) {
        let all: Vec<Evidence> = parcels.iter().flat_map(|parcel| parcel.evidence.iter().cloned()).collect();
        match self.add(&all).await {
            Ok(mut answers) => {
                for parcel in parcels {
                    let rest = answers.split_off(parcel.evidence.len());
                    // Whoever does not wait any more is not told.
                    drop(parcel.answer.send(Ok(std::mem::replace(&mut answers, rest))));
                }
            }
            Err(problem) if parcels.len() > 1 && !concerns_all(&problem) => {
                for parcel in parcels {
                    let answer = self.add(&parcel.evidence).await;
                    drop(parcel.answer.send(answer));
                }
            }
            Err(problem) => {
                parcels.into_iter().for_each(|parcel| drop(parcel.answer.send(Err(problem.again()))));
            }
        }
    }

    async fn add(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.connections.write(DOING, Append { evidence, bell: &self.bell, known: &self.known }).await
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writing<'g> {
    of: &'g Group,
    is_under_way: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.is_under_way {
            let mut waiting = self.of.waiting();
            // Nobody is left who would write what waits: whoever brought it is told by that.
            waiting.written = false;
            waiting.parcels.clear();
        }
    }
}

/// Whether a group would fare no better one by one: it would only wait as often as it has parts.
fn concerns_all(problem: &StoreError) -> bool {
    !matches!(problem.kind(), ErrorKind::Corrupt | ErrorKind::Full | ErrorKind::Unfit)
}
