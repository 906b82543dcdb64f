//! All that is in the file, taken elsewhere and brought from elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use tenko_core::roll::Cursor;
use tenko_core::{Roll, Slug, format};

use super::columns::{moment, parse, rounded_up};
use super::error::damaged;
use super::evidence::{self, job_id};
use super::fresh::States;
use super::rolls::{json, keep_flip, keep_missed};
use super::writer::Desk;
use super::{SqliteStore, addresses, entries, nodes, outbox};
use crate::portable::{Piece, Pieces, Portable, Taker};
use crate::{ErrorKind, Result, StoreError};

/// What ended the work, if it was not SQLite.
type Ended = Arc<Mutex<Option<StoreError>>>;

#[async_trait]
impl Portable for SqliteStore {
    async fn export(&self, mut taker: Taker) -> Result<()> {
        let ended = Ended::default();
        let noted = Arc::clone(&ended);
        let mut give = move |piece| taker(piece).map_err(|error| note(&noted, error));
        let done = self.reading("read all of", move |connection| export(connection, &mut give)).await;
        done.map_err(|error| taken(&ended).unwrap_or(error))
    }

    async fn import(&self, pieces: Pieces) -> Result<()> {
        let ended = Ended::default();
        let noted = Arc::clone(&ended);
        let mut pieces = Some(pieces);
        let path = self.file.path().display().to_string();
        let work = move |desk: &mut Desk<'_>| {
            let end = |error| note(&noted, error);
            if !is_empty(desk.connection)? {
                return Err(end(StoreError::new(ErrorKind::Config, format!("{path} is not empty"))
                    .hint("restore into a store that nobody has used; this one was not changed")));
            }
            // Whatever made it necessary to begin anew: what was read of the pieces is gone.
            let again =
                || StoreError::new(ErrorKind::Unavailable, format!("can't write all of it to {path}"));
            import(desk, pieces.take().ok_or_else(|| end(again()))?, end)
        };
        self.writer.ask("write all of it to", work).await.map_err(|error| taken(&ended).unwrap_or(error))
    }
}

/// Remembers an error that SQLite knows nothing of, and gives one that makes it roll back.
fn note(ended: &Ended, error: StoreError) -> rusqlite::Error {
    ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    rusqlite::Error::QueryReturnedNoRows
}

fn taken(ended: &Ended) -> Option<StoreError> {
    ended.lock().unwrap_or_else(PoisonError::into_inner).take()
}

type Give<'a> = &'a mut dyn FnMut(Piece) -> rusqlite::Result<()>;

fn export(connection: &Connection, give: Give<'_>) -> rusqlite::Result<()> {
    let moment = connection.unchecked_transaction()?;
    give(Piece::Roll(rest(&moment)?))?;
    if let Some(at) = nodes::last_seen(&moment)? {
        give(Piece::Attended(at))?;
    }
    jobs(&moment, give)?;
    outbox::all(&moment)?.into_iter().try_for_each(|item| give(Piece::Notice(item)))?;
    addresses::all(&moment)?
        .into_iter()
        .try_for_each(|(job, address)| give(Piece::Address { job, address }))?;
    addresses::keys(&moment)?.into_iter().try_for_each(|key| give(Piece::Key(key)))?;
    facts(&moment, "flip", "flips", &mut |job, flip| give(Piece::Flip { job, flip: parse(flip)? }))?;
    facts(&moment, "missed", "missed", &mut |job, dues| give(Piece::Missed { job, missed: parse(dues)? }))?;
    evidence::all(&moment, &mut |evidence, heard| give(Piece::Evidence { evidence, heard }))
}

fn stored_rest(connection: &Connection) -> rusqlite::Result<Roll> {
    connection.query_row("select rest from roll", [], |row| {
        format::read_roll(row.get_ref(0)?.as_str().map_err(damaged)?.as_bytes()).map_err(damaged)
    })
}

fn rest(connection: &Connection) -> rusqlite::Result<Roll> {
    let stored = stored_rest(connection)?;
    Ok(Roll { called_at: stored.called_at, gaps: stored.gaps, ..Roll::default() })
}

fn jobs(connection: &Connection, give: Give<'_>) -> rusqlite::Result<()> {
    let fresh = States::read(connection)?;
    let sql =
        "select j.slug, s.state, s.declaration, s.wake_at, s.job from states s join jobs j on j.id = s.job
        order by s.job";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let wake_at: Option<i64> = row.get(3)?;
        give(Piece::Job {
            job: entries::slug(row.get_ref(0)?)?,
            state: said(fresh.newest(row, 4, 1)?)?,
            declaration: said(row.get_ref(2)?)?,
            wake_at: wake_at.map(moment).transpose()?,
        })?;
    }
    Ok(())
}

fn said<T: serde::de::DeserializeOwned>(stored: ValueRef<'_>) -> rusqlite::Result<Option<T>> {
    if stored == ValueRef::Null { Ok(None) } else { parse(stored).map(Some) }
}

fn facts(
    connection: &Connection,
    column: &str,
    table: &str,
    give: &mut dyn FnMut(Slug, ValueRef<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let sql = format!("select j.slug, f.{column} from {table} f join jobs j on j.id = f.job order by f.seq");
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        give(entries::slug(row.get_ref(0)?)?, row.get_ref(1)?)?;
    }
    Ok(())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "select not exists (select 1 from jobs) and not exists (select 1 from keys)
        and not exists (select 1 from nodes where not left)";
    connection.query_row(sql, [], |row| row.get(0))
}

fn import(
    desk: &mut Desk<'_>,
    pieces: Pieces,
    end: impl Fn(StoreError) -> rusqlite::Error,
) -> rusqlite::Result<()> {
    let (mut roll, mut position) = (Roll::default(), 0);
    for piece in pieces {
        match piece.map_err(&end)? {
            Piece::Roll(rest) => roll = rest,
            Piece::Notice(item) => {
                position += 1;
                outbox::insert(desk.connection, position, &outbox::Row::of(&item))?;
            }
            piece => put(desk, piece)?,
        }
    }
    desk.known.forget();
    roll.cursor = Cursor(evidence::heard(desk.connection)?.to_string());
    let rest = String::from_utf8(format::write_roll(&roll)).map_err(damaged)?;
    desk.connection.execute("update roll set version = 1, rest = ?1", [rest]).map(drop)
}

fn put(desk: &mut Desk<'_>, piece: Piece) -> rusqlite::Result<()> {
    let connection = desk.connection;
    match piece {
        // They are put elsewhere.
        Piece::Roll(_) | Piece::Notice(_) => Ok(()),
        Piece::Attended(at) => nodes::note_gone(connection, at),
        Piece::Job { job, state, declaration, wake_at } => {
            let sql = "insert into states (job, state, declaration, wake_at) values (?1, ?2, ?3, ?4)";
            let (state, said) = (state.as_ref().map(json), declaration.as_ref().map(json));
            let params = params![job_id(connection, &job)?, state, said, wake_at.map(rounded_up)];
            connection.prepare_cached(sql)?.execute(params).map(drop)
        }
        Piece::Address { job, address } => addresses::keep(connection, &job, address),
        Piece::Key(key) => addresses::keep_key(connection, &key),
        Piece::Flip { job, flip } => keep_flip(connection, &job, &flip),
        Piece::Missed { job, missed } => keep_missed(connection, &job, &missed),
        Piece::Evidence { evidence, heard } => {
            let received = evidence.received_at.unwrap_or(evidence.at);
            let append = if heard { evidence::append_heard } else { evidence::append };
            append(desk, std::slice::from_ref(&evidence), received).map(drop)
        }
    }
}
