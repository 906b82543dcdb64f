//! All that is in the database, taken elsewhere and brought from elsewhere.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tenko_core::{Evidence, Roll, Slug};

use super::PostgresStore;
use super::addresses::Keys;
use super::bringing::{Conclude, IsEmpty, LOCK, Put};
use super::columns::{Id, moment, parse};
use super::error::damaged;
use super::evidence::Pieces as Found;
use super::rolls::rest_of;
use super::work::{Long, Look};
use crate::portable::{Piece, Pieces, Portable, Taker};
use crate::{ErrorKind, Result, StoreError};

/// How many pieces are read or written at once.
const AT_ONCE: usize = 1000;

/// All cursors show the same moment.
const OPENING: &str = "begin isolation level repeatable read read only;
    declare jobs_out no scroll cursor for
        select j.slug, s.state, s.declaration, d.body as declared, s.wake_at
        from states s join jobs j on j.id = s.job left join said d on d.hash = s.declaration
        where s.state is not null or s.declaration is not null order by s.job;
    declare outbox_out no scroll cursor for select item from outbox order by position;
    declare addresses_out no scroll cursor for
        select j.slug, a.address from addresses a join jobs j on j.id = a.job order by a.address;
    declare flips_out no scroll cursor for
        select j.slug, f.flip as fact from flips f join jobs j on j.id = f.job order by f.seq;
    declare missed_out no scroll cursor for
        select j.slug, m.missed as fact from missed m join jobs j on j.id = m.job order by m.seq;
    declare evidence_out no scroll cursor for
        select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration, v.body as via, r.report,
            u.seq is null as heard
        from evidence e join jobs j on j.id = e.job left join said v on v.id = e.via
        left join reports r on r.seq = e.seq left join unheard u on u.txn = e.txn and u.seq = e.seq
        order by e.txn, e.seq";

#[async_trait]
impl Portable for PostgresStore {
    async fn export(&self, mut taker: Taker) -> Result<()> {
        let mut reading = Long::begin(&self.connections, "read all of", OPENING).await?;
        taker(Piece::Roll(reading.look(Rest).await?))?;
        if let Some(at) = reading.look(LastSeen).await? {
            taker(Piece::Attended(at))?;
        }
        give(&mut reading, Page { of: "jobs_out", read: job }, &mut taker).await?;
        give(&mut reading, Page { of: "outbox_out", read: notice }, &mut taker).await?;
        give(&mut reading, Page { of: "addresses_out", read: address }, &mut taker).await?;
        reading.look(Keys).await?.into_iter().try_for_each(|key| taker(Piece::Key(key)))?;
        give(&mut reading, Page { of: "flips_out", read: flip }, &mut taker).await?;
        give(&mut reading, Page { of: "missed_out", read: missed }, &mut taker).await?;
        give(&mut reading, EvidencePage, &mut taker).await?;
        reading.commit().await
    }

    async fn import(&self, pieces: Pieces) -> Result<()> {
        let mut writing = Long::begin(&self.connections, "write all of it to", LOCK).await?;
        if !writing.step(IsEmpty).await? {
            let problem = format!("{} is not empty", self.connections.address().shown);
            return Err(StoreError::new(ErrorKind::Config, problem)
                .hint("restore into a store that nobody has used; this one was not changed"));
        }
        let (mut roll, mut portion) = (Roll::default(), Vec::new());
        for piece in pieces {
            match piece? {
                Piece::Roll(rest) => roll = rest,
                piece => portion.push(piece),
            }
            if portion.len() == AT_ONCE {
                writing.step(Put(std::mem::take(&mut portion))).await?;
            }
        }
        writing.step(Put(portion)).await?;
        writing.step(Conclude(roll)).await?;
        writing.commit().await
    }
}

/// Gives out what is read page by page, until there is no other.
async fn give(
    reading: &mut Long<'_>,
    page: impl Look<Seen = Option<Vec<Piece>>> + Copy,
    taker: &mut Taker,
) -> Result<()> {
    while let Some(pieces) = reading.look(page).await? {
        pieces.into_iter().try_for_each(&mut *taker)?;
    }
    Ok(())
}

async fn fetch(connection: &mut PgConnection, of: &str) -> sqlx::Result<Vec<PgRow>> {
    let sql = format!("fetch {AT_ONCE} from {of}");
    sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(connection).await
}

/// What a cursor shows next.
#[derive(Clone, Copy)]
struct Page {
    of: &'static str,
    read: fn(&PgRow) -> sqlx::Result<Piece>,
}

impl Look for Page {
    type Seen = Option<Vec<Piece>>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Vec<Piece>>> {
        let rows = fetch(connection, self.of).await?;
        let pieces = (!rows.is_empty()).then(|| rows.iter().map(self.read).collect());
        pieces.transpose()
    }
}

fn slug(row: &PgRow) -> sqlx::Result<Slug> {
    row.try_get::<&str, _>("slug")?.parse().map_err(damaged)
}

fn job(row: &PgRow) -> sqlx::Result<Piece> {
    let declared: Option<&str> = row.try_get("declared")?;
    if declared.is_none() && row.try_get::<Option<Id>, _>("declaration")?.is_some() {
        return Err(damaged("what a job said is not there"));
    }
    Ok(Piece::Job {
        job: slug(row)?,
        state: row.try_get::<Option<&str>, _>("state")?.map(parse).transpose()?,
        declaration: declared.map(parse).transpose()?,
        wake_at: row.try_get::<Option<i64>, _>("wake_at")?.map(moment).transpose()?,
    })
}

fn notice(row: &PgRow) -> sqlx::Result<Piece> {
    Ok(Piece::Notice(parse(row.try_get("item")?)?))
}

fn address(row: &PgRow) -> sqlx::Result<Piece> {
    let Id(address): Id = row.try_get("address")?;
    Ok(Piece::Address { job: slug(row)?, address })
}

fn flip(row: &PgRow) -> sqlx::Result<Piece> {
    Ok(Piece::Flip { job: slug(row)?, flip: parse(row.try_get("fact")?)? })
}

fn missed(row: &PgRow) -> sqlx::Result<Piece> {
    Ok(Piece::Missed { job: slug(row)?, missed: parse(row.try_get("fact")?)? })
}

/// The next evidence. What can't be understood is left out.
#[derive(Clone, Copy)]
struct EvidencePage;

impl Look for EvidencePage {
    type Seen = Option<Vec<Piece>>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Vec<Piece>>> {
        let rows = fetch(connection, "evidence_out").await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (mut found, mut heard) = (Found::default(), Vec::with_capacity(rows.len()));
        for row in &rows {
            match found.add_whole(row) {
                Ok(()) => heard.push(row.try_get("heard")?),
                Err(error) => tracing::warn!(%error, "evidence can't be understood and is left out"),
            }
        }
        let found = found.with_declarations(connection).await?;
        let piece =
            |(evidence, heard)| Piece::Evidence { evidence: Evidence { key: None, ..evidence }, heard };
        Ok(Some(found.into_iter().zip(heard).map(piece).collect()))
    }
}

/// What of the roll is in no other table.
struct Rest;

impl Look for Rest {
    type Seen = Roll;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Roll> {
        let row = sqlx::query("select rest from roll").fetch_one(connection).await?;
        let stored = rest_of(row.try_get("rest")?)?;
        Ok(Roll { called_at: stored.called_at, gaps: stored.gaps, ..Roll::default() })
    }
}

/// When a server was last there.
struct LastSeen;

impl Look for LastSeen {
    type Seen = Option<Timestamp>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Timestamp>> {
        let row = sqlx::query("select max(seen_at) as at from nodes").fetch_one(connection).await?;
        row.try_get::<Option<i64>, _>("at")?.map(moment).transpose()
    }
}
