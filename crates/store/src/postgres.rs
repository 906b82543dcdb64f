//! `postgres://`: a database that several servers share.
//!
//! Whatever has arrived while the database was busy becomes one transaction (group commit), and nobody is answered before
//! that is on disk. Nothing waits for ever, whatever the database does: each call ends within 15 s.

mod adding;
mod address;
mod addresses;
mod bell;
mod bringing;
mod claims;
mod clock;
mod columns;
mod connection;
mod decide;
mod entries;
mod error;
mod evidence;
mod group;
mod known;
mod live;
mod nodes;
mod outbox;
#[cfg(feature = "testkit")]
pub mod plans;
mod portable;
mod rolls;
mod schema;
mod states;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

use crate::live::Live;
use crate::portable::Portable;
use crate::{Appended, Commit, ErrorKind, Facts, News, Result, Snapshot, Store, StoreError};
use bell::Bell;
use clock::Clock;
use connection::Connections;
use group::Group;
use known::Known;

pub(crate) use address::Address;

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Arc<Connections>,
    group: Arc<Group>,
    bell: Arc<Bell>,
    known: Arc<Known>,
    clock: Clock,
}

impl PostgresStore {
    /// The store that a URL names. Nobody is asked yet: whoever connects first makes the tables.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is wrong.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self::at(Address::parse(url)?))
    }

    /// The version of the tables, 0 if there are none, and the one that this Tenko writes. Nothing is changed.
    ///
    /// # Errors
    /// As of any store.
    pub async fn versions(&self) -> Result<(i32, i32)> {
        let mut connection = self.connections.connect_as_it_is("look at the tables in").await?;
        schema::versions(&mut connection, self.connections.address()).await
    }

    pub(crate) fn at(address: Address) -> Self {
        let connections = Arc::new(Connections::new(address));
        let bell = Arc::new(Bell::new(connections.address()));
        let known = Arc::new(Known::default());
        let group = Group::new(Arc::clone(&connections), Arc::clone(&bell), Arc::clone(&known));
        Self { group: Arc::new(group), connections, bell, known, clock: Clock::default() }
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn url(&self) -> String {
        self.connections.address().shown.clone()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.group.append(evidence).await
    }

    async fn news(&self, since: &Cursor, _now: Timestamp) -> Result<News> {
        self.connections.look("read new evidence in", evidence::Newer { since, clock: &self.clock }).await
    }

    fn answered_at(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        self.connections.look("read evidence in", evidence::Between { job, from, to }).await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.connections.look("read evidence in", evidence::Oldest).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        let found = self.connections.look("read evidence in", evidence::Whole(evidence)).await?;
        found.ok_or_else(|| {
            let Evidence { job, run, kind, .. } = evidence;
            StoreError::new(
                ErrorKind::Missing,
                format!("{kind} of run {run} of {job} is not in {}", self.url()),
            )
        })
    }

    async fn load(&self) -> Result<Snapshot> {
        self.connections.look("read the roll in", rolls::Load(&self.clock)).await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        self.connections.write("commit to", rolls::Replace { base, roll, changes }).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.connections.look("read facts in", rolls::Past { job, limit }).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut all = 0;
        loop {
            let removed = self.connections.write("prune", rolls::Prune(before)).await?;
            all += removed;
            if removed == 0 {
                return Ok(all);
            }
        }
    }

    fn live(&self) -> Option<&dyn Live> {
        Some(self)
    }

    fn portable(&self) -> Option<&dyn Portable> {
        Some(self)
    }
}
