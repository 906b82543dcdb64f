//! SQLite for servers.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::outbox::Item;
use tenko_core::{ChannelName, Slug};
use uuid::Uuid;

use super::columns::moment;
use super::decide::{self, Question, Refused};
use super::entries::{self, Stored};
use super::fresh::States;
use super::outbox::{self, Claim};
use super::{SqliteStore, addresses, nodes};
use crate::live::{Agenda, Attendance, By, Decide, Entry, Key, Live, Node, Settled, Wanted};
use crate::{Appended, ErrorKind, Result, StoreError};

impl SqliteStore {
    fn refuse(&self, refused: Refused) -> StoreError {
        let error =
            |kind, problem: &str| StoreError::new(kind, format!("{problem} {}", self.file.path().display()));
        match refused {
            Refused::Absent => error(ErrorKind::Unfit, "this node does not attend").hint(
                "its clock may have been set, or it was held up for a minute; it attends again by itself",
            ),
            Refused::Unreadable(source) => error(ErrorKind::Corrupt, "can't decide in").because(source),
            Refused::Panicked(said) => error(ErrorKind::Corrupt, "can't decide in").because(said),
        }
    }

    /// How often others had written when this store wrote last, or looked.
    async fn changes_by_others(&self) -> Result<u64> {
        self.writer.ask("look at", |desk| Ok(desk.known.changes())).await
    }
}

#[async_trait]
impl Live for SqliteStore {
    async fn decide(&self, by: By, wanted: Wanted, now: Timestamp, decide: Decide) -> Result<Vec<Appended>> {
        let mut question = Question { by, wanted, now, decide };
        let decided = self.writer.ask("decide in", move |desk| decide::decide(desk, &mut question)).await?;
        decided.map_err(|refused| self.refuse(refused))
    }

    /// One is written, and one waits for the end of that.
    fn at_once(&self) -> usize {
        2
    }

    async fn entries(&self, jobs: &[Slug]) -> Result<Vec<Entry>> {
        let jobs = jobs.to_vec();
        self.reading("read jobs in", move |connection| {
            let moment = connection.unchecked_transaction()?;
            let fresh = States::read(&moment)?;
            jobs.iter().map(|job| Stored::read(&moment, &fresh, job).map(|stored| stored.entry)).collect()
        })
        .await
    }

    async fn names(&self, after: Option<&Slug>, most: usize) -> Result<Vec<Slug>> {
        let after = after.map_or_else(String::new, ToString::to_string);
        self.reading("read jobs in", move |connection| entries::names(connection, &after, most)).await
    }

    async fn attend(&self, node: &Node, now: Timestamp, longest: SignedDuration) -> Result<Attendance> {
        let node = node.clone();
        self.writer.ask("attend in", move |desk| nodes::attend(desk, &node, now, longest)).await
    }

    async fn leave(&self, node: &Node, now: Timestamp) -> Result<()> {
        let node = node.clone();
        self.writer.ask("leave", move |desk| nodes::leave(desk, &node, now)).await
    }

    async fn attending(&self, now: Timestamp) -> Result<Vec<Node>> {
        self.reading("look who attends", move |connection| nodes::attending(connection, now)).await
    }

    async fn agenda(&self) -> Result<Agenda> {
        self.reading("look for what is next in", |connection| {
            let look = entries::next_look(connection)?.map(moment).transpose()?;
            Ok(Agenda { look, deliver: outbox::next_claim(connection)? })
        })
        .await
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep_until(self.watch.next_look()).await;
            let watch = Arc::clone(&self.watch);
            let looked = tokio::task::spawn_blocking(move || watch.looks_changed()).await;
            if looked.unwrap_or(false)
                && let Ok(changes) = self.changes_by_others().await
                && self.watch.is_news(changes)
            {
                return;
            }
        }
    }

    async fn ready_channels(&self, now: Timestamp) -> Result<Vec<ChannelName>> {
        self.reading("look for notices in", move |connection| outbox::ready_channels(connection, now)).await
    }

    async fn claim(
        &self,
        channel: &ChannelName,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Item>> {
        let (channel, claim) = (channel.clone(), Claim { holder, now, until, most });
        self.writer.ask("claim notices in", move |desk| outbox::claim(desk, &channel, claim)).await
    }

    async fn settle(&self, settled: &[Settled]) -> Result<Vec<bool>> {
        let settled = settled.to_vec();
        self.writer.ask("record deliveries in", move |desk| outbox::settle(desk, &settled)).await
    }

    async fn job_at(&self, address: Uuid) -> Result<Option<Slug>> {
        self.reading("look for an address in", move |connection| addresses::job_at(connection, address)).await
    }

    async fn addresses(&self, jobs: &[Slug], proposed: Option<Uuid>) -> Result<Vec<Uuid>> {
        let wanted = jobs.to_vec();
        let known = self
            .reading("look for addresses in", move |connection| {
                wanted
                    .iter()
                    .map(|job| addresses::address_of(connection, job))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        if let Some(all) = known.into_iter().collect() {
            return Ok(all);
        }
        let jobs = jobs.to_vec();
        let given =
            self.writer.ask("give addresses in", move |desk| addresses::give(desk, &jobs, proposed)).await?;
        given.map_err(|taken| {
            let problem = format!("the address {} is that of the job {}", taken.address, taken.by);
            StoreError::new(ErrorKind::Config, problem).hint("each job needs an address of its own")
        })
    }

    async fn keep_key(&self, key: &Key) -> Result<()> {
        let key = key.clone();
        self.writer.ask("keep a key in", move |desk| addresses::keep_key(desk.connection, &key)).await
    }

    async fn keys(&self) -> Result<Vec<Key>> {
        self.reading("read keys in", addresses::keys).await
    }

    async fn forget_key(&self, purpose: &str, name: &str) -> Result<bool> {
        let (purpose, name) = (purpose.to_owned(), name.to_owned());
        self.writer
            .ask("forget a key in", move |desk| addresses::forget_key(desk.connection, &purpose, &name))
            .await
    }
}
