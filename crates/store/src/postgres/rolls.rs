//! The roll and facts in their tables.

use std::collections::{HashMap, HashSet};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, Row as _};
use tenko_core::roll::{Changes, Roll};
use tenko_core::{Declaration, Slug, format};

use super::adding::{job_numbers, keep_texts};
use super::clock::{CLOCK, Clock};
use super::columns::{Id, moment, parse, rounded_up};
use super::error::damaged;
use super::evidence::Read;
use super::nodes::{self, Between};
use super::outbox::{Difference, Stored};
use super::states::{States, note};
use super::work::{Look, Work};
use crate::{Commit, Facts, Snapshot};

/// The lock that whoever decides about some jobs shares, and whoever decides about all has alone.
pub(super) const LOCK: &str = "hashtextextended('tenko.deciding.' || current_schema(), 0)";

/// The roll and its version, as of one moment.
pub(super) struct Load<'a>(pub(super) &'a Clock);

impl Look for Load<'_> {
    type Seen = Snapshot;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Snapshot> {
        sqlx::raw_sql("begin isolation level repeatable read read only").execute(&mut *connection).await?;
        let snapshot = load(connection, self.0).await?;
        sqlx::raw_sql("commit").execute(connection).await?;
        Ok(snapshot)
    }
}

async fn load(connection: &mut PgConnection, clock: &Clock) -> sqlx::Result<Snapshot> {
    let sql = sqlx::AssertSqlSafe(format!("select version, rest, {CLOCK} as now from roll"));
    let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
    clock.set(moment(row.try_get("now")?)?);
    let mut roll = rest_of(row.try_get("rest")?)?;
    let rows = sqlx::query("select item from outbox order by position").fetch_all(&mut *connection).await?;
    let items = rows.iter().map(|row| parse(row.try_get("item")?));
    roll.outbox.items = items.collect::<sqlx::Result<_>>()?;
    let said = "select hash, body from said where hash in (select declaration from states)";
    let rows = sqlx::query(said).fetch_all(&mut *connection).await?;
    let said = rows.iter().map(|row| Ok((row.try_get("hash")?, parse(row.try_get("body")?)?)));
    load_jobs(connection, &mut roll, &said.collect::<sqlx::Result<_>>()?).await?;
    let version: i64 = row.try_get("version")?;
    Ok(Snapshot { version: version.cast_unsigned(), roll })
}

/// The rest of a roll: what is not in other tables.
pub(super) fn rest_of(text: &str) -> sqlx::Result<Roll> {
    format::read_roll(text.as_bytes()).map_err(damaged)
}

/// The rest of a roll as a text.
pub(super) fn text_of_rest(roll: &Roll) -> sqlx::Result<String> {
    let rest = Roll {
        called_at: roll.called_at,
        cursor: roll.cursor.clone(),
        gaps: roll.gaps.clone(),
        ..Roll::default()
    };
    String::from_utf8(format::write_roll(&rest)).map_err(damaged)
}

async fn load_jobs(
    connection: &mut PgConnection,
    roll: &mut Roll,
    said: &HashMap<Id, Declaration>,
) -> sqlx::Result<()> {
    let sql = "select j.slug, s.state, s.declaration from states s join jobs j on j.id = s.job";
    let mut rows = sqlx::query(sql).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let slug: Slug = row.try_get::<&str, _>("slug")?.parse().map_err(damaged)?;
        if let Some(hash) = row.try_get::<Option<Id>, _>("declaration")? {
            let declaration = said.get(&hash).ok_or_else(|| damaged("what a job said is not there"))?;
            roll.declarations.insert(slug.clone(), declaration.clone());
        }
        if let Some(state) = row.try_get::<Option<&str>, _>("state")? {
            roll.states.insert(slug, parse(state)?);
        }
    }
    Ok(())
}

/// Replaces the roll of a version.
pub(super) struct Replace<'a> {
    pub(super) base: u64,
    pub(super) roll: &'a Roll,
    pub(super) changes: &'a Changes,
}

impl Work for Replace<'_> {
    type Done = Commit;

    fn opening(&self) -> String {
        format!("begin; select pg_advisory_xact_lock({LOCK}); select pg_current_xact_id()::text")
    }

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Commit> {
        let (version, between) = nodes::between_roll_calls(connection).await?;
        match between {
            Between::Attended => return Ok(Commit::Kept),
            Between::Decided => {
                // It may have decided on what this roll call has read before. The next one has read it after.
                raise_version(connection).await?;
                return Ok(Commit::Lost);
            }
            Between::Nothing if version != self.base.cast_signed() => return Ok(Commit::Lost),
            Between::Nothing => {}
        }
        let next = self.base + 1;
        let sql = format!("update roll set version = $1, rest = $2, made_at = {CLOCK}");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(next.cast_signed());
        query.bind(text_of_rest(self.roll)?).execute(&mut *connection).await?;
        self.keep(connection).await?;
        Ok(Commit::Won(next))
    }
}

impl Replace<'_> {
    async fn keep(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let rows = sqlx::query("select position, job, notice, item from outbox order by position for update");
        let rows = rows.fetch_all(&mut *connection).await?;
        let stored = rows.iter().map(|row| Ok((row.try_get::<Id, _>("notice")?.0, Stored::read(row)?)));
        let mut outbox = Difference::default();
        outbox.add(&stored.collect::<sqlx::Result<Vec<_>>>()?, &self.roll.outbox.items)?;
        let Changes { jobs, flips, missed } = self.changes;
        let told = flips.iter().map(|(job, _)| job).chain(missed.iter().map(|(job, _)| job));
        let named: HashSet<&Slug> = jobs.iter().chain(told).chain(outbox.jobs()).collect();
        let numbers = job_numbers(connection, named).await?;
        self.keep_jobs(connection, &numbers).await?;
        outbox.write(connection, &numbers).await?;
        let flips = flips.iter().map(|(job, flip)| (job, flip.at, flip));
        keep_facts(connection, "insert into flips (job, at, flip)", flips, &numbers).await?;
        let missed = missed.iter().map(|(job, missed)| (job, missed.last, missed));
        keep_facts(connection, "insert into missed (job, at, missed)", missed, &numbers).await?;
        // What a roll call has read is heard.
        let Some(read) = Read::up_to(&self.roll.cursor) else { return Ok(()) };
        let heard = "delete from unheard where pg_visible_in_snapshot(txn, $1::text::pg_snapshot)";
        sqlx::query(heard).bind(read.snapshot).execute(connection).await?;
        Ok(())
    }

    async fn keep_jobs(
        &self,
        connection: &mut PgConnection,
        numbers: &HashMap<Slug, i32>,
    ) -> sqlx::Result<()> {
        let (mut kept, mut texts) = (States::default(), HashMap::new());
        let Roll { states, declarations, .. } = self.roll;
        for slug in &self.changes.jobs {
            let Some(number) = numbers.get(slug) else { continue };
            let state = states.get(slug);
            let said = declarations.get(slug).map(|said| note(&mut texts, said)).transpose()?;
            let wake_at = state.and_then(|state| state.look_again_at);
            let text = state.map(serde_json::to_string).transpose().map_err(damaged)?;
            kept.add(*number, text, said, wake_at.map(rounded_up), true);
        }
        keep_texts(connection, texts).await?;
        kept.write(connection).await
    }
}

/// Lets roll calls under way lose.
pub(super) async fn raise_version(connection: &mut PgConnection) -> sqlx::Result<()> {
    let sql = format!("update roll set version = version + 1, made_at = {CLOCK}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Adds facts in their order.
pub(super) async fn keep_facts<'a, T: Serialize + 'a>(
    connection: &mut PgConnection,
    insert: &str,
    facts: impl Iterator<Item = (&'a Slug, Timestamp, &'a T)>,
    numbers: &HashMap<Slug, i32>,
) -> sqlx::Result<()> {
    let (mut jobs, mut times, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (slug, at, fact) in facts {
        jobs.push(*numbers.get(slug).ok_or_else(|| damaged("a job has no number"))?);
        times.push(at.as_millisecond());
        texts.push(serde_json::to_string(fact).map_err(damaged)?);
    }
    if jobs.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "{insert} select job, at, fact from unnest($1::int[], $2::bigint[], $3::text[])
             with ordinality as f (job, at, fact, place) order by place"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(jobs).bind(times).bind(texts);
    query.execute(connection).await?;
    Ok(())
}

/// Facts about a job, newest first; of two at the same moment, the one that was decided later.
pub(super) struct Past<'a> {
    pub(super) job: &'a Slug,
    pub(super) limit: usize,
}

pub(super) const FLIPS: &str =
    "select flip as fact from flips where job = (select id from jobs where slug = $1)
                     order by at desc, seq desc limit $2";
pub(super) const MISSED: &str =
    "select missed as fact from missed where job = (select id from jobs where slug = $1)
                      order by at desc, seq desc limit $2";

impl Look for Past<'_> {
    type Seen = Facts;

    async fn look_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Facts> {
        Ok(Facts {
            flips: self.newest(connection, FLIPS).await?,
            missed: self.newest(connection, MISSED).await?,
        })
    }
}

impl Past<'_> {
    async fn newest<T: DeserializeOwned>(
        &self,
        connection: &mut PgConnection,
        sql: &'static str,
    ) -> sqlx::Result<Vec<T>> {
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(self.job.as_str()).bind(limit).fetch_all(connection).await?;
        rows.iter().map(|row| parse(row.try_get("fact")?)).collect()
    }
}

/// Removes some of what is older than a moment; says how many pieces of evidence and facts that was.
pub(super) struct Prune(pub(super) Timestamp);

pub(super) const PRUNE_EVIDENCE: &str = "
    with old as materialized (
        select txn, seq from evidence where at / 3600000 <= $1 / 3600000 and at < $1
        order by at / 3600000 limit 1000
    ), gone as (
        delete from evidence e using old where e.txn = old.txn and e.seq = old.seq returning e.txn, e.seq
    ), reported as (
        delete from reports r using gone where r.seq = gone.seq
    ), waiting as (
        delete from unheard u using gone where u.txn = gone.txn and u.seq = gone.seq
    )
    select count(*) as count from gone";

pub(super) const PRUNE_FLIPS: &str =
    "delete from flips where seq in (select seq from flips where at < $1 order by at limit 1000)";
pub(super) const PRUNE_MISSED: &str =
    "delete from missed where seq in (select seq from missed where at < $1 order by at limit 1000)";

impl Work for Prune {
    type Done = u64;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<u64> {
        let before = self.0.as_millisecond();
        let row = sqlx::query(PRUNE_EVIDENCE).bind(before).fetch_one(&mut *connection).await?;
        let mut removed = row.try_get::<i64, _>("count")?.cast_unsigned();
        for sql in [PRUNE_FLIPS, PRUNE_MISSED] {
            removed += sqlx::query(sql).bind(before).execute(&mut *connection).await?.rows_affected();
        }
        Ok(removed)
    }
}
