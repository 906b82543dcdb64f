//! What is written, inside a transaction.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use tenko_core::roll::{Changes, Roll};
use tenko_core::{Evidence, Exit, Kind, Report, Slug, format};

use super::error::damaged;
use crate::{Appended, Commit};

/// Does some work in a transaction that is on disk when this returns.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Adds evidence.
pub(super) fn append(
    connection: &Connection,
    evidence: &[Evidence],
    now: Timestamp,
) -> rusqlite::Result<Vec<Appended>> {
    let mut insert = connection.prepare_cached(
        "insert into evidence (job, run, kind, exit, at, received_at, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict do nothing",
    )?;
    let mut appended = Vec::with_capacity(evidence.len());
    for piece in evidence {
        let job = job_id(connection, &piece.job)?;
        let body = has_body(piece).then(|| format::write_evidence(piece));
        let (kind, exit) = kind_and_exit(piece.kind);
        let (at, received) = (piece.at.as_millisecond(), now.as_millisecond());
        let rows = insert.execute(params![job, piece.run.0.as_bytes(), kind, exit, at, received, body])?;
        appended.push(if rows == 0 { Appended::Known } else { Appended::Added });
    }
    Ok(appended)
}

fn job_id(connection: &Connection, slug: &Slug) -> rusqlite::Result<i64> {
    let mut find = connection.prepare_cached("select id from jobs where slug = ?1")?;
    if let Some(id) = find.query_row([slug.as_str()], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    connection.prepare_cached("insert into jobs (slug) values (?1)")?.insert([slug.as_str()])
}

fn has_body(piece: &Evidence) -> bool {
    piece.report != Report::default() || piece.declaration.is_some()
}

/// Signals are stored as numbers from 256 on.
fn kind_and_exit(kind: Kind) -> (i64, Option<i64>) {
    match kind {
        Kind::Start => (0, None),
        Kind::Success => (1, None),
        Kind::Fail(None) => (2, None),
        Kind::Fail(Some(Exit::Code(code))) => (2, Some(code.into())),
        Kind::Fail(Some(Exit::Signal(number))) => (2, Some(256 + i64::from(number))),
        Kind::Log => (3, None),
    }
}

/// The inverse of [`kind_and_exit`].
pub(super) fn kind_of(kind: i64, exit: Option<i64>) -> rusqlite::Result<Kind> {
    let exit = match exit {
        None => None,
        Some(code @ 0..=255) => u8::try_from(code).ok().map(Exit::Code),
        Some(signal) => u8::try_from(signal - 256).ok().map(Exit::Signal),
    };
    match kind {
        0 => Ok(Kind::Start),
        1 => Ok(Kind::Success),
        2 => Ok(Kind::Fail(exit)),
        3 => Ok(Kind::Log),
        other => Err(damaged(format!("{other} is no kind of evidence"))),
    }
}

/// The part of a roll that changed, ready to be written.
#[derive(Debug)]
pub(super) struct Part {
    base: u64,
    rest: String,
    jobs: Vec<(Slug, Option<String>, Option<String>)>,
    outbox: Vec<([u8; 16], String)>,
    flips: Vec<(Slug, i64, String)>,
    missed: Vec<(Slug, i64, String)>,
}

impl Part {
    /// What of `roll` changed since version `base`.
    pub(super) fn of(base: u64, roll: &Roll, changes: &Changes) -> Self {
        let small = Roll {
            called_at: roll.called_at,
            cursor: roll.cursor.clone(),
            gaps: roll.gaps.clone(),
            ..Roll::default()
        };
        let job = |slug: &Slug| {
            (slug.clone(), roll.states.get(slug).map(json), roll.declarations.get(slug).map(json))
        };
        let item = |item: &tenko_core::outbox::Item| (*item.notice.id.as_bytes(), json(item));
        Self {
            base,
            rest: String::from_utf8_lossy(&format::write_roll(&small)).into_owned(),
            jobs: changes.jobs.iter().map(job).collect(),
            outbox: roll.outbox.items.iter().map(item).collect(),
            flips: changes
                .flips
                .iter()
                .map(|(slug, f)| (slug.clone(), f.at.as_millisecond(), json(f)))
                .collect(),
            missed: changes
                .missed
                .iter()
                .map(|(slug, m)| (slug.clone(), m.last.as_millisecond(), json(m)))
                .collect(),
        }
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("all keys are strings and no value can fail to be written")
}

/// Writes the part if the roll still has the version that it was decided on.
pub(super) fn commit(connection: &Connection, part: &Part) -> rusqlite::Result<Commit> {
    let found: i64 = connection.query_row("select version from roll", [], |row| row.get(0))?;
    if u64::try_from(found) != Ok(part.base) {
        return Ok(Commit::Lost);
    }
    let next = part.base + 1;
    connection.execute("update roll set version = ?1, rest = ?2", params![next.cast_signed(), part.rest])?;
    for (slug, state, declaration) in &part.jobs {
        keep(connection, "states", "state", slug, state.as_deref())?;
        keep(connection, "declarations", "declaration", slug, declaration.as_deref())?;
    }
    keep_outbox(connection, &part.outbox)?;
    let mut flip = connection.prepare_cached("insert into flips (job, at, flip) values (?1, ?2, ?3)")?;
    for (slug, at, text) in &part.flips {
        flip.execute(params![slug.as_str(), at, text])?;
    }
    let mut missed =
        connection.prepare_cached("insert into missed (job, last, missed) values (?1, ?2, ?3)")?;
    for (slug, last, text) in &part.missed {
        missed.execute(params![slug.as_str(), last, text])?;
    }
    Ok(Commit::Won(next))
}

fn keep(
    connection: &Connection,
    table: &str,
    column: &str,
    slug: &Slug,
    text: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = match text {
        Some(_) => format!(
            "insert into {table} (job, {column}) values (?1, ?2) on conflict do update set {column} = ?2"
        ),
        None => format!("delete from {table} where job = ?1"),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    match text {
        Some(text) => statement.execute(params![slug.as_str(), text])?,
        None => statement.execute([slug.as_str()])?,
    };
    Ok(())
}

fn keep_outbox(connection: &Connection, outbox: &[([u8; 16], String)]) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached("select notice, position, item from outbox")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, (row.get::<_, i64>(1)?, row.get::<_, String>(2)?)))
    })?;
    let stored: HashMap<[u8; 16], (i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let wanted: HashSet<&[u8; 16]> = outbox.iter().map(|(id, _)| id).collect();
    let mut delete = connection.prepare_cached("delete from outbox where notice = ?1")?;
    for id in stored.keys().filter(|id| !wanted.contains(id)) {
        delete.execute([id])?;
    }
    let mut upsert = connection.prepare_cached(
        "insert into outbox (notice, position, item) values (?1, ?2, ?3)
         on conflict do update set position = ?2, item = ?3",
    )?;
    for (position, (id, item)) in (0_i64..).zip(outbox) {
        if stored.get(id).is_none_or(|(at, text)| (*at, text) != (position, item)) {
            upsert.execute(params![id, position, item])?;
        }
    }
    Ok(())
}

/// How many rows one transaction of pruning removes, so that nobody waits for long.
const PRUNED_AT_ONCE: i64 = 500;

/// Removes some of what is older than `before`; says how much that was.
pub(super) fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<usize> {
    let before = before.as_millisecond();
    let mut removed = 0;
    for sql in [
        "delete from evidence where seq in (select seq from evidence where at < ?1 order by seq limit ?2)",
        "delete from flips where seq in (select seq from flips where at < ?1 limit ?2)",
        "delete from missed where seq in (select seq from missed where last < ?1 limit ?2)",
    ] {
        removed += connection.execute(sql, params![before, PRUNED_AT_ONCE])?;
    }
    Ok(removed)
}
