//! Evidence in its tables.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row, params};
use tenko_core::roll::Cursor;
use tenko_core::{Declaration, Evidence, Report, Slug, Via};

use super::columns::{
    FAIL, halves_of, kind_of, mark_of, moment, number_of, pack, parse, rounded_up, run_of, unpack,
};
use super::error::damaged;
use super::known::Known;
use super::stretches::Added;
use super::writer::Desk;
use crate::{Appended, News, Unreadable};

/// What [`Pieces`] reads.
const COLUMNS: &str = "e.seq, j.slug, e.run_hi, e.run_lo, e.kind, e.at, e.lag, e.said, s.declaration";
const TABLES: &str = "evidence e join jobs j on j.id = e.job left join said s on s.id = e.said";
/// What follows [`COLUMNS`] where the report is read, too.
const REPORT: &str = "r.report, v.via";
/// Where that is found.
const REPORTS: &str = "left join reports r on r.seq = e.seq left join via v on v.id = e.via";
const UNHEARD: &str = "insert into unheard (seq) values (?1)";
const FIND_JOB: &str = "select id from jobs where slug = ?1";

/// Adds evidence that was received `now`, and that nobody has heard.
pub(super) fn append(
    desk: &mut Desk<'_>,
    evidence: &[Evidence],
    now: Timestamp,
) -> rusqlite::Result<Vec<Appended>> {
    let mut unheard = desk.connection.prepare_cached(UNHEARD)?;
    append_each(desk, evidence, now, |seq| unheard.execute([seq]).map(drop))
}

/// Adds evidence that was received `now`, and was heard.
pub(super) fn append_heard(
    desk: &mut Desk<'_>,
    evidence: &[Evidence],
    now: Timestamp,
) -> rusqlite::Result<Vec<Appended>> {
    append_each(desk, evidence, now, |_| Ok(()))
}

/// Adds evidence, and does something with the number of each piece that is new.
fn append_each(
    desk: &mut Desk<'_>,
    evidence: &[Evidence],
    now: Timestamp,
    mut also: impl FnMut(i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<Vec<Appended>> {
    let mut append = Append::prepare(desk.connection, now)?;
    let one = |piece| {
        let seq = append.one(desk.known, piece)?;
        seq.map(&mut also).transpose()?;
        Ok(seq.map_or(Appended::Known, |_| Appended::Added))
    };
    let answers = evidence.iter().map(one).collect::<rusqlite::Result<_>>()?;
    append.finish()?;
    Ok(answers)
}

/// Prepares what [`append`] needs, so that it is there when the evidence is.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    Append::prepare(connection, Timestamp::UNIX_EPOCH)?;
    connection.prepare_cached(FIND_JOB)?;
    connection.prepare_cached(UNHEARD)?;
    Ok(())
}

struct Append<'c> {
    connection: &'c Connection,
    now: i64,
    find: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    report: CachedStatement<'c>,
    keep_added: CachedStatement<'c>,
    added: Added,
}

impl<'c> Append<'c> {
    fn prepare(connection: &'c Connection, now: Timestamp) -> rusqlite::Result<Self> {
        let find = "select 1 from evidence
             where (run_hi & -65536) | (((run_lo & 65535) + job) & 65535) = ?1
               and job = ?2 and run_hi = ?3 and run_lo = ?4 and min(kind, ?6) = min(?5, ?6)";
        let insert = "insert into evidence (job, run_hi, run_lo, kind, at, lag, said, via)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        Ok(Self {
            connection,
            now: now.as_millisecond(),
            find: connection.prepare_cached(find)?,
            insert: connection.prepare_cached(insert)?,
            report: connection.prepare_cached("insert into reports (seq, report) values (?1, ?2)")?,
            keep_added: Added::prepare(connection)?,
            added: Added::default(),
        })
    }

    /// Gives the number of the piece, unless it is known.
    fn one(&mut self, known: &mut Known, piece: &Evidence) -> rusqlite::Result<Option<i64>> {
        let job = known.job_id(self.connection, &piece.job)?;
        let ((high, low), kind) = (halves_of(piece.run), number_of(piece.kind));
        if self.find.exists(params![mark_of(high, low, job), job, high, low, kind, FAIL])? {
            return Ok(None);
        }
        let said = piece.declaration.as_ref().map(|said| said_id(self.connection, said)).transpose()?;
        let via = piece.report.via.as_ref().map(|via| known.via_id(self.connection, via)).transpose()?;
        let at = piece.at.as_millisecond();
        let seq = self.insert.insert(params![job, high, low, kind, at, self.now - at, said, via])?;
        self.added.note(seq, at);
        if let Some(report) = pack(&piece.report)? {
            self.report.execute(params![seq, report])?;
        }
        Ok(Some(seq))
    }

    /// Nothing finds by its time what was added before this is done.
    fn finish(mut self) -> rusqlite::Result<()> {
        self.added.keep(&mut self.keep_added)
    }
}

/// The number of a job, a new one if it is new.
pub(super) fn job_id(connection: &Connection, slug: &Slug) -> rusqlite::Result<i64> {
    id(connection, slug.as_str(), FIND_JOB, "insert into jobs (slug) values (?1)")
}

/// The number of a way in which pings come, a new one if it is new.
pub(super) fn via_id(connection: &Connection, via: &Via) -> rusqlite::Result<i64> {
    let text = serde_json::to_string(via).map_err(damaged)?;
    id(connection, &text, "select id from via where via = ?1", "insert into via (via) values (?1)")
}

fn said_id(connection: &Connection, said: &Declaration) -> rusqlite::Result<i64> {
    let text = serde_json::to_string(said).map_err(damaged)?;
    let find = "select id from said where declaration = ?1";
    id(connection, &text, find, "insert into said (declaration) values (?1)")
}

fn id(connection: &Connection, text: &str, find: &str, insert: &str) -> rusqlite::Result<i64> {
    let found = connection.prepare_cached(find)?.query_row([text], |row| row.get(0)).optional()?;
    found.map_or_else(|| connection.prepare_cached(insert)?.insert([text]), Ok)
}

/// Evidence that was added after `since`, without reports. Evidence gets its number in the transaction that adds it,
/// and there is one transaction at a time, so that none appears below a number that was seen.
pub(super) fn news(connection: &Connection, since: i64) -> rusqlite::Result<News> {
    let sql = format!("select {COLUMNS} from {TABLES} where e.seq > ?1 order by e.seq");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([since])?;
    let (mut news, mut last, mut pieces) = (News::default(), since, Pieces::default());
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        match pieces.read(row) {
            Ok(piece) => news.evidence.push(piece),
            Err(error) => {
                news.unreadable.push(Unreadable { key: last.to_string(), problem: error.to_string() });
            }
        }
    }
    news.cursor = Cursor(last.to_string());
    Ok(news)
}

/// Finds evidence of a job by when it happened, stretch by stretch. The plus is needed: a column has an affinity, which the
/// index over an expression has not, and would not be sought in it.
pub(super) fn of_job_between_sql() -> String {
    format!(
        "select {COLUMNS} from jobs j cross join stretches t cross join evidence e left join said s on s.id = e.said
         where j.slug = ?3 and t.last_at >= ?1 and t.first_at < ?2 and e.seq >> 11 = +t.number and e.job = j.id
           and e.at >= ?1 and e.at < ?2 order by e.at, e.seq"
    )
}

/// Finds evidence by when it happened, stretch by stretch.
pub(super) fn between_sql() -> String {
    format!(
        "select {COLUMNS} from stretches t cross join evidence e cross join jobs j left join said s on s.id = e.said
         where t.last_at >= ?1 and t.first_at < ?2 and e.seq between t.number << 11 and (t.number << 11) + 2047
           and e.at >= ?1 and e.at < ?2 and j.id = e.job order by e.at, e.seq"
    )
}

/// Evidence that happened in `from..to`, sorted, without reports. What can't be understood is left out: `news` tells
/// of it.
pub(super) fn between(
    connection: &Connection,
    job: Option<&Slug>,
    from: Timestamp,
    to: Timestamp,
) -> rusqlite::Result<Vec<Evidence>> {
    let (from, to) = (rounded_up(from), rounded_up(to));
    match job {
        Some(job) => pieces(connection, &of_job_between_sql(), params![from, to, job.as_str()]),
        None => pieces(connection, &between_sql(), [from, to]),
    }
}

fn pieces(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Vec<Evidence>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut found, mut pieces) = (Vec::new(), Pieces::default());
    while let Some(row) = rows.next()? {
        found.extend(pieces.read(row).ok());
    }
    Ok(found)
}

/// The same evidence with its report, if it is there.
pub(super) fn read(connection: &Connection, wanted: &Evidence) -> rusqlite::Result<Option<Evidence>> {
    let sql = format!(
        "select {COLUMNS}, {REPORT} from {TABLES} {REPORTS}
         where (e.run_hi & -65536) | (((e.run_lo & 65535) + e.job) & 65535)
                   = (?2 & -65536) | (((?3 & 65535) + e.job) & 65535)
           and e.job = (select id from jobs where slug = ?1)
           and e.run_hi = ?2 and e.run_lo = ?3 and min(e.kind, ?5) = min(?4, ?5)"
    );
    let (high, low) = halves_of(wanted.run);
    let mut statement = connection.prepare_cached(&sql)?;
    let params = params![wanted.job.as_str(), high, low, number_of(wanted.kind), FAIL];
    statement.query_row(params, |row| Pieces::default().read_whole(row)).optional()
}

/// Finds evidence that nobody has heard.
pub(super) fn unheard_sql() -> String {
    format!(
        "select {COLUMNS}, {REPORT} from unheard u cross join {TABLES} {REPORTS}
         where e.seq = u.seq order by u.seq limit ?1"
    )
}

/// Evidence that nobody has heard, the oldest first, with reports, and the numbers of all that was read. What can't be
/// understood is only among the numbers.
pub(super) fn unheard(connection: &Connection, most: usize) -> rusqlite::Result<(Vec<i64>, Vec<Evidence>)> {
    let mut statement = connection.prepare_cached(&unheard_sql())?;
    let mut rows = statement.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
    let (mut numbers, mut found, mut pieces) = (Vec::new(), Vec::new(), Pieces::default());
    while let Some(row) = rows.next()? {
        numbers.push(row.get(0)?);
        match pieces.read_whole(row) {
            Ok(piece) => found.push(piece),
            Err(error) => tracing::warn!(%error, number = numbers.last(), "evidence can't be understood"),
        }
    }
    Ok((numbers, found))
}

/// All evidence in the order in which it was added, with reports, and whether it was heard. What can't be understood is
/// left out, and said.
pub(super) fn all(
    connection: &Connection,
    give: &mut dyn FnMut(Evidence, bool) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let sql = format!(
        "select {COLUMNS}, {REPORT}, u.seq is null from {TABLES} {REPORTS}
         left join unheard u on u.seq = e.seq order by e.seq"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut pieces = Pieces::default();
    while let Some(row) = rows.next()? {
        match pieces.read_whole(row) {
            Ok(piece) => give(Evidence { key: None, ..piece }, row.get(11)?)?,
            Err(error) => tracing::warn!(%error, "evidence can't be understood and is left out"),
        }
    }
    Ok(())
}

/// Notes that evidence was heard.
pub(super) fn hear(connection: &Connection, numbers: &[i64]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("delete from unheard where seq = ?1")?;
    numbers.iter().try_for_each(|number| delete.execute([number]).map(drop))
}

/// Notes that all evidence up to a number was heard.
pub(super) fn hear_up_to(connection: &Connection, last: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("delete from unheard where seq <= ?1")?.execute([last]).map(drop)
}

pub(super) const HEARD: &str = "select coalesce(
    (select min(seq) - 1 from unheard),
    (select seq from sqlite_sequence where name = 'evidence'),
    0)";

/// The number before the oldest evidence that nobody has heard; the newest, if all was heard.
pub(super) fn heard(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(HEARD)?.query_row([], |row| row.get(0))
}

/// Reads evidence row by row.
#[derive(Default)]
struct Pieces {
    /// Many runs say the same, which is understood once.
    said: HashMap<i64, Declaration>,
}

impl Pieces {
    fn read_whole(&mut self, row: &Row<'_>) -> rusqlite::Result<Evidence> {
        let via = match row.get_ref(10)? {
            ValueRef::Null => None,
            via => Some(parse(via)?),
        };
        let report = Report { via, ..unpack(row.get_ref(9)?)? };
        Ok(Evidence { report, ..self.read(row)? })
    }

    fn read(&mut self, row: &Row<'_>) -> rusqlite::Result<Evidence> {
        let seq: i64 = row.get(0)?;
        let job: Slug = row.get_ref(1)?.as_str().map_err(damaged)?.parse().map_err(damaged)?;
        let run = run_of(row.get(2)?, row.get(3)?);
        let at: i64 = row.get(5)?;
        let received = at.saturating_add(row.get(6)?);
        let piece = Evidence::new(job, run, kind_of(row.get(4)?)?, moment(at)?);
        let declaration = self.declaration(row)?;
        Ok(Evidence {
            received_at: Some(moment(received)?),
            key: Some(seq.to_string()),
            declaration,
            ..piece
        })
    }

    fn declaration(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<Declaration>> {
        let (Some(id), text) = (row.get(7)?, row.get_ref(8)?) else { return Ok(None) };
        if text == ValueRef::Null {
            return Ok(None);
        }
        Ok(Some(match self.said.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new.insert(parse(text)?).clone(),
        }))
    }
}
