//! Who attends.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tenko_core::judge::Gap;
use tenko_core::roll::{Cursor, Roll};
use uuid::Uuid;

use super::clock::CLOCK;
use super::columns::{Id, moment};
use super::evidence::cursor;
use super::rolls::{raise_version, rest_of, text_of_rest};
use super::work::{Look, Work};
use crate::live::{ATTENDS_FOR, Attendance, Node};

/// Nodes that were not seen for so long are forgotten.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What became of the store since the roll was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// No node was there since.
    Nothing,
    /// A node attends.
    Attended,
    /// A node was there since, and went without a word.
    Decided,
}

/// Locks the roll; gives its version, and what nodes did since it was made.
pub(super) async fn between_roll_calls(connection: &mut PgConnection) -> sqlx::Result<(i64, Between)> {
    let span = ATTENDS_FOR.as_millis();
    let sql = format!(
        "select version,
             exists (select from nodes where not gone
                 and abs({CLOCK} - seen_at) <= {span} and abs({CLOCK} - noted_at) <= {span}) as attended,
             exists (select from nodes where not gone and noted_at >= made_at) as decided
         from roll for update"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await?;
    let between = match (row.try_get("attended")?, row.try_get("decided")?) {
        (true, _) => Between::Attended,
        (false, true) => Between::Decided,
        (false, false) => Between::Nothing,
    };
    Ok((row.try_get("version")?, between))
}

/// Says in SQL whether a node attends: by its own clock, and by that of the database.
pub(super) fn attends(id: &str, now: &str) -> String {
    format!("exists (select from nodes where id = {id} and {})", is_there(now))
}

fn is_there(now: &str) -> String {
    let span = ATTENDS_FOR.as_millis();
    format!("not gone and abs({now} - seen_at) <= {span} and abs({CLOCK} - noted_at) <= {span}")
}

/// Those who attend at a moment, in the order of their ids.
pub(super) struct Attending(pub(super) Timestamp);

impl Look for Attending {
    type Seen = Vec<Node>;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Node>> {
        let sql = format!(
            "select id, name from nodes where {} order by id",
            is_there(&self.0.as_millisecond().to_string())
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
        let nodes = rows.iter().map(|row| {
            let Id(id) = row.try_get("id")?;
            Ok(Node { id, name: row.try_get("name")? })
        });
        nodes.collect()
    }
}

/// A node as it was seen.
struct Seen {
    id: Uuid,
    name: String,
    at: Timestamp,
    gone: bool,
}

impl Seen {
    /// A clock that was set back does not make a node attend for longer.
    fn attends(&self, now: Timestamp) -> bool {
        !self.gone && now.duration_since(self.at).abs() <= ATTENDS_FOR
    }
}

/// All that are remembered, in the order in which they were seen.
async fn all(connection: &mut PgConnection) -> sqlx::Result<Vec<Seen>> {
    let rows = sqlx::query("select id, name, seen_at, gone from nodes order by seen_at");
    let rows = rows.fetch_all(connection).await?;
    let seen = rows.iter().map(|row| {
        let Id(id) = row.try_get("id")?;
        let at = moment(row.try_get("seen_at")?)?;
        Ok(Seen { id, name: row.try_get("name")?, at, gone: row.try_get("gone")? })
    });
    seen.collect()
}

/// Notes that a node is there, and finds the gap in which nobody was.
pub(super) struct Attend<'a> {
    pub(super) node: &'a Node,
    pub(super) now: Timestamp,
    pub(super) longest: SignedDuration,
}

impl Work for Attend<'_> {
    type Done = Attendance;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Attendance> {
        let Self { node, now, longest } = *self;
        let mut roll = lock(connection).await?;
        let before = all(connection).await?;
        let newest = before.last().map(|seen| seen.at);
        let found = newest
            .filter(|newest| now.duration_since(*newest) > longest)
            .map(|newest| Gap { from: newest, to: now });
        let noted = note(connection, node, now, false).await?;
        forget_old(connection, now).await?;
        if let Some(gap) = found {
            roll.add_gap(gap);
        }
        write(connection, &mut roll, now).await?;
        let others = before.into_iter().filter(|seen| seen.id != node.id && seen.attends(now));
        let others: BTreeSet<String> = others.map(|seen| seen.name).collect();
        Ok(Attendance {
            store_time: Some(moment(noted)?),
            others: others.into_iter().collect(),
            gaps: roll.gaps,
            found,
        })
    }
}

/// Notes that a node will not be there any more.
pub(super) struct Leave<'a> {
    pub(super) node: &'a Node,
    pub(super) now: Timestamp,
}

impl Work for Leave<'_> {
    type Done = ();

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let mut roll = lock(connection).await?;
        note(connection, self.node, self.now, true).await?;
        write(connection, &mut roll, self.now).await?;
        let others = all(connection).await?.iter().any(|seen| seen.attends(self.now));
        // What the others decide until they are next noted is after this, too.
        if others {
            let sql = "update roll set version = version + 1";
            return sqlx::query(sql).execute(connection).await.map(drop);
        }
        raise_version(connection).await
    }
}

async fn lock(connection: &mut PgConnection) -> sqlx::Result<Roll> {
    let row = sqlx::query("select rest from roll for update").fetch_one(connection).await?;
    rest_of(row.try_get("rest")?)
}

/// Writes what is in no other table of the roll, and sets its cursor to where everything is heard. Who attends calls the
/// roll all the time.
async fn write(connection: &mut PgConnection, roll: &mut Roll, now: Timestamp) -> sqlx::Result<()> {
    roll.called_at = Some(now);
    roll.cursor = heard(connection).await?;
    let update = sqlx::query("update roll set rest = $1").bind(text_of_rest(roll)?);
    update.execute(connection).await.map(drop)
}

pub(super) const HEARD: &str = "select
    least((select u.txn from unheard u order by u.txn limit 1), pg_snapshot_xmin(s))::text::bigint as first,
    exists (select from unheard) as waits, pg_snapshot_xmax(s)::text::bigint as last,
    pg_current_xact_id()::text::bigint as own,
    array(select x::text::bigint from pg_snapshot_xip(s) x order by x) as others
    from pg_current_snapshot() s";

/// Up to where everything is heard, with what this transaction itself has added. Transactions under way may add something
/// yet that nobody has heard.
pub(super) async fn heard(connection: &mut PgConnection) -> sqlx::Result<Cursor> {
    let row = sqlx::query(HEARD).fetch_one(connection).await?;
    let (first, last, own): (i64, i64, i64) =
        (row.try_get("first")?, row.try_get("last")?, row.try_get("own")?);
    if row.try_get("waits")? {
        let first = first.min(own);
        return Ok(cursor(&format!("{first}:{first}:")));
    }
    let mut others: Vec<i64> = row.try_get("others")?;
    others.extend(last..own);
    others.retain(|other| *other != own);
    let others: Vec<String> = others.iter().map(i64::to_string).collect();
    Ok(cursor(&format!("{first}:{}:{}", last.max(own + 1), others.join(","))))
}

/// Notes that somebody was there once, and left.
pub(super) async fn note_gone(connection: &mut PgConnection, at: Timestamp) -> sqlx::Result<()> {
    let node = Node { id: Uuid::new_v4(), name: String::new() };
    note(connection, &node, at, true).await.map(drop)
}

/// Gives the time by the clock of the database.
async fn note(connection: &mut PgConnection, node: &Node, now: Timestamp, gone: bool) -> sqlx::Result<i64> {
    let sql = format!(
        "insert into nodes (id, name, seen_at, noted_at, gone) values ($1, $2, $3, {CLOCK}, $4)
         on conflict (id) do update set name = excluded.name, seen_at = excluded.seen_at,
             noted_at = excluded.noted_at, gone = excluded.gone
         returning noted_at"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(Id(node.id)).bind(&node.name);
    let row = query.bind(now.as_millisecond()).bind(gone).fetch_one(connection).await?;
    row.try_get("noted_at")
}

/// The newest stays, however old it is.
async fn forget_old(connection: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    let before = now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN).as_millisecond();
    let sql = "delete from nodes where seen_at < $1 and seen_at < (select max(seen_at) from nodes)";
    sqlx::query(sql).bind(before).execute(connection).await.map(drop)
}
