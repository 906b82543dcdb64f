//! States of jobs, on their way into their table.

use std::collections::HashMap;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use tenko_core::Declaration;
use uuid::Uuid;

use super::columns::{Id, hash_of};
use super::error::damaged;

/// Puts a text where those are that are to be kept; gives what it is known by.
pub(super) fn note(texts: &mut HashMap<Uuid, String>, said: &Declaration) -> sqlx::Result<Id> {
    let text = serde_json::to_string(said).map_err(damaged)?;
    let hash = hash_of(&text);
    texts.entry(hash).or_insert(text);
    Ok(Id(hash))
}

/// States of jobs, column by column.
#[derive(Default)]
pub(super) struct States {
    forgotten: Vec<i32>,
    jobs: Vec<i32>,
    states: Vec<Option<String>>,
    declarations: Vec<Option<Id>>,
    wake_at: Vec<Option<i64>>,
    have_items: Vec<bool>,
}

impl States {
    /// Adds a job; one of which nothing is kept is forgotten. `has_items` is false only if it is known that it has none.
    pub(super) fn add(
        &mut self,
        job: i32,
        state: Option<String>,
        declaration: Option<Id>,
        wake_at: Option<i64>,
        has_items: bool,
    ) {
        if state.is_none() && declaration.is_none() {
            self.forget(job);
            return;
        }
        self.jobs.push(job);
        self.states.push(state);
        self.declarations.push(declaration);
        self.wake_at.push(wake_at);
        self.have_items.push(has_items);
    }

    /// Nothing is kept of a job any more, except its items.
    pub(super) fn forget(&mut self, job: i32) {
        self.forgotten.push(job);
    }

    /// Whether there are none, besides those that are forgotten.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Writes them, whether anything is kept of the jobs or not.
    pub(super) async fn write(mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.write_forgotten(connection).await?;
        if self.is_empty() {
            return Ok(());
        }
        let sql = "insert into states (job, state, declaration, wake_at, has_items)
                   select * from unnest($1::int[], $2::text[], $3::uuid[], $4::bigint[], $5::bool[])
                   on conflict (job) do update set
                       state = excluded.state, declaration = excluded.declaration, wake_at = excluded.wake_at,
                       has_items = states.has_items and excluded.has_items";
        self.bind(sqlx::query(sql)).execute(connection).await.map(drop)
    }

    /// Removes those that are forgotten.
    pub(super) async fn write_forgotten(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if self.forgotten.is_empty() {
            return Ok(());
        }
        let sql = "delete from states where job = any($1)";
        sqlx::query(sql).bind(std::mem::take(&mut self.forgotten)).execute(connection).await.map(drop)
    }

    /// Binds the columns of those that are not forgotten: job, state, declaration, when to wake, whether there are items.
    pub(super) fn bind<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        let query = query.bind(self.jobs).bind(self.states).bind(self.declarations);
        query.bind(self.wake_at).bind(self.have_items)
    }
}
