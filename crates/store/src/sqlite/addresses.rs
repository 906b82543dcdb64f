//! The addresses of jobs, and keys.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use tenko_core::Slug;
use uuid::Uuid;

use super::columns::moment;
use super::entries::slug;
use super::writer::Desk;
use crate::live::Key;

pub(super) const JOB_AT: &str =
    "select j.slug from addresses a join jobs j on j.id = a.job where a.address = ?1";
pub(super) const ADDRESS_OF: &str =
    "select a.address from jobs j join addresses a on a.job = j.id where j.slug = ?1";

/// The job at an address.
pub(super) fn job_at(connection: &Connection, address: Uuid) -> rusqlite::Result<Option<Slug>> {
    let mut find = connection.prepare_cached(JOB_AT)?;
    find.query_row([address.as_bytes()], |row| slug(row.get_ref(0)?)).optional()
}

/// The address of a job, if it has one.
pub(super) fn address_of(connection: &Connection, job: &Slug) -> rusqlite::Result<Option<Uuid>> {
    let mut find = connection.prepare_cached(ADDRESS_OF)?;
    find.query_row([job.as_str()], |row| row.get(0).map(Uuid::from_bytes)).optional()
}

/// An address that another job has.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) address: Uuid,
    pub(super) by: Slug,
}

/// The addresses of jobs. Those that have none are given one.
pub(super) fn give(
    desk: &mut Desk<'_>,
    jobs: &[Slug],
    proposed: Option<Uuid>,
) -> rusqlite::Result<Result<Vec<Uuid>, Taken>> {
    let connection = desk.connection;
    let known = jobs.iter().map(|job| address_of(connection, job)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut without: Vec<&Slug> =
        jobs.iter().zip(&known).filter(|(_, at)| at.is_none()).map(|(job, _)| job).collect();
    without.dedup();
    if let (Some(address), [first, rest @ ..]) = (proposed, without.as_slice()) {
        let taken = job_at(connection, address)?.or_else(|| rest.first().map(|_| (*first).clone()));
        if let Some(by) = taken {
            return Ok(Err(Taken { address, by }));
        }
    }
    for job in without {
        if address_of(connection, job)?.is_none() {
            let id = desk.known.job_id(connection, job)?;
            let address = proposed.unwrap_or_else(Uuid::new_v4);
            let sql = "insert into addresses (address, job) values (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![address.as_bytes(), id])?;
        }
    }
    let now = jobs.iter().map(|job| address_of(connection, job));
    Ok(Ok(now.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect()))
}

/// Keeps a key, in place of one of the same purpose and name.
pub(super) fn keep_key(connection: &Connection, key: &Key) -> rusqlite::Result<()> {
    let sql = "insert into keys (purpose, name, hash, made_at) values (?1, ?2, ?3, ?4)
        on conflict do update set hash = ?3, made_at = ?4";
    let params = params![key.purpose, key.name, key.hash, key.made_at.as_millisecond()];
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

/// All keys.
pub(super) fn keys(connection: &Connection) -> rusqlite::Result<Vec<Key>> {
    let mut select =
        connection.prepare_cached("select purpose, name, hash, made_at from keys order by purpose, name")?;
    let found = select.query_map([], |row| {
        let made_at: Timestamp = moment(row.get(3)?)?;
        Ok(Key { purpose: row.get(0)?, name: row.get(1)?, hash: row.get(2)?, made_at })
    })?;
    found.collect()
}

/// Forgets a key; says whether there was one.
pub(super) fn forget_key(connection: &Connection, purpose: &str, name: &str) -> rusqlite::Result<bool> {
    let sql = "delete from keys where purpose = ?1 and name = ?2";
    Ok(connection.prepare_cached(sql)?.execute([purpose, name])? > 0)
}
