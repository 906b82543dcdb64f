//! Notices in their table.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Params, params};
use tenko_core::outbox::{Item, MAX_DEAD, Status};
use tenko_core::{ChannelName, Slug};
use uuid::Uuid;

use super::columns::{moment, parse};
use super::entries::slug;
use super::error::damaged;
use super::evidence::job_id;
use super::rolls::json;
use super::writer::Desk;
use crate::live::Settled;

/// Something older of the same job to the same channel is still to be delivered.
const WAITS: &str = "exists (select 1 from outbox older where older.job = o.job and older.channel = o.channel
    and older.position < o.position and older.ready_at is not null)";
/// The channels to which there is something, found one after the other.
const CHANNELS: &str = "with recursive channels (name) as (
    select min(channel) from outbox
    union all
    select (select min(channel) from outbox where channel > name) from channels where name is not null)";
pub(super) const OF_JOB: &str = "select item from outbox where job = (select id from jobs where slug = ?1)
    order by position";
const STORED: &str = "select notice, position, item from outbox";

type NoticeId = [u8; 16];

/// An item as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    notice: NoticeId,
    job: Slug,
    channel: String,
    ready_at: Option<i64>,
    item: String,
}

impl Row {
    pub(super) fn of(item: &Item) -> Self {
        Self {
            notice: *item.notice.id.as_bytes(),
            job: item.notice.job.clone(),
            channel: item.notice.channel.to_string(),
            ready_at: ready_at(&item.status),
            item: json(item),
        }
    }
}

/// When an item can be claimed, in milliseconds.
fn ready_at(status: &Status) -> Option<i64> {
    match status {
        Status::Ready { not_before } => Some(not_before.as_millisecond()),
        Status::Claimed { until, .. } => Some(until.as_millisecond()),
        Status::Dead { .. } => None,
    }
}

/// All items, the oldest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Item>> {
    items(connection, "select item from outbox order by position", [])
}

/// The items of a job, the oldest first.
pub(super) fn of_job(connection: &Connection, job: &Slug) -> rusqlite::Result<Vec<Item>> {
    items(connection, OF_JOB, [job.as_str()])
}

fn items(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<Item>> {
    let mut select = connection.prepare_cached(sql)?;
    let items = select.query_map(params, |row| parse(row.get_ref(0)?))?;
    items.collect()
}

/// Makes the table hold these items, and no others, in this order.
pub(super) fn keep_all(connection: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let stored = stored(connection, STORED, [])?;
    keep(connection, stored, rows)
}

/// Makes the table hold these items of a job, and no others of it, in this order.
pub(super) fn keep_of_job(connection: &Connection, job: i64, rows: &[Row]) -> rusqlite::Result<()> {
    let stored = stored(connection, &format!("{STORED} where job = ?1"), [job])?;
    keep(connection, stored, rows)
}

/// Where items are stored, and what of them.
type Places = HashMap<NoticeId, (i64, String)>;

fn stored(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Places> {
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    rows.collect()
}

/// Writes as few rows as possible: an item keeps its position unless something was put in before it.
fn keep(connection: &Connection, mut stored: Places, rows: &[Row]) -> rusqlite::Result<()> {
    let free = "select coalesce(max(position) + 1, 0) from outbox";
    let mut free: i64 = connection.prepare_cached(free)?.query_row([], |row| row.get(0))?;
    let (mut kept, mut last) = (0, -1);
    for row in rows {
        match stored.get(&row.notice) {
            Some((position, text)) if *position > last => {
                if *text != row.item {
                    update(connection, *position, row.ready_at, &row.item)?;
                }
                last = *position;
            }
            _ => break,
        }
        stored.remove(&row.notice);
        kept += 1;
    }
    stored.values().try_for_each(|(position, _)| delete(connection, *position))?;
    for row in &rows[kept..] {
        insert(connection, free, row)?;
        free += 1;
    }
    Ok(())
}

fn insert(connection: &Connection, position: i64, row: &Row) -> rusqlite::Result<()> {
    let sql =
        "insert into outbox (position, notice, item, job, channel, ready_at) values (?1, ?2, ?3, ?4, ?5, ?6)";
    let job = job_id(connection, &row.job)?;
    let params = params![position, row.notice, row.item, job, row.channel, row.ready_at];
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

fn update(connection: &Connection, position: i64, ready_at: Option<i64>, item: &str) -> rusqlite::Result<()> {
    let sql = "update outbox set item = ?2, ready_at = ?3 where position = ?1";
    connection.prepare_cached(sql)?.execute(params![position, item, ready_at]).map(drop)
}

fn delete(connection: &Connection, position: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("delete from outbox where position = ?1")?.execute([position]).map(drop)
}

/// Finds what can be claimed of a channel, the oldest first.
pub(super) fn claimable() -> String {
    format!(
        "select position from outbox o where channel = ?1 and ready_at <= ?2 and not {WAITS}
         order by position limit ?3"
    )
}

/// Who claims, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) holder: Uuid,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
    pub(super) most: usize,
}

/// Claims the oldest items to a channel that can be sent.
pub(super) fn claim(desk: &mut Desk<'_>, channel: &ChannelName, claim: Claim) -> rusqlite::Result<Vec<Item>> {
    let mut find = desk.connection.prepare_cached(&claimable())?;
    let most = i64::try_from(claim.most).unwrap_or(i64::MAX);
    let params = params![channel.as_str(), claim.now.as_millisecond(), most];
    let found: Vec<i64> = find.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    found.into_iter().map(|position| claim_one(desk, position, claim)).collect()
}

fn claim_one(desk: &mut Desk<'_>, position: i64, claim: Claim) -> rusqlite::Result<Item> {
    let Claim { holder, until, .. } = claim;
    let mut find = desk.connection.prepare_cached("select item from outbox where position = ?1")?;
    let mut item: Item = find.query_row([position], |row| parse(row.get_ref(0)?))?;
    item.status = Status::Claimed { holder, until };
    item.attempts = item.attempts.saturating_add(1);
    update(desk.connection, position, ready_at(&item.status), &json(&item))?;
    desk.known.forget_job(&item.notice.job);
    Ok(item)
}

pub(super) const FIND: &str = "select position, item from outbox
    where job = (select id from jobs where slug = ?1) and channel = ?2 and notice = ?3";

/// Records what became of items that were claimed; says of each whether the claim was still held.
pub(super) fn settle(desk: &mut Desk<'_>, settled: &[Settled]) -> rusqlite::Result<Vec<bool>> {
    settled.iter().map(|one| settle_one(desk, one)).collect()
}

fn settle_one(desk: &mut Desk<'_>, settled: &Settled) -> rusqlite::Result<bool> {
    let notice = &settled.claimed.notice;
    let mut find = desk.connection.prepare_cached(FIND)?;
    let params = params![notice.job.as_str(), notice.channel.as_str(), notice.id.as_bytes()];
    let found = find.query_row(params, |row| Ok((row.get(0)?, parse::<Item>(row.get_ref(1)?)?)));
    let Some((position, stored)) = found.optional()? else { return Ok(false) };
    let held = stored.status == settled.claimed.status;
    match &settled.now {
        None => delete(desk.connection, position)?,
        Some(now) if held => {
            update(desk.connection, position, ready_at(&now.status), &json(now))?;
            if matches!(now.status, Status::Dead { .. }) {
                forget_oldest_dead(desk, &notice.channel)?;
            }
        }
        Some(_) => {}
    }
    desk.known.forget_job(&notice.job);
    Ok(held)
}

pub(super) const DEAD: &str = "select o.position, j.slug from outbox o join jobs j on j.id = o.job
    where o.channel = ?1 and o.ready_at is null order by o.position desc limit -1 offset ?2";

/// Of what nobody has seen for long there is enough to see that something is wrong.
fn forget_oldest_dead(desk: &mut Desk<'_>, channel: &ChannelName) -> rusqlite::Result<()> {
    let mut find = desk.connection.prepare_cached(DEAD)?;
    let most = i64::try_from(MAX_DEAD).unwrap_or(i64::MAX);
    let found =
        find.query_map(params![channel.as_str(), most], |row| Ok((row.get(0)?, slug(row.get_ref(1)?)?)))?;
    for found in found.collect::<rusqlite::Result<Vec<_>>>()? {
        delete(desk.connection, found.0)?;
        desk.known.forget_job(&found.1);
    }
    Ok(())
}

/// Finds the channels for which something can be claimed.
pub(super) fn ready() -> String {
    format!(
        "{CHANNELS} select name from channels where name is not null and exists (
             select 1 from outbox o where o.channel = name and o.ready_at <= ?1 and not {WAITS})"
    )
}

/// The channels for which something can be claimed.
pub(super) fn ready_channels(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<ChannelName>> {
    let mut select = connection.prepare_cached(&ready())?;
    let found = select.query_map([now.as_millisecond()], |row| {
        row.get_ref(0)?.as_str().map_err(damaged)?.parse().map_err(damaged)
    })?;
    found.collect()
}

/// Finds when something can be claimed next.
pub(super) fn next() -> String {
    format!(
        "{CHANNELS} select min((select ready_at from outbox o
             where o.channel = name and o.ready_at is not null and not {WAITS} order by ready_at limit 1))
         from channels where name is not null"
    )
}

/// When something can be claimed next.
pub(super) fn next_claim(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let found: Option<i64> = connection.prepare_cached(&next())?.query_row([], |row| row.get(0))?;
    found.map(moment).transpose()
}
