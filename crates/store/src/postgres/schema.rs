//! How a database comes to have its tables.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::address::Address;
use super::error;
use crate::{ErrorKind, Result, StoreError};

/// What brings the tables from one version to the next. Only ever added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];
/// The version that this Tenko writes.
const VERSION: i32 = MIGRATIONS.len() as i32;
const DOING: &str = "prepare the tables in";

/// Makes the tables, or brings them to the newest version. Tables of a newer Tenko are not touched.
pub(super) async fn prepare(connection: &mut PgConnection, address: &Address) -> Result<()> {
    let failed = |source| error::from(DOING, &address.shown, source);
    let found = match version(connection).await {
        Ok(found) => found,
        Err(source) if error::code(&source).as_deref() == Some("42P01") => None,
        Err(source) => return Err(failed(source)),
    };
    match found {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(refused(address)),
        _ => migrate(connection, address).await,
    }
}

fn refused(address: &Address) -> StoreError {
    let shown = &address.shown;
    StoreError::new(ErrorKind::Newer, format!("a newer version of Tenko has written {shown}"))
        .hint("upgrade Tenko on this machine; nothing was changed")
}

async fn version(connection: &mut PgConnection) -> sqlx::Result<Option<i32>> {
    let row = sqlx::query("select max(version) as version from migrations").fetch_one(connection).await?;
    row.try_get("version")
}

/// Whoever comes first does it, the others wait. An error leaves the connection in a transaction: it is not used again.
async fn migrate(connection: &mut PgConnection, address: &Address) -> Result<()> {
    let failed = |source| error::from(DOING, &address.shown, source);
    let found = begin(connection, &address.schema).await.map_err(failed)?;
    if found > VERSION {
        return Err(refused(address));
    }
    for (number, step) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(step).execute(&mut *connection).await.map_err(failed)?;
        let note = "insert into migrations (version) values ($1)";
        sqlx::query(note).bind::<i32>(number).execute(&mut *connection).await.map_err(failed)?;
    }
    sqlx::raw_sql("commit").execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Begins a transaction in which nobody else makes tables; gives the version that is there.
async fn begin(connection: &mut PgConnection, schema: &str) -> sqlx::Result<i32> {
    sqlx::raw_sql("begin").execute(&mut *connection).await?;
    let lock = "select pg_advisory_xact_lock(hashtextextended('tenko.migrations.' || $1, 0))";
    sqlx::query(lock).bind(schema).execute(&mut *connection).await?;
    let is_there = sqlx::query("select from pg_namespace where nspname = $1").bind(schema);
    // To create one that is there needs the same right as to create one that is not.
    if is_there.fetch_optional(&mut *connection).await?.is_none() {
        let create = format!("create schema \"{schema}\"");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await?;
    }
    let table = "create table if not exists migrations (
                     version int primary key, made_at timestamptz not null default now())";
    sqlx::raw_sql(table).execute(&mut *connection).await?;
    Ok(version(connection).await?.unwrap_or(0))
}
