//! Claiming notices, and settling what became of them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::{PgConnection, Row as _};
use tenko_core::ChannelName;
use tenko_core::outbox::{Item, MAX_DEAD, Status};
use uuid::Uuid;

use super::columns::{Id, parse};
use super::error::damaged;
use super::outbox::update;
use super::work::{Look, Work};
use crate::live::Settled;

pub(super) const CLAIMABLE: &str = "select position, item from outbox o
    where channel = $1 and ready_at <= $2 and not exists (
        select from outbox older where older.job = o.job and older.channel = o.channel
            and older.position < o.position and older.ready_at is not null)
    order by position limit $3 for update skip locked";

/// Claims the oldest items to a channel that can be sent. What others are just claiming is passed over.
pub(super) struct Claim<'a> {
    pub(super) channel: &'a ChannelName,
    pub(super) holder: Uuid,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
    pub(super) most: usize,
}

impl Work for Claim<'_> {
    type Done = Vec<Item>;

    fn is_void(&self, done: &Vec<Item>) -> bool {
        done.is_empty()
    }

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Item>> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let query = sqlx::query(CLAIMABLE).bind(self.channel.as_str());
        let rows = query.bind(self.now.as_millisecond()).bind(most).fetch_all(&mut *connection).await?;
        let (mut items, mut positions) = (Vec::new(), Vec::new());
        for row in rows {
            let mut item: Item = parse(row.try_get("item")?)?;
            item.status = Status::Claimed { holder: self.holder, until: self.until };
            item.attempts = item.attempts.saturating_add(1);
            positions.push(row.try_get("position")?);
            items.push(item);
        }
        update(connection, positions, &items).await?;
        Ok(items)
    }
}

/// Records what became of items that were claimed; says of each whether the claim was still held.
pub(super) struct Settle<'a>(pub(super) &'a [Settled]);

pub(super) const CLAIMED: &str =
    "select position, notice, item from outbox where notice = any($1) order by position for update";

impl Work for Settle<'_> {
    type Done = Vec<bool>;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<bool>> {
        let ids: Vec<Id> = self.0.iter().map(|settled| Id(settled.claimed.notice.id)).collect();
        let mut stored: HashMap<Uuid, (i64, Item)> = HashMap::new();
        for row in sqlx::query(CLAIMED).bind(ids).fetch_all(&mut *connection).await? {
            let Id(notice) = row.try_get("notice")?;
            stored.insert(notice, (row.try_get("position")?, parse(row.try_get("item")?)?));
        }
        let mut fate = Fate::default();
        let held = self.0.iter().map(|settled| fate.seal(settled, &mut stored)).collect();
        fate.write(connection).await?;
        Ok(held)
    }
}

pub(super) const DEAD: &str = "delete from outbox where position in (
                           select position from outbox where channel = $1 and ready_at is null
                           order by position desc offset $2)";

/// What is to be done with items.
#[derive(Default)]
struct Fate {
    gone: Vec<i64>,
    positions: Vec<i64>,
    changed: Vec<Item>,
    dead: BTreeSet<ChannelName>,
}

impl Fate {
    fn seal(&mut self, settled: &Settled, stored: &mut HashMap<Uuid, (i64, Item)>) -> bool {
        let claimed = &settled.claimed;
        let Some((position, item)) = stored.remove(&claimed.notice.id) else { return false };
        let held = item.status == claimed.status && item.attempts == claimed.attempts;
        match &settled.now {
            None => self.gone.push(position),
            Some(now) if held => {
                if matches!(now.status, Status::Dead { .. }) {
                    self.dead.insert(now.notice.channel.clone());
                }
                self.positions.push(position);
                self.changed.push(now.clone());
            }
            Some(_) => {}
        }
        held
    }

    async fn write(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if !self.gone.is_empty() {
            let sql = "delete from outbox where position = any($1)";
            sqlx::query(sql).bind(self.gone).execute(&mut *connection).await?;
        }
        update(connection, self.positions, &self.changed).await?;
        // Of what nobody has seen for long there is enough to see that something is wrong.
        for channel in self.dead {
            let most = i64::try_from(MAX_DEAD).map_err(damaged)?;
            sqlx::query(DEAD).bind(channel.as_str()).bind(most).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

pub(super) const READY: &str = "
    with recursive channels (name) as (
        select min(channel) from outbox where ready_at is not null
        union all
        select (select min(channel) from outbox where ready_at is not null and channel > name)
        from channels where name is not null)
    select name from channels where name is not null and exists (
        select from outbox o where o.channel = name and o.ready_at <= $1 and not exists (
            select from outbox older where older.job = o.job and older.channel = o.channel
                and older.position < o.position and older.ready_at is not null))";

/// The channels for which something can be claimed.
pub(super) struct Ready(pub(super) Timestamp);

impl Look for Ready {
    type Seen = Vec<ChannelName>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<ChannelName>> {
        let rows = sqlx::query(READY).bind(self.0.as_millisecond()).fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get::<&str, _>("name")?.parse().map_err(damaged)).collect()
    }
}
