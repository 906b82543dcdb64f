//! What is read.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;
use tenko_core::roll::{Cursor, Roll};
use tenko_core::{Evidence, RunId, Slug, format};
use uuid::Uuid;

use super::error::damaged;
use super::write::kind_of;
use crate::{Facts, News, Snapshot, Unreadable};

const COLUMNS: &str = "e.seq, j.slug, e.run, e.kind, e.exit, e.at, e.received_at, e.body";

/// Evidence that was added after `since`.
pub(super) fn news(connection: &Connection, since: i64) -> rusqlite::Result<News> {
    let sql = format!(
        "select {COLUMNS} from evidence e join jobs j on j.id = e.job where e.seq > ?1 order by e.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([since])?;
    let mut news = News { cursor: Cursor(since.to_string()), ..News::default() };
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        news.cursor = Cursor(seq.to_string());
        match evidence(row) {
            Ok(piece) => news.evidence.push(piece),
            Err(error) => news
                .unreadable
                .push(Unreadable { key: format!("evidence {seq}"), problem: error.to_string() }),
        }
    }
    Ok(news)
}

/// Evidence that happened in `from..to`, sorted. What can't be read is left out; `news` has said so.
pub(super) fn between(
    connection: &Connection,
    job: Option<&Slug>,
    from: Timestamp,
    to: Timestamp,
) -> rusqlite::Result<Vec<Evidence>> {
    let of_job = if job.is_some() { "j.slug = ?3" } else { "?3 is null" };
    let sql = format!(
        "select {COLUMNS} from evidence e join jobs j on j.id = e.job
         where {of_job} and e.at >= ?1 and e.at < ?2 order by e.at, e.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query(params![from.as_millisecond(), to.as_millisecond(), job.map(Slug::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(evidence(row).ok());
    }
    Ok(found)
}

fn evidence(row: &Row<'_>) -> rusqlite::Result<Evidence> {
    let job: Slug = row.get_ref(1)?.as_str()?.parse().map_err(damaged)?;
    let run = RunId(Uuid::from_bytes(row.get(2)?));
    let kind = kind_of(row.get(3)?, row.get(4)?)?;
    let mut piece = Evidence::new(job, run, kind, moment(row.get(5)?)?);
    if let Some(body) = row.get_ref(7)?.as_blob_or_null()? {
        let told = format::read_evidence(body).map_err(damaged)?;
        piece.report = told.report;
        piece.declaration = told.declaration;
    }
    piece.received_at = Some(moment(row.get(6)?)?);
    Ok(piece)
}

fn moment(millis: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(damaged)
}

/// The roll and its version, as of one moment.
pub(super) fn snapshot(connection: &Connection) -> rusqlite::Result<Snapshot> {
    connection.execute_batch("begin")?;
    let (version, rest): (i64, String) =
        connection.query_row("select version, rest from roll", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let small = format::read_roll(rest.as_bytes()).map_err(damaged)?;
    let mut items =
        column::<tenko_core::outbox::Item>(connection, "select item from outbox order by position")?;
    let mut roll = Roll {
        states: by_slug(connection, "select job, state from states")?,
        declarations: by_slug(connection, "select job, declaration from declarations")?,
        ..small
    };
    roll.outbox.items.append(&mut items);
    connection.execute_batch("commit")?;
    Ok(Snapshot { version: version.cast_unsigned(), roll })
}

fn by_slug<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
) -> rusqlite::Result<std::collections::BTreeMap<Slug, T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = std::collections::BTreeMap::new();
    while let Some(row) = rows.next()? {
        let slug: Slug = row.get_ref(0)?.as_str()?.parse().map_err(damaged)?;
        found.insert(slug, parse(row.get_ref(1)?.as_str()?)?);
    }
    Ok(found)
}

fn column<T: DeserializeOwned>(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| parse(row.get_ref(0)?.as_str()?))?;
    rows.collect()
}

fn parse<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(damaged)
}

/// Facts about a job, newest first.
pub(super) fn facts(connection: &Connection, job: &Slug, limit: usize) -> rusqlite::Result<Facts> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(Facts {
        flips: newest(
            connection,
            "select flip from flips where job = ?1 order by seq desc limit ?2",
            job,
            limit,
        )?,
        missed: newest(
            connection,
            "select missed from missed where job = ?1 order by seq desc limit ?2",
            job,
            limit,
        )?,
    })
}

fn newest<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    job: &Slug,
    limit: i64,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![job.as_str(), limit], |row| parse(row.get_ref(0)?.as_str()?))?;
    rows.collect()
}
