//! The outbox in its table.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tenko_core::Slug;
use tenko_core::outbox::{Item, Status};
use uuid::Uuid;

use super::columns::{Id, parse, rounded_up};
use super::error::damaged;

/// An item as it lies in the table.
pub(super) struct Stored {
    pub(super) position: i64,
    pub(super) job: i32,
    pub(super) text: String,
}

impl Stored {
    /// From the columns `position`, `job` and `item`.
    pub(super) fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self { position: row.try_get("position")?, job: row.try_get("job")?, text: row.try_get("item")? })
    }

    pub(super) fn item(&self) -> sqlx::Result<Item> {
        parse(&self.text)
    }
}

/// When an item can be claimed next.
pub(super) fn ready_at(item: &Item) -> Option<i64> {
    match item.status {
        Status::Ready { not_before: moment } | Status::Claimed { until: moment, .. } => {
            Some(rounded_up(moment))
        }
        Status::Dead { .. } => None,
    }
}

/// What has to be written so that the table holds certain items in their order.
#[derive(Default)]
pub(super) struct Difference {
    gone: Vec<i64>,
    positions: Vec<i64>,
    changed: Vec<(Option<i64>, String)>,
    new: Vec<New>,
}

struct New {
    notice: Id,
    job: Slug,
    channel: String,
    ready_at: Option<i64>,
    text: String,
}

impl Difference {
    /// From what is stored, sorted by position, to what is wanted: an item keeps its position unless something was put in
    /// before it.
    pub(super) fn add(&mut self, stored: &[(Uuid, Stored)], wanted: &[Item]) -> sqlx::Result<()> {
        let mut places: HashMap<Uuid, &Stored> = stored.iter().map(|(id, row)| (*id, row)).collect();
        let (mut kept, mut last) = (0, i64::MIN);
        for item in wanted {
            let Some(row) = places.get(&item.notice.id).filter(|row| row.position > last) else { break };
            last = row.position;
            let text = text_of(item)?;
            if text != row.text {
                self.positions.push(row.position);
                self.changed.push((ready_at(item), text));
            }
            places.remove(&item.notice.id);
            kept += 1;
        }
        self.gone.extend(places.values().map(|row| row.position));
        for item in &wanted[kept..] {
            self.new.push(New {
                notice: Id(item.notice.id),
                job: item.notice.job.clone(),
                channel: item.notice.channel.to_string(),
                ready_at: ready_at(item),
                text: text_of(item)?,
            });
        }
        Ok(())
    }

    /// The jobs of items that are new.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Slug> {
        self.new.iter().map(|new| &new.job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.positions.is_empty() && self.new.is_empty()
    }

    /// Writes it.
    pub(super) async fn write(
        self,
        connection: &mut PgConnection,
        numbers: &HashMap<Slug, i32>,
    ) -> sqlx::Result<()> {
        if !self.gone.is_empty() {
            let sql = "delete from outbox where position = any($1)";
            sqlx::query(sql).bind(self.gone).execute(&mut *connection).await?;
        }
        write_over(connection, self.positions, self.changed).await?;
        insert(connection, self.new, numbers).await
    }
}

/// Writes items over those at these positions.
pub(super) async fn update(
    connection: &mut PgConnection,
    positions: Vec<i64>,
    items: &[Item],
) -> sqlx::Result<()> {
    let changed = items.iter().map(|item| Ok((ready_at(item), text_of(item)?)));
    write_over(connection, positions, changed.collect::<sqlx::Result<_>>()?).await
}

pub(super) const UPDATE: &str = "update outbox o set ready_at = c.ready_at, item = c.item
               from unnest($1::bigint[], $2::bigint[], $3::text[]) as c (position, ready_at, item)
               where o.position = c.position";

async fn write_over(
    connection: &mut PgConnection,
    positions: Vec<i64>,
    changed: Vec<(Option<i64>, String)>,
) -> sqlx::Result<()> {
    if positions.is_empty() {
        return Ok(());
    }
    let (ready, texts): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    sqlx::query(UPDATE).bind(positions).bind(ready).bind(texts).execute(connection).await.map(drop)
}

async fn insert(
    connection: &mut PgConnection,
    new: Vec<New>,
    numbers: &HashMap<Slug, i32>,
) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let (mut notices, mut jobs, mut channels) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ready, mut texts) = (Vec::new(), Vec::new());
    for item in new {
        notices.push(item.notice);
        jobs.push(*numbers.get(&item.job).ok_or_else(|| damaged("a job has no number"))?);
        channels.push(item.channel);
        ready.push(item.ready_at);
        texts.push(item.text);
    }
    // The first to know of an item is the row of its job: see `has_items`.
    let sql = "with noted as (update states set has_items = true where job = any($2) and not has_items)
               insert into outbox (notice, job, channel, ready_at, item)
               select notice, job, channel, ready_at, item
               from unnest($1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::text[])
                   with ordinality as n (notice, job, channel, ready_at, item, place)
               order by place";
    let query = sqlx::query(sql).bind(notices).bind(jobs).bind(channels).bind(ready).bind(texts);
    query.execute(connection).await?;
    Ok(())
}

fn text_of(item: &Item) -> sqlx::Result<String> {
    serde_json::to_string(item).map_err(damaged)
}
