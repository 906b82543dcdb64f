//! What the thread that writes remembers of the file, so that it need not read it again for each piece of evidence.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::Timestamp;
use rusqlite::Connection;
use tenko_core::{JobState, Slug, Via};
use uuid::Uuid;

use super::entries::Stored;
use super::evidence;
use super::fresh::Fresh;

/// How many jobs, and how many of anything else, are remembered.
const MOST: usize = 8_192;

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Changes when somebody else wrote to the file: `pragma data_version`.
    version: Option<i64>,
    /// How often that was so.
    changes: u64,
    /// Whether the version of the roll was raised in this transaction.
    raised: bool,
    /// Numbers of jobs; they never change.
    ids: HashMap<Slug, i64>,
    /// Numbers of ways in which pings come; they never change.
    via: HashMap<Via, i64>,
    /// What is kept of jobs.
    jobs: HashMap<Slug, Stored>,
    /// States that are not in their table yet.
    fresh: Fresh,
    /// Nodes, and when they were seen.
    nodes: HashMap<Uuid, Timestamp>,
}

impl Known {
    /// Begins a transaction: what others may have changed is forgotten.
    pub(super) fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut version = connection.prepare_cached("pragma data_version")?;
        let version = Some(version.query_row([], |row| row.get(0))?);
        if version != self.version {
            self.version = version;
            self.changes += 1;
            self.forget();
        }
        self.raised = false;
        self.fresh.begin(connection)
    }

    /// Ends a transaction.
    pub(super) fn end(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.fresh.keep(connection)
    }

    /// Puts all states into their table: whoever writes one there does this first.
    pub(super) fn settle(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.fresh.settle(connection)
    }

    /// Keeps the state of a job that has a row in the table of states.
    pub(super) fn keep_state(&mut self, job: i64, state: &JobState) -> rusqlite::Result<()> {
        self.fresh.put(job, state)
    }

    /// Forgets everything, because a transaction failed.
    pub(super) fn forget_all(&mut self) {
        *self = Self { changes: self.changes, ..Self::default() };
    }

    /// Forgets what decisions are based on.
    pub(super) fn forget(&mut self) {
        self.jobs.clear();
        self.nodes.clear();
    }

    /// How often others were seen to have written.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Raises the version of the roll, once in a transaction: roll calls under way lose.
    pub(super) fn raise_version(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.raised {
            connection.prepare_cached("update roll set version = version + 1")?.execute([])?;
            self.raised = true;
        }
        Ok(())
    }

    /// The number of a job, a new one if it is new.
    pub(super) fn job_id(&mut self, connection: &Connection, job: &Slug) -> rusqlite::Result<i64> {
        if let Some(id) = self.ids.get(job) {
            return Ok(*id);
        }
        let id = evidence::job_id(connection, job)?;
        remember(&mut self.ids, job.clone(), id);
        Ok(id)
    }

    /// The number of a way in which pings come, a new one if it is new.
    pub(super) fn via_id(&mut self, connection: &Connection, via: &Via) -> rusqlite::Result<i64> {
        if let Some(id) = self.via.get(via) {
            return Ok(*id);
        }
        let id = evidence::via_id(connection, via)?;
        remember(&mut self.via, via.clone(), id);
        Ok(id)
    }

    /// What is kept of a job.
    pub(super) fn job(&mut self, connection: &Connection, job: &Slug) -> rusqlite::Result<&Stored> {
        if !self.jobs.contains_key(job) {
            let stored = Stored::read(connection, self.fresh.states(), job)?;
            remember(&mut self.jobs, job.clone(), stored);
        }
        Ok(&self.jobs[job])
    }

    /// What was kept of a job, which is no longer known then.
    pub(super) fn take_job(&mut self, connection: &Connection, job: &Slug) -> rusqlite::Result<Stored> {
        let known = self.jobs.remove(job);
        known.map_or_else(|| Stored::read(connection, self.fresh.states(), job), Ok)
    }

    /// Remembers what is kept of a job now.
    pub(super) fn keep_job(&mut self, job: Slug, stored: Stored) {
        remember(&mut self.jobs, job, stored);
    }

    /// Forgets a job, because something of it was written past it.
    pub(super) fn forget_job(&mut self, job: &Slug) {
        self.jobs.remove(job);
    }

    /// When a node was seen, if that was noted here.
    pub(super) fn seen(&self, node: Uuid) -> Option<Timestamp> {
        self.nodes.get(&node).copied()
    }

    /// Remembers when a node was seen.
    pub(super) fn saw(&mut self, node: Uuid, at: Timestamp) {
        remember(&mut self.nodes, node, at);
    }
}

/// Of what is used again and again, all is soon there again.
fn remember<K: Eq + Hash, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, value);
}
