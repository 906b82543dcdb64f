//! States that are newer than those in their table.
//!
//! With each ping the state of its job changes, and each of those lies in another page. Written into one row for all jobs
//! of a transaction, they take a small part of that; a job that is pinged often is then written into its own place once
//! instead of many times. They are read with those in the table, so that all see the same.
//!
//! When enough has gathered, each transaction moves some of it into the table, so that none takes long.

use std::collections::HashMap;
use std::io::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use tenko_core::JobState;

use super::error::damaged;
use super::rolls::add_json;
use crate::stored::{compress_quickly, decompress};

/// How long the rows may get, in bytes before they are compressed: whoever reads a state reads all of them. In tests it is
/// short enough to happen.
pub(super) const MOST: usize = if cfg!(test) { 32 << 10 } else { 2 << 20 };
/// How long they are when they begin to be moved.
const MANY: usize = MOST / 2;
/// How many states are moved for each that is added: they are all moved before as many have come again.
const MOVED_FOR_EACH: usize = 2;

const MOVE: &str = "update states set state = ?2 where job = ?1";

/// States that are not in their table yet.
#[derive(Debug, Default)]
pub(super) struct States {
    /// The newest of each job, by its number, as JSON.
    newest: HashMap<i64, Box<str>>,
    /// The same of those that are being moved, of jobs that may have a newer one.
    older: HashMap<i64, Box<str>>,
    /// How long the rows are in which they are.
    pub(super) length: usize,
}

impl States {
    /// Reads all of them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut select = connection.prepare_cached("select states from fresh order by number")?;
        let (mut rows, mut states) = (select.query([])?, Self::default());
        while let Some(row) = rows.next()? {
            let text = decompress(row.get_ref(0)?.as_blob().map_err(damaged)?).map_err(damaged)?;
            states.length += text.len();
            for line in std::str::from_utf8(&text).map_err(damaged)?.lines() {
                let (job, state) = line.split_once(' ').ok_or_else(|| damaged("a state without a job"))?;
                states.newest.insert(job.parse().map_err(damaged)?, state.into());
            }
        }
        Ok(states)
    }

    /// The newest state of a job, of which a row of the table of states was read: where its number is, and where its state.
    pub(super) fn newest<'a>(
        &'a self,
        row: &'a Row<'_>,
        job: usize,
        state: usize,
    ) -> rusqlite::Result<ValueRef<'a>> {
        let job = row.get(job)?;
        match self.newest.get(&job).or_else(|| self.older.get(&job)) {
            Some(newest) => Ok(ValueRef::Text(newest.as_bytes())),
            None => row.get_ref(state),
        }
    }
}

/// What is in the rows. Nothing else may write them while this is used in a transaction.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// All of them, those that this transaction decided too.
    states: States,
    /// The number of the last row.
    last: Option<i64>,
    /// The row that this transaction writes.
    row: Vec<u8>,
    /// How many states are in it.
    added: usize,
    /// How far those have come that are being moved, if any are.
    moving: Option<Moving>,
}

/// Rows of which the states are moved into their table.
#[derive(Debug)]
struct Moving {
    /// The number of the last of them.
    up_to: i64,
    /// How long they are.
    length: usize,
    /// The jobs of which the states are still to be moved, in the order in which those lie.
    jobs: std::vec::IntoIter<i64>,
}

impl Fresh {
    /// Begins a transaction: reads what others have changed.
    pub(super) fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut last = connection.prepare_cached("select max(number) from fresh")?;
        let last: Option<i64> = last.query_row([], |row| row.get(0))?;
        if last != self.last {
            *self = Self { states: States::read(connection)?, last, ..Self::default() };
        }
        Ok(())
    }

    /// All of them.
    pub(super) fn states(&self) -> &States {
        &self.states
    }

    /// Takes a state that was decided. The job must have a row in the table of states.
    pub(super) fn put(&mut self, job: i64, state: &JobState) -> rusqlite::Result<()> {
        let before = self.row.len();
        write!(self.row, "{job} ").map_err(damaged)?;
        let state = add_json(&mut self.row, state);
        self.states.newest.insert(job, std::str::from_utf8(&self.row[state]).map_err(damaged)?.into());
        self.row.push(b'\n');
        self.states.length += self.row.len() - before;
        self.added += 1;
        Ok(())
    }

    /// Ends a transaction: what was taken is written, and some of what has gathered is moved.
    pub(super) fn keep(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.row.is_empty() {
            return Ok(());
        }
        // As when several processes write in turn, each of which begins to move anew.
        if self.states.length > MOST {
            return self.settle(connection);
        }
        let row = compress_quickly(&self.row).map_err(damaged)?;
        self.row.clear();
        let mut insert = connection.prepare_cached("insert into fresh (states) values (?1)")?;
        let last = insert.insert([row])?;
        self.last = Some(last);
        if self.moving.is_none() && self.states.length > MANY {
            self.begin_to_move(last);
        }
        let added = std::mem::take(&mut self.added);
        self.move_some(connection, added * MOVED_FOR_EACH)
    }

    fn begin_to_move(&mut self, up_to: i64) {
        self.states.older = std::mem::take(&mut self.states.newest);
        let mut jobs: Vec<i64> = self.states.older.keys().copied().collect();
        jobs.sort_unstable();
        self.moving = Some(Moving { up_to, length: self.states.length, jobs: jobs.into_iter() });
    }

    /// Moves so many states. When all have been moved, the rows go in which they were.
    fn move_some(&mut self, connection: &Connection, most: usize) -> rusqlite::Result<()> {
        let Some(moving) = &mut self.moving else { return Ok(()) };
        let States { newest, older, length } = &mut self.states;
        // One of which a newer state has come is found with that in a later row.
        let mut jobs = moving.jobs.by_ref().filter(|job| !newest.contains_key(job));
        for _ in 0..most {
            let Some(job) = jobs.next() else {
                *length -= moving.length;
                older.clear();
                let mut delete = connection.prepare_cached("delete from fresh where number <= ?1")?;
                delete.execute([moving.up_to])?;
                self.moving = None;
                return Ok(());
            };
            connection.prepare_cached(MOVE)?.execute(params![job, older[&job]])?;
        }
        Ok(())
    }

    /// Puts all of them where states are.
    pub(super) fn settle(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let States { newest, older: mut states, .. } = std::mem::take(self).states;
        states.extend(newest);
        if states.is_empty() {
            return Ok(());
        }
        let mut states: Vec<_> = states.into_iter().collect();
        states.sort_unstable_by_key(|(job, _)| *job);
        let mut update = connection.prepare_cached(MOVE)?;
        for (job, state) in states {
            update.execute(params![job, state])?;
        }
        connection.prepare_cached("delete from fresh")?.execute([]).map(drop)
    }
}
