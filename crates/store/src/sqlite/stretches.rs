//! Stretches of evidence: 2,048 numbers each, and from when to when what is in them happened.
//!
//! Evidence is numbered in the order in which it is added, so that what is added lies in few pages, however many jobs
//! there are. It may arrive late, and clocks may be wrong: only what is noted here tells which stretches to look into.
//! It is exact, whenever a transaction has ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, params};

use super::columns::moment;

/// How many bits of a number tell which of a stretch it is; the index `evidence_of_job` has the same.
const BITS: u32 = 11;
/// How many stretches are searched for old evidence at once, so that nobody waits for long.
const SEARCHED_AT_ONCE: usize = 16;
/// The evidence of stretch `?1` that happened before `?2`, at most `?3` of it.
const OLD: &str = "select seq from evidence
    where seq between ?1 << 11 and (?1 << 11) + 2047 and at < ?2 order by seq limit ?3";
pub(super) const OLDEST: &str = "select min(first_at) from stretches";
pub(super) const AGED: &str = "select number from stretches where first_at < ?1 order by number limit ?2";
pub(super) const EMPTIED: &str = "delete from stretches where number = ?1
    and not exists (select 1 from evidence where seq between ?1 << 11 and (?1 << 11) + 2047)";
pub(super) const NARROW: &str = "update stretches set (first_at, last_at) =
    (select min(at), max(at) from evidence where seq between ?1 << 11 and (?1 << 11) + 2047) where number = ?1";
const WIDEN: &str = "insert into stretches (number, first_at, last_at) values (?1, ?2, ?3)
    on conflict do update set first_at = min(first_at, ?2), last_at = max(last_at, ?3)
    where ?2 < first_at or ?3 > last_at";

/// In which stretches evidence was added, and when the earliest and the latest of it happened, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Added(BTreeMap<i64, (i64, i64)>);

impl Added {
    /// Prepares what [`keep`](Self::keep) needs.
    pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        connection.prepare_cached(WIDEN)
    }

    /// Notes evidence.
    pub(super) fn note(&mut self, seq: i64, at: i64) {
        let (first, last) = self.0.entry(seq >> BITS).or_insert((at, at));
        (*first, *last) = (at.min(*first), at.max(*last));
    }

    /// Writes what was noted, once for each stretch.
    pub(super) fn keep(self, prepared: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
        let mut stretches = self.0.into_iter();
        stretches.try_for_each(|(number, (first, last))| prepared.execute([number, first, last]).map(drop))
    }
}

/// When the oldest evidence happened.
pub(super) fn oldest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let found: Option<i64> = connection.prepare_cached(OLDEST)?.query_row([], |row| row.get(0))?;
    found.map(moment).transpose()
}

/// Removes at most so many pieces of evidence that happened before a moment, with all that belongs to them; says how
/// many that was, and it is none only if there are none.
pub(super) fn prune(connection: &Connection, before: i64, most: usize) -> rusqlite::Result<usize> {
    let mut removed = 0;
    for number in aged(connection, before)? {
        if removed < most {
            removed += prune_one(connection, number, before, most - removed)?;
        }
    }
    Ok(removed)
}

/// Stretches in which there is evidence from before a moment.
fn aged(connection: &Connection, before: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(AGED)?;
    let numbers = statement.query_map(params![before, SEARCHED_AT_ONCE as i64], |row| row.get(0))?;
    numbers.collect()
}

/// Removes old evidence from a table that is numbered as evidence is.
pub(super) fn remove_sql(table: &str) -> String {
    format!("delete from {table} where seq in ({OLD})")
}

fn prune_one(connection: &Connection, number: i64, before: i64, most: usize) -> rusqlite::Result<usize> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let remove = |table| connection.prepare_cached(&remove_sql(table))?.execute([number, before, most]);
    // These first: afterwards nothing tells which evidence they were of.
    remove("reports")?;
    remove("unheard")?;
    let removed = remove("evidence")?;
    connection.prepare_cached(EMPTIED)?.execute([number])?;
    connection.prepare_cached(NARROW)?.execute([number])?;
    Ok(removed)
}
