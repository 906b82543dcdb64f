//! Who attends.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use tenko_core::format;
use tenko_core::judge::Gap;
use tenko_core::roll::{Cursor, Roll};
use uuid::Uuid;

use super::columns::moment;
use super::error::damaged;
use super::evidence;
use super::writer::Desk;
use crate::live::{ATTENDS_FOR, Attendance, Node};

/// Nodes that were not seen for so long are forgotten.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A node as it was seen.
struct Seen {
    id: Uuid,
    name: String,
    at: Timestamp,
    left: bool,
}

impl Seen {
    /// A clock that was set back does not make a node attend for longer.
    fn attends(&self, now: Timestamp) -> bool {
        !self.left && now.duration_since(self.at).abs() <= ATTENDS_FOR
    }
}

/// All that are remembered, in the order in which they were seen.
fn all(connection: &Connection) -> rusqlite::Result<Vec<Seen>> {
    let mut select =
        connection.prepare_cached("select id, name, seen_at, left from nodes order by seen_at")?;
    let found = select.query_map([], |row| {
        Ok(Seen {
            id: Uuid::from_bytes(row.get(0)?),
            name: row.get(1)?,
            at: moment(row.get(2)?)?,
            left: row.get(3)?,
        })
    })?;
    found.collect()
}

/// When anybody was last there.
pub(super) fn last_seen(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    Ok(all(connection)?.last().map(|node| node.at))
}

/// Notes that somebody was there once, and left.
pub(super) fn note_gone(connection: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    note(connection, &Node { id: Uuid::new_v4(), name: String::new() }, at, true)
}

/// Whether anybody attends.
pub(super) fn anybody(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    Ok(all(connection)?.iter().any(|node| node.attends(now)))
}

/// Those who attend, in the order of their ids.
pub(super) fn attending(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Node>> {
    let there = all(connection)?.into_iter().filter(|node| node.attends(now));
    let mut nodes: Vec<Node> = there.map(|seen| Node { id: seen.id, name: seen.name }).collect();
    nodes.sort_by_key(|node| node.id);
    Ok(nodes)
}

/// Whether this node attends.
pub(super) fn attends(desk: &mut Desk<'_>, id: Uuid, now: Timestamp) -> rusqlite::Result<bool> {
    if let Some(at) = desk.known.seen(id) {
        return Ok(now.duration_since(at).abs() <= ATTENDS_FOR);
    }
    let Some(node) = all(desk.connection)?.into_iter().find(|node| node.id == id && !node.left) else {
        return Ok(false);
    };
    desk.known.saw(id, node.at);
    Ok(node.attends(now))
}

/// Notes that a node is there, and finds the gap in which nobody was.
pub(super) fn attend(
    desk: &mut Desk<'_>,
    node: &Node,
    now: Timestamp,
    longest: SignedDuration,
) -> rusqlite::Result<Attendance> {
    let before = all(desk.connection)?;
    let is_new = !before.iter().any(|seen| seen.id == node.id && seen.attends(now));
    let newest = before.last().map(|seen| seen.at);
    let found = newest
        .filter(|newest| now.duration_since(*newest) > longest)
        .map(|newest| Gap { from: newest, to: now });
    note(desk.connection, node, now, false)?;
    forget_old(desk.connection, now)?;
    desk.known.forget();
    let gaps = change_roll(desk.connection, now, is_new || found.is_some(), |roll| {
        found.iter().for_each(|gap| roll.add_gap(*gap));
    })?;
    let others = before.into_iter().filter(|seen| seen.id != node.id && seen.attends(now));
    let others: BTreeSet<String> = others.map(|seen| seen.name).collect();
    Ok(Attendance { store_time: None, others: others.into_iter().collect(), gaps, found })
}

/// Notes that a node will not be there any more.
pub(super) fn leave(desk: &mut Desk<'_>, node: &Node, now: Timestamp) -> rusqlite::Result<()> {
    note(desk.connection, node, now, true)?;
    desk.known.forget();
    change_roll(desk.connection, now, true, |_| {})?;
    Ok(())
}

fn note(connection: &Connection, node: &Node, now: Timestamp, left: bool) -> rusqlite::Result<()> {
    let sql = "insert into nodes (id, name, seen_at, left) values (?1, ?2, ?3, ?4)
        on conflict do update set name = ?2, seen_at = ?3, left = ?4";
    let params = params![node.id.as_bytes(), node.name, now.as_millisecond(), left];
    connection.prepare_cached(sql)?.execute(params).map(drop)
}

/// The newest stays, however old it is.
fn forget_old(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let before = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN).as_millisecond();
    let sql = "delete from nodes where seen_at < ?1 and seen_at < (select max(seen_at) from nodes)";
    connection.prepare_cached(sql)?.execute([before]).map(drop)
}

/// Changes what is in no other table of the roll, and sets its cursor to where servers have heard everything. Who attends
/// calls the roll all the time. Gives the gaps.
fn change_roll(
    connection: &Connection,
    now: Timestamp,
    raise: bool,
    change: impl FnOnce(&mut Roll),
) -> rusqlite::Result<Vec<Gap>> {
    let mut roll = connection.query_row("select rest from roll", [], |row| {
        format::read_roll(row.get_ref(0)?.as_str().map_err(damaged)?.as_bytes()).map_err(damaged)
    })?;
    roll.called_at = Some(now);
    roll.cursor = Cursor(evidence::heard(connection)?.to_string());
    change(&mut roll);
    let rest = String::from_utf8(format::write_roll(&roll)).map_err(damaged)?;
    let sql = "update roll set version = version + ?1, rest = ?2";
    connection.prepare_cached(sql)?.execute(params![i64::from(raise), rest])?;
    Ok(roll.gaps)
}
