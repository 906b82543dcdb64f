//! `postgres://`: a database that several servers share.
//!
//! Whatever has arrived while the database was busy becomes one transaction (group commit), and nobody is answered before
//! that is on disk. Nothing waits for ever, whatever the database does: each call ends within 15 s.

mod adding;
mod address;
mod columns;
mod connection;
mod error;
mod evidence;
mod group;
mod outbox;
mod rolls;
mod schema;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};

use crate::{Appended, Commit, ErrorKind, Facts, News, Result, Snapshot, Store, StoreError};
use connection::Connections;
use group::Group;

pub(crate) use address::Address;

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Arc<Connections>,
    group: Arc<Group>,
}

impl PostgresStore {
    /// The store that a URL names. Nobody is asked yet: whoever connects first makes the tables.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is wrong.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self::at(Address::parse(url)?))
    }

    pub(crate) fn at(address: Address) -> Self {
        let connections = Arc::new(Connections::new(address));
        Self { group: Arc::new(Group::new(Arc::clone(&connections))), connections }
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
        self.connections.look("read new evidence in", evidence::Newer(since)).await
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        self.connections.look("read evidence in", evidence::Between { job, from, to }).await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.connections.look("read evidence in", evidence::Oldest).await
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        let found = self.connections.look("read evidence in", evidence::Read(evidence)).await?;
        found.ok_or_else(|| {
            let Evidence { job, run, kind, .. } = evidence;
            StoreError::new(
                ErrorKind::Missing,
                format!("{kind} of run {run} of {job} is not in {}", self.url()),
            )
        })
    }

    async fn load(&self) -> Result<Snapshot> {
        self.connections.look("read the roll in", rolls::Load).await
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
}
