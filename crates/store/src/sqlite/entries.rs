//! What is kept of single jobs.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, params};
use tenko_core::Slug;

use super::columns::{parse, rounded_up};
use super::error::damaged;
use super::fresh::States;
use super::outbox::{self, Row};
use super::rolls::json;
use super::writer::Desk;
use crate::live::{Entry, Kept};
use crate::stored::woken_at;

pub(super) const FIND: &str =
    "select s.state, s.declaration, s.wake_at, s.job from jobs j join states s on s.job = j.id
    where j.slug = ?1";
pub(super) const DUE: &str = "select j.slug from states s join jobs j on j.id = s.job
    where s.wake_at <= ?1 order by s.wake_at limit ?2";
pub(super) const NEXT_LOOK: &str = "select min(wake_at) from states where wake_at is not null";
pub(super) const NAMES: &str = "select slug from jobs j
    where slug > ?1 and (exists (select 1 from states where job = j.id) or exists (select 1 from outbox where job = j.id))
    order by slug limit ?2";

/// Writes a row, over the one that there may be.
pub(super) const KEEP: &str = "insert into states (job, state, declaration, wake_at) values (?1, ?2, ?3, ?4)
    on conflict do update set state = ?2, declaration = ?3, wake_at = ?4";
pub(super) const FORGET: &str = "delete from states where job = ?1";

/// What is kept of a job, and when it has to be looked at, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) entry: Entry,
    wake_at: Option<i64>,
}

impl Stored {
    /// Reads what is kept of a job, whose state may be one of the fresh ones.
    pub(super) fn read(connection: &Connection, fresh: &States, job: &Slug) -> rusqlite::Result<Self> {
        let found = connection.prepare_cached(FIND)?.query_row([job.as_str()], |row| {
            let entry = Entry {
                state: text(fresh.newest(row, 3, 0)?).map(parse).transpose()?,
                declaration: text(row.get_ref(1)?).map(parse).transpose()?,
                items: Vec::new(),
            };
            Ok(Self { entry, wake_at: row.get(2)? })
        });
        let mut stored = found.optional()?.unwrap_or_default();
        stored.entry.items = outbox::of_job(connection, job)?;
        Ok(stored)
    }

    /// Whether there is a row in the table of states.
    fn has_row(&self) -> bool {
        self.entry.state.is_some() || self.entry.declaration.is_some()
    }
}

fn text(value: ValueRef<'_>) -> Option<ValueRef<'_>> {
    matches!(value, ValueRef::Text(_)).then_some(value)
}

/// Keeps this of a job from now on, writing no more than what is another.
pub(super) fn keep(desk: &mut Desk<'_>, kept: Kept, now: Timestamp) -> rusqlite::Result<()> {
    let Kept { job, entry, wake_at } = kept;
    let id = desk.known.job_id(desk.connection, &job)?;
    let old = desk.known.take_job(desk.connection, &job)?;
    let wake_at = woken_at(old.wake_at, wake_at.map(rounded_up), now.as_millisecond());
    let new = Stored { entry, wake_at };
    keep_row(desk, id, &old, &new)?;
    if old.entry.items != new.entry.items {
        let rows: Vec<Row> = new.entry.items.iter().map(Row::of).collect();
        outbox::keep_of_job(desk.connection, id, &rows)?;
    }
    desk.known.keep_job(job, new);
    Ok(())
}

fn keep_row(desk: &mut Desk<'_>, id: i64, old: &Stored, new: &Stored) -> rusqlite::Result<()> {
    match &new.entry.state {
        Some(state) if old.has_row() => {
            keep_rest(desk.connection, id, old, new)?;
            if old.entry.state != new.entry.state {
                desk.known.keep_state(id, state)?;
            }
            Ok(())
        }
        _ => keep_whole_row(desk, id, old, new),
    }
}

/// What of a row is not its state.
fn keep_rest(connection: &Connection, id: i64, old: &Stored, new: &Stored) -> rusqlite::Result<()> {
    if old.entry.declaration != new.entry.declaration {
        let declaration = new.entry.declaration.as_ref().map(json);
        let sql = "update states set declaration = ?2, wake_at = ?3 where job = ?1";
        connection.prepare_cached(sql)?.execute(params![id, declaration, new.wake_at])?;
    } else if old.wake_at != new.wake_at {
        let sql = "update states set wake_at = ?2 where job = ?1";
        connection.prepare_cached(sql)?.execute(params![id, new.wake_at])?;
    }
    Ok(())
}

fn keep_whole_row(desk: &mut Desk<'_>, id: i64, old: &Stored, new: &Stored) -> rusqlite::Result<()> {
    let connection = desk.connection;
    if old.has_row() {
        desk.known.settle(connection)?;
    }
    if !new.has_row() {
        return connection.prepare_cached(FORGET)?.execute([id]).map(drop);
    }
    let (state, declaration) = (new.entry.state.as_ref().map(json), new.entry.declaration.as_ref().map(json));
    connection.prepare_cached(KEEP)?.execute(params![id, state, declaration, new.wake_at]).map(drop)
}

/// The jobs that have to be looked at by a moment, the earliest first.
pub(super) fn due(connection: &Connection, by: i64, most: usize) -> rusqlite::Result<Vec<Slug>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(DUE)?;
    let found = statement.query_map([by, most], |row| slug(row.get_ref(0)?))?;
    found.collect()
}

/// Lets a job sleep.
pub(super) fn put_to_sleep(connection: &Connection, job: &Slug) -> rusqlite::Result<()> {
    let sql = "update states set wake_at = null where job = (select id from jobs where slug = ?1)";
    connection.prepare_cached(sql)?.execute([job.as_str()]).map(drop)
}

/// When a job has to be looked at next, in milliseconds.
pub(super) fn next_look(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(NEXT_LOOK)?.query_row([], |row| row.get(0))
}

/// The names of jobs of which something is kept.
pub(super) fn names(connection: &Connection, after: &str, most: usize) -> rusqlite::Result<Vec<Slug>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(NAMES)?;
    let found = statement.query_map(params![after, most], |row| slug(row.get_ref(0)?))?;
    found.collect()
}

/// A job's name.
pub(super) fn slug(stored: ValueRef<'_>) -> rusqlite::Result<Slug> {
    stored.as_str().map_err(damaged)?.parse().map_err(damaged)
}
