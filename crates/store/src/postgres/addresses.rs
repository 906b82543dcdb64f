//! The addresses of jobs, and keys.

use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tenko_core::Slug;
use uuid::Uuid;

use super::adding::job_numbers;
use super::columns::{Id, moment};
use super::error::damaged;
use super::work::{Look, Work};
use crate::live::Key;

pub(super) const JOB_AT: &str =
    "select j.slug from addresses a join jobs j on j.id = a.job where a.address = $1";
pub(super) const OF_JOBS: &str =
    "select j.slug, a.address from jobs j join addresses a on a.job = j.id where j.slug = any($1)";

/// The job at an address.
pub(super) struct JobAt(pub(super) Uuid);

impl Look for JobAt {
    type Seen = Option<Slug>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Option<Slug>> {
        job_at(connection, self.0).await
    }
}

async fn job_at(connection: &mut PgConnection, address: Uuid) -> sqlx::Result<Option<Slug>> {
    let row = sqlx::query(JOB_AT).bind(Id(address)).fetch_optional(connection).await?;
    row.map(|row| row.try_get::<&str, _>("slug")?.parse().map_err(damaged)).transpose()
}

/// The addresses of those jobs that have one.
pub(super) struct Addresses<'a>(pub(super) &'a [Slug]);

impl Look for Addresses<'_> {
    type Seen = HashMap<Slug, Uuid>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<HashMap<Slug, Uuid>> {
        let slugs: Vec<&str> = self.0.iter().map(Slug::as_str).collect();
        let rows = sqlx::query(OF_JOBS).bind(slugs).fetch_all(connection).await?;
        let read = rows.iter().map(|row| {
            let Id(address) = row.try_get("address")?;
            Ok((row.try_get::<&str, _>("slug")?.parse().map_err(damaged)?, address))
        });
        read.collect()
    }
}

/// An address that another job has.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) address: Uuid,
    pub(super) by: Slug,
}

/// Gives addresses to jobs that have none.
pub(super) struct Give<'a> {
    pub(super) jobs: &'a [Slug],
    pub(super) proposed: Option<Uuid>,
}

impl Work for Give<'_> {
    type Done = Result<HashMap<Slug, Uuid>, Taken>;

    fn is_void(&self, done: &Self::Done) -> bool {
        done.is_err()
    }

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Self::Done> {
        let numbers = job_numbers(connection, self.jobs).await?;
        let known = Addresses(self.jobs).look_in(connection).await?;
        let without: BTreeSet<&Slug> = self.jobs.iter().filter(|job| !known.contains_key(*job)).collect();
        for (place, job) in without.iter().enumerate() {
            let number = numbers.get(*job).ok_or_else(|| damaged("a job has no number"))?;
            let address = self.proposed.filter(|_| place == 0).unwrap_or_else(Uuid::new_v4);
            let sql = "insert into addresses (address, job) values ($1, $2) on conflict do nothing";
            sqlx::query(sql).bind(Id(address)).bind(number).execute(&mut *connection).await?;
        }
        let now = Addresses(self.jobs).look_in(connection).await?;
        match (self.proposed, self.jobs.iter().all(|job| now.contains_key(job))) {
            (Some(address), false) => {
                let by = job_at(connection, address).await?;
                Ok(Err(Taken {
                    address,
                    by: by.ok_or_else(|| damaged("an address is neither free nor taken"))?,
                }))
            }
            _ => Ok(Ok(now)),
        }
    }
}

/// Keeps a key, in place of one of the same purpose and name.
pub(super) struct KeepKey<'a>(pub(super) &'a Key);

impl Work for KeepKey<'_> {
    type Done = ();

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let Key { purpose, name, hash, made_at } = self.0;
        let sql = "insert into keys (purpose, name, hash, made_at) values ($1, $2, $3, $4)
                   on conflict (purpose, name) do update set hash = excluded.hash, made_at = excluded.made_at";
        let query = sqlx::query(sql).bind(purpose).bind(name).bind(hash.as_slice());
        query.bind(made_at.as_millisecond()).execute(connection).await.map(drop)
    }
}

/// All keys.
pub(super) struct Keys;

impl Look for Keys {
    type Seen = Vec<Key>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Key>> {
        let rows = sqlx::query("select purpose, name, hash, made_at from keys order by purpose, name");
        rows.fetch_all(connection).await?.iter().map(key).collect()
    }
}

fn key(row: &PgRow) -> sqlx::Result<Key> {
    Ok(Key {
        purpose: row.try_get("purpose")?,
        name: row.try_get("name")?,
        hash: row.try_get::<&[u8], _>("hash")?.try_into().map_err(damaged)?,
        made_at: moment(row.try_get("made_at")?)?,
    })
}

/// Forgets a key; says whether there was one.
pub(super) struct ForgetKey<'a> {
    pub(super) purpose: &'a str,
    pub(super) name: &'a str,
}

impl Work for ForgetKey<'_> {
    type Done = bool;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        let query = sqlx::query("delete from keys where purpose = $1 and name = $2");
        let done = query.bind(self.purpose).bind(self.name).execute(connection).await?;
        Ok(done.rows_affected() > 0)
    }
}
