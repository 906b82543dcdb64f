//! Evidence in its tables.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tenko_core::roll::Cursor;
use tenko_core::{Declaration, Evidence, RunId, Slug};

use super::columns::{Id, kind_of, moment, number_of, parse, rounded_up, unpack};
use super::error::damaged;
use super::work::Look;
use crate::{News, Unreadable};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// What a cursor of this store begins with, so that it is not taken for that of another.
const CURSOR: &str = "txn:";

/// Evidence that was added since a cursor.
pub(super) struct Newer<'a>(pub(super) &'a Cursor);

impl Look for Newer<'_> {
    type Seen = News;

    /// The numbers of transactions say in which order they began, not in which they end. Below the oldest that was under
    /// way, none is added any more: from there on it is read again the next time.
    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<News> {
        let sql =
            "select pg_snapshot_xmin(s)::text::bigint as oldest, pg_snapshot_xmax(s)::text::bigint as next
                   from pg_current_snapshot() s";
        let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
        let (oldest, next): (i64, i64) = (row.try_get("oldest")?, row.try_get("next")?);
        // After it was restored elsewhere, a database counts anew.
        let since = transaction_of(self.0).filter(|since| *since <= next).unwrap_or(0);
        let sql = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration
                   from evidence e join jobs j on j.id = e.job
                   where e.txn >= $1::text::xid8 order by e.txn, e.seq";
        let mut news = News { cursor: Cursor(format!("{CURSOR}{oldest}")), ..News::default() };
        let mut rows = sqlx::query(sql).bind(since.to_string()).fetch(&mut *connection);
        let mut pieces = Pieces::default();
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = pieces.add(&row) {
                let key = row.try_get::<i64, _>("seq")?.to_string();
                news.unreadable.push(Unreadable { key, problem: error.to_string() });
            }
        }
        drop(rows);
        news.evidence = pieces.with_declarations(connection).await?;
        Ok(news)
    }
}

/// The transaction before which everything was read.
pub(super) fn transaction_of(cursor: &Cursor) -> Option<i64> {
    cursor.0.strip_prefix(CURSOR)?.parse().ok().filter(|number| *number >= 0)
}

/// Evidence that happened in a span, sorted, without reports. What can't be understood is left out: news tell of it.
pub(super) struct Between<'a> {
    pub(super) job: Option<&'a Slug>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

pub(super) const OF_ALL: &str = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration
    from evidence e join jobs j on j.id = e.job
    where e.at / 3600000 between $1 and $2 and e.at >= $3 and e.at < $4 order by e.at, e.seq";
pub(super) const OF_ONE: &str = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration
    from jobs j join evidence e on e.job = j.id
    where j.slug = $5 and e.at / 86400000 between $1 and $2 and e.at >= $3 and e.at < $4 order by e.at, e.seq";

impl Look for Between<'_> {
    type Seen = Vec<Evidence>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Evidence>> {
        let (from, to) = (rounded_up(self.from), rounded_up(self.to));
        let (sql, span) = if self.job.is_some() { (OF_ONE, DAY) } else { (OF_ALL, HOUR) };
        let query = sqlx::query(sql).bind(from / span).bind(to / span).bind(from).bind(to);
        let query = match self.job {
            Some(job) => query.bind(job.as_str()),
            None => query,
        };
        let mut rows = query.fetch(&mut *connection);
        let mut pieces = Pieces::default();
        while let Some(row) = rows.try_next().await? {
            drop(pieces.add(&row));
        }
        drop(rows);
        pieces.with_declarations(connection).await
    }
}

/// When the oldest evidence happened.
pub(super) struct Oldest;

/// By the index: first the hour, then the piece.
pub(super) const OLDEST: &str = "select min(at) as at from evidence
    where at / 3600000 = (select min(at / 3600000) from evidence)";

impl Look for Oldest {
    type Seen = Option<Timestamp>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Timestamp>> {
        let row = sqlx::query(OLDEST).fetch_one(connection).await?;
        row.try_get::<Option<i64>, _>("at")?.map(moment).transpose()
    }
}

/// The same evidence with its report, if it is there.
pub(super) struct Read<'a>(pub(super) &'a Evidence);

pub(super) const READ: &str = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration, v.body as via, r.report
    from evidence e join jobs j on j.id = e.job left join said v on v.id = e.via left join reports r on r.seq = e.seq
    where j.slug = $1 and e.run = $2 and least(e.kind, 3::smallint) = least($3, 3::smallint)";

impl Look for Read<'_> {
    type Seen = Option<Evidence>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Evidence>> {
        let Evidence { job, run, kind, .. } = self.0;
        let query = sqlx::query(READ).bind(job.as_str()).bind(Id(run.0)).bind(number_of(*kind));
        let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(None) };
        let mut pieces = Pieces::default();
        pieces.add_whole(&row)?;
        Ok(pieces.with_declarations(connection).await?.pop())
    }
}

/// Collects evidence row by row.
#[derive(Default)]
pub(super) struct Pieces {
    found: Vec<(Evidence, Option<i32>)>,
}

impl Pieces {
    fn add(&mut self, row: &PgRow) -> sqlx::Result<()> {
        let job: Slug = row.try_get::<&str, _>("slug")?.parse().map_err(damaged)?;
        let Id(run) = row.try_get("run")?;
        let kind = kind_of(row.try_get("kind")?)?;
        let piece = Evidence::new(job, RunId(run), kind, moment(row.try_get("at")?)?);
        let received_at = Some(moment(row.try_get("received_at")?)?);
        let key = Some(row.try_get::<i64, _>("seq")?.to_string());
        self.found.push((Evidence { received_at, key, ..piece }, row.try_get("declaration")?));
        Ok(())
    }

    /// With the report.
    pub(super) fn add_whole(&mut self, row: &PgRow) -> sqlx::Result<()> {
        let mut report = unpack(row.try_get("report")?)?;
        report.via = row.try_get::<Option<&str>, _>("via")?.map(parse).transpose()?;
        self.add(row)?;
        if let Some((piece, _)) = self.found.last_mut() {
            piece.report = report;
        }
        Ok(())
    }

    /// Many say the same, which is fetched and understood once.
    pub(super) async fn with_declarations(
        self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Vec<Evidence>> {
        let numbers: HashSet<i32> = self.found.iter().filter_map(|(_, number)| *number).collect();
        let said = declarations(connection, numbers.into_iter().collect()).await?;
        let whole = self.found.into_iter().map(|(piece, number)| {
            let declaration = number.and_then(|number| said.get(&number).cloned());
            Evidence { declaration, ..piece }
        });
        Ok(whole.collect())
    }
}

async fn declarations(
    connection: &mut PgConnection,
    numbers: Vec<i32>,
) -> sqlx::Result<HashMap<i32, Declaration>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query("select id, body from said where id = any($1)").bind(numbers);
    let rows = rows.fetch_all(connection).await?;
    let said = rows.iter().map(|row| Ok((row.try_get("id")?, parse(row.try_get("body")?)?)));
    said.collect()
}
