//! What is kept of single jobs.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tenko_core::{Declaration, Slug};
use uuid::Uuid;

use super::adding::{find_jobs, job_numbers};
use super::columns::{Id, moment, parse};
use super::error::damaged;
use super::known::Known;
use super::outbox::Stored;
use super::work::Look;
use crate::live::{Agenda, Entry};

/// A job as it lies in the tables.
pub(super) struct Row {
    pub(super) job: i32,
    pub(super) slug: Slug,
    pub(super) state: Option<String>,
    pub(super) declaration: Option<Id>,
    pub(super) wake_at: Option<i64>,
    /// If not, there are none in the outbox.
    has_items: bool,
    /// Its items, oldest first, by the id of the notice.
    pub(super) items: Vec<(Uuid, Stored)>,
}

impl Row {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            job: row.try_get("job")?,
            slug: row.try_get::<&str, _>("slug")?.parse().map_err(damaged)?,
            state: row.try_get("state")?,
            declaration: row.try_get("declaration")?,
            wake_at: row.try_get("wake_at")?,
            has_items: row.try_get("has_items")?,
            items: Vec::new(),
        })
    }

    /// What it says.
    pub(super) fn entry(&self, declared: &HashMap<Id, Declaration>) -> sqlx::Result<Entry> {
        let declaration = self.declaration.map(|hash| declared.get(&hash).cloned());
        let missing = || damaged("what a job said is not there");
        Ok(Entry {
            state: self.state.as_deref().map(parse).transpose()?,
            declaration: declaration.map(|found| found.ok_or_else(missing)).transpose()?,
            items: self.items.iter().map(|(_, stored)| stored.item()).collect::<sqlx::Result<_>>()?,
        })
    }
}

/// How many jobs are asked for is hidden from the planner, which takes a plan for any number then instead of making one each
/// time; and that plan finds them by indexes however small the table was when it was made.
pub(super) const LOCK_JOBS: &str = "select s.job, (select slug from jobs where id = s.job) as slug,
        s.state, s.declaration, s.wake_at, s.has_items
    from states s where s.job = any(array(select unnest($1::int[])))
    order by s.job for update";
pub(super) const LOCK_DUE: &str = "select s.job, j.slug, s.state, s.declaration, s.wake_at, s.has_items
    from states s join jobs j on j.id = s.job where s.wake_at <= $1
    order by s.wake_at limit $2 for update of s skip locked";

pub(super) const LOCK_ITEMS: &str =
    "select position, job, notice, item from outbox where job = any($1) order by position for update";

/// Jobs that nobody else decides about until the transaction ends.
pub(super) struct Locked<'k> {
    known: &'k Known,
    pub(super) rows: HashMap<Slug, Row>,
    /// Those that have a row only because it was needed to lock them.
    pub(super) made: HashSet<Slug>,
}

impl<'k> Locked<'k> {
    /// None yet.
    pub(super) fn new(known: &'k Known) -> Self {
        Self { known, rows: HashMap::new(), made: HashSet::new() }
    }

    /// Locks these jobs too, whether anything is kept of them or not.
    pub(super) async fn add(&mut self, connection: &mut PgConnection, jobs: &[&Slug]) -> sqlx::Result<()> {
        let mut missing: Vec<&Slug> =
            jobs.iter().copied().filter(|job| !self.rows.contains_key(*job)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let numbers = self.numbers(connection, &missing).await?;
        let mut found = lock(connection, numbers, &mut missing, self.known).await?;
        // Another, who had made one, may have forgotten it before we got it.
        while !missing.is_empty() {
            let numbers = make(connection, &missing).await?;
            found.extend(lock(connection, numbers, &mut missing, self.known).await?);
        }
        self.keep(connection, found).await
    }

    /// The numbers of those that have one.
    async fn numbers(&self, connection: &mut PgConnection, jobs: &[&Slug]) -> sqlx::Result<Vec<i32>> {
        let (mut numbers, unknown) = self.known.numbers(jobs);
        if !unknown.is_empty() {
            numbers.extend(find_jobs(connection, &unknown).await?.into_values());
        }
        Ok(numbers)
    }

    /// Locks jobs that have to be looked at by a moment, in milliseconds, but not those that others have locked.
    pub(super) async fn add_due(
        &mut self,
        connection: &mut PgConnection,
        by: i64,
        most: usize,
    ) -> sqlx::Result<()> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = sqlx::query(LOCK_DUE).bind(by).bind(most).fetch_all(&mut *connection).await?;
        let found = rows.iter().map(Row::read).collect::<sqlx::Result<_>>()?;
        self.keep(connection, found).await
    }

    /// The items are read after the jobs are locked: what was written before the lock was given is among them. So does a
    /// row say whether there are any: of one that was waited for, what is read is the newest.
    async fn keep(&mut self, connection: &mut PgConnection, mut found: Vec<Row>) -> sqlx::Result<()> {
        add_items(connection, &mut found, true).await?;
        for row in found {
            if row.state.is_none() && row.declaration.is_none() {
                self.made.insert(row.slug.clone());
            }
            self.rows.insert(row.slug.clone(), row);
        }
        Ok(())
    }

    /// What is kept of the jobs, by name.
    pub(super) async fn declarations(
        &self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<HashMap<Id, Declaration>> {
        self.known
            .declarations(connection, self.rows.values().filter_map(|row| row.declaration).collect())
            .await
    }
}

/// Locks those that have a row, and leaves the others. The names of the jobs are read with them: what is known of their
/// numbers is wrong if somebody has put another database there.
async fn lock(
    connection: &mut PgConnection,
    numbers: Vec<i32>,
    jobs: &mut Vec<&Slug>,
    known: &Known,
) -> sqlx::Result<Vec<Row>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(LOCK_JOBS).bind(numbers).fetch_all(connection).await?;
    let names = rows.iter().map(|row| row.try_get("slug")).collect::<sqlx::Result<Vec<Option<&str>>>>()?;
    let asked: HashSet<&str> = jobs.iter().map(|job| job.as_str()).collect();
    if !names.iter().all(|name| name.is_some_and(|name| asked.contains(name))) {
        known.forget();
        return Err(sqlx::Error::Protocol("jobs have other numbers than before".into()));
    }
    let found: Vec<Row> = rows.iter().map(Row::read).collect::<sqlx::Result<_>>()?;
    let there: HashSet<&Slug> = found.iter().map(|row| &row.slug).collect();
    jobs.retain(|job| !there.contains(*job));
    known.saw_jobs(found.iter().map(|row| (&row.slug, row.job)));
    Ok(found)
}

/// Makes rows of which it is not known whether there are items; gives the numbers of the jobs.
async fn make(connection: &mut PgConnection, jobs: &[&Slug]) -> sqlx::Result<Vec<i32>> {
    let numbers = job_numbers(connection, jobs.iter().copied()).await?;
    let mut numbers: Vec<i32> = numbers.into_values().collect();
    numbers.sort_unstable();
    let sql = "insert into states (job) select * from unnest($1::int[]) on conflict do nothing";
    sqlx::query(sql).bind(&numbers).execute(connection).await?;
    Ok(numbers)
}

async fn add_items(connection: &mut PgConnection, rows: &mut [Row], lock: bool) -> sqlx::Result<()> {
    let places = rows.iter().enumerate().filter(|(_, row)| row.has_items);
    let places: HashMap<i32, usize> = places.map(|(place, row)| (row.job, place)).collect();
    if places.is_empty() {
        return Ok(());
    }
    let sql = match lock {
        true => LOCK_ITEMS,
        false => "select position, job, notice, item from outbox where job = any($1) order by position",
    };
    let jobs: Vec<i32> = places.keys().copied().collect();
    for row in sqlx::query(sql).bind(jobs).fetch_all(connection).await? {
        let (stored, Id(notice)) = (Stored::read(&row)?, row.try_get("notice")?);
        if let Some(place) = places.get(&stored.job) {
            rows[*place].items.push((notice, stored));
        }
    }
    Ok(())
}

/// What is kept of some jobs, as of one moment.
pub(super) struct Entries<'a> {
    pub(super) jobs: &'a [Slug],
    pub(super) known: &'a Known,
}

impl Look for Entries<'_> {
    type Seen = Vec<Entry>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Entry>> {
        sqlx::raw_sql("begin isolation level repeatable read read only").execute(&mut *connection).await?;
        let sql = "select j.id as job, j.slug, s.state, s.declaration, s.wake_at, coalesce(s.has_items, true) as has_items
                   from jobs j left join states s on s.job = j.id where j.slug = any($1)";
        let slugs: Vec<&str> = self.jobs.iter().map(Slug::as_str).collect();
        let rows = sqlx::query(sql).bind(slugs).fetch_all(&mut *connection).await?;
        let mut rows: Vec<Row> = rows.iter().map(Row::read).collect::<sqlx::Result<_>>()?;
        add_items(connection, &mut rows, false).await?;
        let hashes = rows.iter().filter_map(|row| row.declaration).collect();
        let declared = self.known.declarations(connection, hashes).await?;
        sqlx::raw_sql("commit").execute(connection).await?;
        let found: HashMap<&Slug, &Row> = rows.iter().map(|row| (&row.slug, row)).collect();
        let entry = |job| found.get(job).map_or_else(|| Ok(Entry::default()), |row| row.entry(&declared));
        self.jobs.iter().map(entry).collect()
    }
}

/// The names of jobs of which something is kept.
pub(super) struct Names<'a> {
    pub(super) after: Option<&'a Slug>,
    pub(super) most: usize,
}

pub(super) const NAMES: &str = "select slug from jobs j where slug > $1 and (
        exists (select from states where job = j.id and (state is not null or declaration is not null))
        or exists (select from outbox where job = j.id))
    order by slug limit $2";

impl Look for Names<'_> {
    type Seen = Vec<Slug>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Slug>> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let query = sqlx::query(NAMES).bind(self.after.map_or("", Slug::as_str)).bind(most);
        let rows = query.fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get::<&str, _>("slug")?.parse().map_err(damaged)).collect()
    }
}

/// What is to be done next.
pub(super) struct Next;

pub(super) const NEXT: &str = "select
    (select min(wake_at) from states where wake_at is not null) as look,
    (select ready_at from outbox o where ready_at is not null and not exists (
        select from outbox older where older.job = o.job and older.channel = o.channel
            and older.position < o.position and older.ready_at is not null)
     order by ready_at limit 1) as deliver";

impl Look for Next {
    type Seen = Agenda;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Agenda> {
        let row = sqlx::query(NEXT).fetch_one(connection).await?;
        let at = |column: &str| -> sqlx::Result<Option<Timestamp>> {
            row.try_get::<Option<i64>, _>(column)?.map(moment).transpose()
        };
        Ok(Agenda { look: at("look")?, deliver: at("deliver")? })
    }
}
