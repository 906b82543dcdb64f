//! PostgreSQL for servers.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::outbox::Item;
use tenko_core::{ChannelName, Slug};
use uuid::Uuid;

use super::decide::{Question, Refused};
use super::{PostgresStore, addresses, claims, entries, nodes};
use crate::live::{Agenda, Attendance, By, Decide, Entry, Key, Live, Node, Settled, Wanted};
use crate::{Appended, ErrorKind, Result, StoreError};

impl PostgresStore {
    fn refuse(&self, refused: Refused) -> StoreError {
        let shown = &self.connections.address().shown;
        match refused {
            Refused::Absent => {
                StoreError::new(ErrorKind::Unfit, format!("this node does not attend {shown}")).hint(
                    "its clock may have been set, or it was held up for a minute; it attends again by itself",
                )
            }
            Refused::Panicked(said) => {
                StoreError::new(ErrorKind::Corrupt, format!("can't decide in {shown}")).because(said)
            }
        }
    }
}

fn in_order(jobs: &[Slug], of: &HashMap<Slug, Uuid>) -> Option<Vec<Uuid>> {
    jobs.iter().map(|job| of.get(job).copied()).collect()
}

#[async_trait]
impl Live for PostgresStore {
    async fn decide(&self, by: By, wanted: Wanted, now: Timestamp, decide: Decide) -> Result<Vec<Appended>> {
        let (known, bell) = (&self.known, &self.bell);
        let question = Question { by, wanted, now, decide, known, bell, attends: false };
        let decided = self.connections.write("decide in", question).await?;
        decided.map(|answer| answer.appended).map_err(|refused| self.refuse(refused))
    }

    /// While one waits for the disk, another is on its way. More would make each of them smaller.
    fn at_once(&self) -> usize {
        2
    }

    async fn entries(&self, jobs: &[Slug]) -> Result<Vec<Entry>> {
        self.connections.look("read jobs in", entries::Entries { jobs, known: &self.known }).await
    }

    async fn names(&self, after: Option<&Slug>, most: usize) -> Result<Vec<Slug>> {
        self.connections.look("read jobs in", entries::Names { after, most }).await
    }

    async fn attend(&self, node: &Node, now: Timestamp, longest: SignedDuration) -> Result<Attendance> {
        self.connections.write("attend", nodes::Attend { node, now, longest }).await
    }

    async fn leave(&self, node: &Node, now: Timestamp) -> Result<()> {
        self.connections.write("leave", nodes::Leave { node, now }).await
    }

    async fn agenda(&self) -> Result<Agenda> {
        self.connections.look("look for what is next in", entries::Next).await
    }

    async fn changed(&self) {
        self.bell.heard().await;
    }

    async fn ready_channels(&self, now: Timestamp) -> Result<Vec<ChannelName>> {
        self.connections.look("look for notices in", claims::Ready(now)).await
    }

    async fn claim(
        &self,
        channel: &ChannelName,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Item>> {
        let claim = claims::Claim { channel, holder, now, until, most };
        self.connections.write("claim notices in", claim).await
    }

    async fn settle(&self, settled: &[Settled]) -> Result<Vec<bool>> {
        self.connections.write("record deliveries in", claims::Settle(settled)).await
    }

    async fn job_at(&self, address: Uuid) -> Result<Option<Slug>> {
        self.connections.look("look for an address in", addresses::JobAt(address)).await
    }

    async fn addresses(&self, jobs: &[Slug], proposed: Option<Uuid>) -> Result<Vec<Uuid>> {
        let known = self.connections.look("look for addresses in", addresses::Addresses(jobs)).await?;
        if let Some(all) = in_order(jobs, &known) {
            return Ok(all);
        }
        let given = self.connections.write("give addresses in", addresses::Give { jobs, proposed }).await?;
        let given = given.map_err(|taken| {
            let problem = format!("the address {} is that of the job {}", taken.address, taken.by);
            StoreError::new(ErrorKind::Config, problem).hint("each job needs an address of its own")
        })?;
        Ok(in_order(jobs, &given).unwrap_or_default())
    }

    async fn keep_key(&self, key: &Key) -> Result<()> {
        self.connections.write("keep a key in", addresses::KeepKey(key)).await
    }

    async fn keys(&self) -> Result<Vec<Key>> {
        self.connections.look("read keys in", addresses::Keys).await
    }

    async fn forget_key(&self, purpose: &str, name: &str) -> Result<bool> {
        self.connections.write("forget a key in", addresses::ForgetKey { purpose, name }).await
    }
}
