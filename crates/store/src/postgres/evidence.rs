//! Evidence in its tables.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tenko_core::roll::Cursor;
use tenko_core::{Declaration, Evidence, RunId, Slug};

use super::clock::{CLOCK, Clock};
use super::columns::{Id, kind_of, moment, number_of, parse, rounded_up, unpack};
use super::error::damaged;
use super::work::Look;
use crate::{News, Unreadable};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// What a cursor of this store begins with, so that it is not taken for that of another.
const CURSOR: &str = "txn:";

/// Evidence that was added since a cursor.
pub(super) struct Newer<'a> {
    pub(super) since: &'a Cursor,
    pub(super) clock: &'a Clock,
}

pub(super) const NEWER: &str = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration
                   from evidence e join jobs j on j.id = e.job
                   where e.txn >= $1::text::xid8 and not pg_visible_in_snapshot(e.txn, $2::text::pg_snapshot)
                   order by e.txn, e.seq";

impl Look for Newer<'_> {
    type Seen = News;

    /// Neither the numbers of rows nor those of transactions say in which order they become visible: what was read is
    /// known by the snapshot in which it was.
    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<News> {
        let sql = format!(
            "select s::text as snapshot, pg_snapshot_xmax(s)::text::bigint as next, {CLOCK} as now
             from pg_current_snapshot() s"
        );
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        self.clock.set(moment(row.try_get("now")?)?);
        let (snapshot, next): (String, i64) = (row.try_get("snapshot")?, row.try_get("next")?);
        // After it was restored elsewhere, a database counts anew.
        let since = Read::up_to(self.since).filter(|read| read.last <= next).unwrap_or_default();
        let mut news = News { cursor: cursor(&snapshot), ..News::default() };
        let query = sqlx::query(NEWER).bind(since.first.to_string()).bind(&since.snapshot);
        let mut rows = query.fetch(&mut *connection);
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

/// A cursor that says that everything was read which is visible in a snapshot.
pub(super) fn cursor(snapshot: &str) -> Cursor {
    Cursor(format!("{CURSOR}{snapshot}"))
}

/// What was read: everything that is visible in a snapshot.
pub(super) struct Read {
    /// As PostgreSQL writes it: `xmin:xmax:xip,xip`.
    pub(super) snapshot: String,
    /// Before this transaction, everything.
    first: i64,
    /// From this transaction on, nothing.
    last: i64,
}

impl Default for Read {
    fn default() -> Self {
        Self { snapshot: "1:1:".into(), first: 1, last: 1 }
    }
}

impl Read {
    /// Understands a cursor of this store, and no other.
    pub(super) fn up_to(cursor: &Cursor) -> Option<Self> {
        let snapshot = cursor.0.strip_prefix(CURSOR)?;
        let (first, rest) = snapshot.split_once(':')?;
        let (last, between) = rest.split_once(':')?;
        let number =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
        let (first, last) = (number(first)?, number(last)?);
        let between = between.split(',').filter(|text| !text.is_empty()).map(number);
        let between: Vec<i64> = between.collect::<Option<_>>()?;
        let sorted = between.is_sorted_by(|one, other| one < other);
        let inside = between.iter().all(|number| (first..last).contains(number));
        (first > 0 && first <= last && sorted && inside).then(|| Self {
            snapshot: snapshot.to_owned(),
            first,
            last,
        })
    }
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
pub(super) struct Whole<'a>(pub(super) &'a Evidence);

pub(super) const WHOLE: &str = "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration, v.body as via, r.report
    from evidence e join jobs j on j.id = e.job left join said v on v.id = e.via left join reports r on r.seq = e.seq
    where j.slug = $1 and e.run = $2 and least(e.kind, 3::smallint) = least($3, 3::smallint)";

impl Look for Whole<'_> {
    type Seen = Option<Evidence>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Evidence>> {
        let Evidence { job, run, kind, .. } = self.0;
        let query = sqlx::query(WHOLE).bind(job.as_str()).bind(Id(run.0)).bind(number_of(*kind));
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

pub(super) const HEAR: &str =
    "delete from unheard u using unnest($1::text[]::xid8[], $2::bigint[]) as h (txn, seq)
                   where u.txn = h.txn and u.seq = h.seq";

/// Evidence that is heard in this transaction.
#[derive(Default)]
pub(super) struct Heard {
    transactions: Vec<String>,
    numbers: Vec<i64>,
}

impl Heard {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Notes that it was heard.
    pub(super) async fn write(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(HEAR).bind(self.transactions).bind(self.numbers);
        query.execute(connection).await.map(drop)
    }
}

/// Waits for whoever is just hearing: whoever went on would judge by less than is there.
pub(super) const LOCK_UNHEARD: &str =
    "select u.txn::text as txn, u.seq from unheard u order by u.txn, u.seq limit $1 for update";
pub(super) const UNHEARD: &str =
    "select e.seq, j.slug, e.run, e.kind, e.at, e.received_at, e.declaration, v.body as via, r.report
    from unnest($1::text[]::xid8[], $2::bigint[]) as u (txn, seq)
    join evidence e on e.txn = u.txn and e.seq = u.seq join jobs j on j.id = e.job
    left join said v on v.id = e.via left join reports r on r.seq = e.seq
    order by e.seq";

/// Evidence that nobody has heard, the oldest first, with reports; not what another is just hearing. What can't be
/// understood counts as heard, too.
pub(super) async fn unheard(
    connection: &mut PgConnection,
    most: usize,
) -> sqlx::Result<(Heard, Vec<Evidence>)> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sqlx::query(LOCK_UNHEARD).bind(most).fetch_all(&mut *connection).await?;
    let mut heard = Heard::default();
    for row in rows {
        heard.transactions.push(row.try_get("txn")?);
        heard.numbers.push(row.try_get("seq")?);
    }
    if heard.is_empty() {
        return Ok((heard, Vec::new()));
    }
    let query = sqlx::query(UNHEARD).bind(&heard.transactions).bind(&heard.numbers);
    let mut pieces = Pieces::default();
    for row in query.fetch_all(&mut *connection).await? {
        if let Err(error) = pieces.add_whole(&row) {
            tracing::warn!(%error, "evidence can't be understood");
        }
    }
    Ok((heard, pieces.with_declarations(connection).await?))
}
