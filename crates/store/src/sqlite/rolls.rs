//! The roll and facts in their tables.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenko_core::outbox::Item;
use tenko_core::roll::{Changes, Roll};
use tenko_core::{Slug, format};

use super::columns::parse;
use super::error::damaged;
use super::evidence::job_id;
use crate::{Commit, Facts, Snapshot};

/// How many rows of a table one transaction of pruning removes, so that nobody waits for long.
const PRUNED_AT_ONCE: i64 = 1_000;

/// The roll and its version, as of one moment.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Snapshot> {
    let moment = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let (version, mut roll) = moment.query_row("select version, rest from roll", [], |row| {
        let version: i64 = row.get(0)?;
        // No roll call has written anything yet.
        if version == 0 {
            return Ok((version, Roll::default()));
        }
        let rest = row.get_ref(1)?.as_str().map_err(damaged)?;
        Ok((version, format::read_roll(rest.as_bytes()).map_err(damaged)?))
    })?;
    let mut items = moment.prepare_cached("select item from outbox order by position")?;
    let items = items.query_map([], |row| parse(row.get_ref(0)?))?;
    roll.outbox.items = items.collect::<rusqlite::Result<_>>()?;
    load_jobs(&moment, &mut roll)?;
    Ok(Snapshot { version: version.cast_unsigned(), roll })
}

fn load_jobs(connection: &Connection, roll: &mut Roll) -> rusqlite::Result<()> {
    let sql = "select j.slug, s.state, s.declaration from states s join jobs j on j.id = s.job";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let (mut states, mut declarations) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let slug: Slug = row.get_ref(0)?.as_str().map_err(damaged)?.parse().map_err(damaged)?;
        if let said @ ValueRef::Text(_) = row.get_ref(2)? {
            declarations.push((slug.clone(), parse(said)?));
        }
        if let state @ ValueRef::Text(_) = row.get_ref(1)? {
            states.push((slug, parse(state)?));
        }
    }
    roll.states = sorted(states);
    roll.declarations = sorted(declarations);
    Ok(())
}

/// Makes a map of what comes in another order. The pieces are large: were they sorted themselves, each would be moved
/// some twenty times.
fn sorted<T>(pieces: Vec<(Slug, T)>) -> BTreeMap<Slug, T> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_unstable_by(|one, other| pieces[*one].0.cmp(&pieces[*other].0));
    let mut pieces: Vec<_> = pieces.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| pieces[place].take()).collect()
}

/// The part of a roll that changed, ready to be written.
#[derive(Debug)]
pub(super) struct Part {
    base: u64,
    rest: Vec<u8>,
    jobs: Vec<Job>,
    /// The texts of all jobs, one after the other: many small ones take longer, and more memory.
    texts: Vec<u8>,
    outbox: Vec<(NoticeId, String)>,
    flips: Vec<(Slug, i64, String)>,
    missed: Vec<(Slug, i64, String)>,
}

#[derive(Debug)]
struct Job {
    slug: Slug,
    /// Where in the texts it is.
    state: Option<Range<usize>>,
    declaration: Option<Range<usize>>,
}

type NoticeId = [u8; 16];

const WRITABLE: &str = "all keys are strings and no value can fail to be written";

impl Part {
    /// What of `roll` changed since version `base`.
    pub(super) fn of(base: u64, roll: &Roll, changes: &Changes) -> Self {
        let rest = Roll {
            called_at: roll.called_at,
            cursor: roll.cursor.clone(),
            gaps: roll.gaps.clone(),
            ..Roll::default()
        };
        let mut texts = Vec::new();
        let mut job = |slug: &Slug| Job {
            slug: slug.clone(),
            state: roll.states.get(slug).map(|state| add_json(&mut texts, state)),
            declaration: roll.declarations.get(slug).map(|said| add_json(&mut texts, said)),
        };
        let jobs = changes.jobs.iter().map(&mut job).collect();
        let item = |item: &Item| (*item.notice.id.as_bytes(), json(item));
        let flips =
            changes.flips.iter().map(|(slug, flip)| (slug.clone(), flip.at.as_millisecond(), json(flip)));
        let missed =
            changes.missed.iter().map(|(slug, dues)| (slug.clone(), dues.last.as_millisecond(), json(dues)));
        Self {
            base,
            rest: format::write_roll(&rest),
            jobs,
            texts,
            outbox: roll.outbox.items.iter().map(item).collect(),
            flips: flips.collect(),
            missed: missed.collect(),
        }
    }

    fn text(&self, place: Option<&Range<usize>>) -> Option<rusqlite::Result<&str>> {
        Some(std::str::from_utf8(self.texts.get(place?.clone())?).map_err(damaged))
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect(WRITABLE)
}

/// Adds a text; gives where it is.
fn add_json<T: Serialize>(texts: &mut Vec<u8>, value: &T) -> Range<usize> {
    let start = texts.len();
    serde_json::to_writer(&mut *texts, value).expect(WRITABLE);
    start..texts.len()
}

/// Writes the part if the roll still has the version that it was decided on.
pub(super) fn commit(connection: &Connection, part: &Part) -> rusqlite::Result<Commit> {
    let found: i64 = connection.query_row("select version from roll", [], |row| row.get(0))?;
    if found.cast_unsigned() != part.base {
        return Ok(Commit::Lost);
    }
    let next = part.base + 1;
    let rest = std::str::from_utf8(&part.rest).map_err(damaged)?;
    connection.execute("update roll set version = ?1, rest = ?2", params![next.cast_signed(), rest])?;
    keep_jobs(connection, part)?;
    keep_outbox(connection, &part.outbox)?;
    keep_facts(connection, "insert into flips (job, at, flip) values (?1, ?2, ?3)", &part.flips)?;
    keep_facts(connection, "insert into missed (job, at, missed) values (?1, ?2, ?3)", &part.missed)?;
    Ok(Commit::Won(next))
}

/// In the order in which the table lies, so that each page of it is written once.
fn keep_jobs(connection: &Connection, part: &Part) -> rusqlite::Result<()> {
    let numbered = part.jobs.iter().map(|job| Ok((job_id(connection, &job.slug)?, job)));
    let mut jobs = numbered.collect::<rusqlite::Result<Vec<_>>>()?;
    jobs.sort_unstable_by_key(|(id, _)| *id);
    let mut delete = connection.prepare_cached("delete from states where job = ?1")?;
    let mut keep = connection.prepare_cached(
        "insert into states (job, state, declaration) values (?1, ?2, ?3)
         on conflict do update set state = ?2, declaration = ?3",
    )?;
    for (id, job) in jobs {
        let [state, declaration] = [&job.state, &job.declaration].map(|text| part.text(text.as_ref()));
        match (state.transpose()?, declaration.transpose()?) {
            (None, None) => delete.execute([id])?,
            (state, declaration) => keep.execute(params![id, state, declaration])?,
        };
    }
    Ok(())
}

fn keep_facts(connection: &Connection, sql: &str, facts: &[(Slug, i64, String)]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(sql)?;
    for (slug, at, fact) in facts {
        insert.execute(params![job_id(connection, slug)?, at, fact])?;
    }
    Ok(())
}

/// Makes the table hold these items in this order, writing as few rows as possible: an item keeps its position unless
/// something was put in before it.
fn keep_outbox(connection: &Connection, outbox: &[(NoticeId, String)]) -> rusqlite::Result<()> {
    let mut stored = stored_outbox(connection)?;
    let mut free = stored.values().map(|(position, _)| position + 1).max().unwrap_or(0);
    let (mut kept, mut last) = (0, -1);
    let mut update = connection.prepare_cached("update outbox set item = ?2 where position = ?1")?;
    for (id, item) in outbox {
        match stored.get(id) {
            Some((position, text)) if *position > last => {
                if text != item {
                    update.execute(params![position, item])?;
                }
                last = *position;
            }
            _ => break,
        }
        stored.remove(id);
        kept += 1;
    }
    let mut delete = connection.prepare_cached("delete from outbox where position = ?1")?;
    for (position, _) in stored.values() {
        delete.execute([position])?;
    }
    let mut insert =
        connection.prepare_cached("insert into outbox (position, notice, item) values (?1, ?2, ?3)")?;
    for (id, item) in &outbox[kept..] {
        insert.execute(params![free, id, item])?;
        free += 1;
    }
    Ok(())
}

fn stored_outbox(connection: &Connection) -> rusqlite::Result<HashMap<NoticeId, (i64, String)>> {
    let mut select = connection.prepare_cached("select notice, position, item from outbox")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    rows.collect()
}

/// Facts about a job, newest first; of two at the same moment, the one that was decided later.
pub(super) fn facts(connection: &Connection, job: &Slug, limit: usize) -> rusqlite::Result<Facts> {
    let of_job = |fact: &str, table: &str| {
        format!(
            "select {fact} from {table} where job = (select id from jobs where slug = ?1)
             order by at desc, seq desc limit ?2"
        )
    };
    Ok(Facts {
        flips: newest(connection, &of_job("flip", "flips"), job, limit)?,
        missed: newest(connection, &of_job("missed", "missed"), job, limit)?,
    })
}

fn newest<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    job: &Slug,
    limit: usize,
) -> rusqlite::Result<Vec<T>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![job.as_str(), limit], |row| parse(row.get_ref(0)?))?;
    rows.collect()
}

/// Removes some of what is older than `before`; says how many pieces of evidence and facts that was.
pub(super) fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<u64> {
    let before = before.as_millisecond();
    let some = |table: &str, which: &str| {
        let sql = format!(
            "delete from {table} where seq in (select seq from {which} where at < ?1 order by seq limit ?2)"
        );
        connection.prepare_cached(&sql)?.execute(params![before, PRUNED_AT_ONCE])
    };
    // The reports first: afterwards nothing tells which evidence they were of.
    some("reports", "evidence")?;
    let removed = some("evidence", "evidence")? + some("flips", "flips")? + some("missed", "missed")?;
    Ok(removed as u64)
}
