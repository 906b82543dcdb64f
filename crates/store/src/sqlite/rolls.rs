//! The roll and facts in their tables.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenko_core::roll::{Changes, Roll};
use tenko_core::state::{Flip, Missed};
use tenko_core::{Slug, format};

use super::columns::{parse, rounded_up};
use super::entries;
use super::error::damaged;
use super::evidence::{self, job_id};
use super::fresh::States;
use super::nodes;
use super::outbox::{self, Row};
use super::stretches;
use super::writer::Desk;
use crate::{Commit, Facts, Snapshot};

/// How many rows of a table one transaction of pruning removes, so that nobody waits for long.
const PRUNED_AT_ONCE: usize = 1_000;
const FLIP: &str = "insert into flips (job, at, flip) values (?1, ?2, ?3)";
const MISSED: &str = "insert into missed (job, at, missed) values (?1, ?2, ?3)";

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
    roll.outbox.items = outbox::all(&moment)?;
    load_jobs(&moment, &mut roll)?;
    Ok(Snapshot { version: version.cast_unsigned(), roll })
}

fn load_jobs(connection: &Connection, roll: &mut Roll) -> rusqlite::Result<()> {
    let fresh = States::read(connection)?;
    let sql = "select j.slug, s.state, s.declaration, s.job from states s join jobs j on j.id = s.job";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let (mut states, mut declarations) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let slug: Slug = row.get_ref(0)?.as_str().map_err(damaged)?.parse().map_err(damaged)?;
        if let said @ ValueRef::Text(_) = row.get_ref(2)? {
            declarations.push((slug.clone(), parse(said)?));
        }
        if let state @ ValueRef::Text(_) = fresh.newest(row, 3, 1)? {
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
    outbox: Vec<Row>,
    /// Up to which number evidence was heard.
    heard: i64,
    flips: Vec<(Slug, i64, String)>,
    missed: Vec<(Slug, i64, String)>,
}

#[derive(Debug)]
struct Job {
    slug: Slug,
    /// Where in the texts it is.
    state: Option<Range<usize>>,
    declaration: Option<Range<usize>>,
    wake_at: Option<i64>,
}

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
            wake_at: roll.states.get(slug).and_then(|state| state.look_again_at).map(rounded_up),
        };
        let jobs = changes.jobs.iter().map(&mut job).collect();
        let flips =
            changes.flips.iter().map(|(slug, flip)| (slug.clone(), flip.at.as_millisecond(), json(flip)));
        let missed =
            changes.missed.iter().map(|(slug, dues)| (slug.clone(), dues.last.as_millisecond(), json(dues)));
        Self {
            base,
            rest: format::write_roll(&rest),
            jobs,
            texts,
            outbox: roll.outbox.items.iter().map(Row::of).collect(),
            heard: roll.cursor.0.parse().unwrap_or(0),
            flips: flips.collect(),
            missed: missed.collect(),
        }
    }

    fn text(&self, place: Option<&Range<usize>>) -> Option<rusqlite::Result<&str>> {
        Some(std::str::from_utf8(self.texts.get(place?.clone())?).map_err(damaged))
    }
}

/// What is stored as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect(WRITABLE)
}

/// Adds a text; gives where it is.
pub(super) fn add_json<T: Serialize>(texts: &mut Vec<u8>, value: &T) -> Range<usize> {
    let start = texts.len();
    serde_json::to_writer(&mut *texts, value).expect(WRITABLE);
    start..texts.len()
}

/// Writes the part if the roll still has the version that it was decided on, and no server keeps it.
pub(super) fn commit(desk: &mut Desk<'_>, part: &Part, now: Timestamp) -> rusqlite::Result<Commit> {
    let connection = desk.connection;
    if nodes::anybody(connection, now)? {
        return Ok(Commit::Kept);
    }
    let found: i64 = connection.query_row("select version from roll", [], |row| row.get(0))?;
    if found.cast_unsigned() != part.base {
        return Ok(Commit::Lost);
    }
    desk.known.settle(connection)?;
    desk.known.forget();
    let next = part.base + 1;
    let rest = std::str::from_utf8(&part.rest).map_err(damaged)?;
    connection.execute("update roll set version = ?1, rest = ?2", params![next.cast_signed(), rest])?;
    keep_jobs(connection, part)?;
    outbox::keep_all(connection, &part.outbox)?;
    keep_facts(connection, FLIP, &part.flips)?;
    keep_facts(connection, MISSED, &part.missed)?;
    evidence::hear_up_to(connection, part.heard)?;
    Ok(Commit::Won(next))
}

/// In the order in which the table lies, so that each page of it is written once.
fn keep_jobs(connection: &Connection, part: &Part) -> rusqlite::Result<()> {
    let numbered = part.jobs.iter().map(|job| Ok((job_id(connection, &job.slug)?, job)));
    let mut jobs = numbered.collect::<rusqlite::Result<Vec<_>>>()?;
    jobs.sort_unstable_by_key(|(id, _)| *id);
    let mut delete = connection.prepare_cached(entries::FORGET)?;
    let mut keep = connection.prepare_cached(entries::KEEP)?;
    for (id, job) in jobs {
        let [state, declaration] = [&job.state, &job.declaration].map(|text| part.text(text.as_ref()));
        match (state.transpose()?, declaration.transpose()?) {
            (None, None) => delete.execute([id])?,
            (state, declaration) => keep.execute(params![id, state, declaration, job.wake_at])?,
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

/// Keeps a change of verdict.
pub(super) fn keep_flip(connection: &Connection, job: &Slug, flip: &Flip) -> rusqlite::Result<()> {
    keep_facts(connection, FLIP, &[(job.clone(), flip.at.as_millisecond(), json(flip))])
}

/// Keeps dues that nobody answered in time.
pub(super) fn keep_missed(connection: &Connection, job: &Slug, dues: &Missed) -> rusqlite::Result<()> {
    keep_facts(connection, MISSED, &[(job.clone(), dues.last.as_millisecond(), json(dues))])
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
    let mut removed = stretches::prune(connection, before, PRUNED_AT_ONCE)?;
    // Facts are read through to find old ones, which is done when there is no old evidence left.
    if removed == 0 {
        removed = prune_facts(connection, "flips", before)? + prune_facts(connection, "missed", before)?;
    }
    Ok(removed as u64)
}

fn prune_facts(connection: &Connection, table: &str, before: i64) -> rusqlite::Result<usize> {
    let sql = format!(
        "delete from {table} where seq in (select seq from {table} where at < ?1 order by seq limit ?2)"
    );
    connection.prepare_cached(&sql)?.execute(params![before, PRUNED_AT_ONCE as i64])
}
