//! Adding evidence.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use tenko_core::{Evidence, Slug};
use uuid::Uuid;

use super::bell::Bell;
use super::columns::{Id, hash_of, number_of, pack};
use super::error::damaged;
use super::known::Known;
use super::states::States;
use super::work::Work;
use crate::Appended;

/// Adds evidence that no server has heard. The time of receipt is that of the database.
pub(super) struct Append<'a> {
    pub(super) evidence: &'a [Evidence],
    pub(super) bell: &'a Bell,
    pub(super) known: &'a Known,
}

impl Work for Append<'_> {
    type Done = Vec<Appended>;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Vec<Appended>> {
        let jobs: HashSet<&Slug> = self.evidence.iter().map(|piece| &piece.job).collect();
        let numbers = job_numbers(connection, jobs).await?;
        let answers = add(connection, self.evidence, &numbers, None, States::default(), self.known).await?;
        if answers.contains(&Appended::Added) {
            self.bell.ring_for_nodes(connection).await?;
        }
        Ok(answers)
    }
}

/// The numbers of jobs, new ones for those that are new.
pub(super) async fn job_numbers<'s>(
    connection: &mut PgConnection,
    jobs: impl IntoIterator<Item = &'s Slug>,
) -> sqlx::Result<HashMap<Slug, i32>> {
    let mut slugs: Vec<&str> = jobs.into_iter().map(Slug::as_str).collect();
    // Always in this order, so that nobody waits for somebody who waits for him.
    slugs.sort_unstable();
    let mut found = find_jobs(connection, &slugs).await?;
    slugs.retain(|slug| !found.contains_key(*slug));
    if !slugs.is_empty() {
        let sql = "insert into jobs (slug) select * from unnest($1::text[]) on conflict do nothing";
        sqlx::query(sql).bind(&slugs).execute(&mut *connection).await?;
        found.extend(find_jobs(connection, &slugs).await?);
    }
    let numbers = found.into_iter().map(|(slug, number)| Ok((slug.parse().map_err(damaged)?, number)));
    numbers.collect()
}

pub(super) const FIND_JOBS: &str = "select slug, id from jobs where slug = any($1)";
pub(super) const FIND_TEXTS: &str = "select hash from said where hash = any($1)";

pub(super) async fn find_jobs(
    connection: &mut PgConnection,
    slugs: &[&str],
) -> sqlx::Result<HashMap<String, i32>> {
    let rows = sqlx::query(FIND_JOBS).bind(slugs);
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("slug")?, row.try_get("id")?))).collect()
}

/// Sees that texts are kept, each once. Gives those that were kept before.
pub(super) async fn keep_texts(
    connection: &mut PgConnection,
    mut texts: HashMap<Uuid, String>,
) -> sqlx::Result<Vec<Uuid>> {
    let mut before = Vec::new();
    if texts.is_empty() {
        return Ok(before);
    }
    let hashes: Vec<Id> = texts.keys().copied().map(Id).collect();
    let rows = sqlx::query(FIND_TEXTS).bind(hashes);
    for row in rows.fetch_all(&mut *connection).await? {
        let Id(hash) = row.try_get("hash")?;
        texts.remove(&hash);
        before.push(hash);
    }
    if texts.is_empty() {
        return Ok(before);
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_unstable();
    let (hashes, texts): (Vec<_>, Vec<_>) = texts.into_iter().map(|(hash, text)| (Id(hash), text)).unzip();
    let sql =
        "insert into said (hash, body) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing";
    sqlx::query(sql).bind(hashes).bind(texts).execute(connection).await?;
    Ok(before)
}

/// Adds evidence, which counts as heard at `heard_at`, if that is given, and writes states over those that are there.
pub(super) async fn add(
    connection: &mut PgConnection,
    evidence: &[Evidence],
    numbers: &HashMap<Slug, i32>,
    heard_at: Option<Timestamp>,
    mut states: States,
    known: &Known,
) -> sqlx::Result<Vec<Appended>> {
    let mut answers = vec![Appended::Known; evidence.len()];
    let mut rows = Rows::default();
    rows.fill(evidence, numbers)?;
    states.write_forgotten(connection).await?;
    if rows.places.is_empty() && states.is_empty() {
        return Ok(answers);
    }
    let places = std::mem::take(&mut rows.places);
    let mut texts = std::mem::take(&mut rows.texts);
    known.retain_new(&mut texts);
    keep_texts(connection, texts).await?.into_iter().for_each(|hash| known.saw(hash));
    let all = 1..=i64::try_from(places.len()).map_err(damaged)?;
    let added = match heard_at.filter(|_| known.expects_new()) {
        Some(at) => rows.insert_new(connection, at, states).await?.into_iter().chain(all).collect(),
        None => rows.insert(connection, heard_at, states).await?,
    };
    for place in added {
        let Ok(place) = usize::try_from(place - 1) else {
            known.forget();
            return Err(sqlx::Error::Protocol("texts that were kept are gone".into()));
        };
        if let Some(answer) = places.get(place).and_then(|place| answers.get_mut(*place)) {
            *answer = Appended::Added;
        }
    }
    Ok(answers)
}

/// States beside evidence: the last parameters of a statement.
macro_rules! kept_states {
    () => {
        "kept as (
            update states s
            set state = k.state, declaration = k.declaration, wake_at = k.wake_at,
                has_items = s.has_items and k.has_items
            from unnest($9::int[], $10::text[], $11::uuid[], $12::bigint[], $13::bool[])
                as k (job, state, declaration, wake_at, has_items)
            where s.job = k.job
        )"
    };
}

/// Rows of which a text is missing.
macro_rules! without_texts {
    () => {
        "select -place as place from given
         where declaration is not null and said is null or via is not null and came is null"
    };
}

/// Adds evidence that is heard and new. If some of it is known, all is refused; so nothing need be looked up, nor be found
/// again among what was added.
pub(super) const INSERT_NEW: &str = concat!(
    "with given as materialized (
        select g.*, d.id as said, v.id as came
        from (
            select nextval('evidence_seq_seq') as seq, u.*
            from unnest($1::int[], $2::uuid[], $3::smallint[], $4::bigint[], $5::uuid[], $6::uuid[], $7::bytea[])
                with ordinality as u (job, run, kind, at, declaration, via, report, place)
        ) g
        left join said d on d.hash = g.declaration
        left join said v on v.hash = g.via
    ), added as (
        insert into evidence (seq, job, run, kind, at, received_at, declaration, via) overriding system value
        select seq, job, run, kind, at, $8::bigint, said, came from given
    ), reported as (
        insert into reports (seq, report) select seq, report from given where report is not null
    ), ",
    kept_states!(),
    without_texts!()
);

/// The index that knows all evidence.
const OF_RUN: &str = "evidence_of_run";

/// Whether evidence was refused because some of it is known.
pub(super) fn is_known(refused: &sqlx::Error) -> bool {
    refused.as_database_error().is_some_and(|said| said.constraint() == Some(OF_RUN))
}

pub(super) const INSERT: &str = concat!(
    "with given as materialized (
        select g.*, d.id as said, v.id as came
        from unnest($1::int[], $2::uuid[], $3::smallint[], $4::bigint[], $5::uuid[], $6::uuid[], $7::bytea[])
            with ordinality as g (job, run, kind, at, declaration, via, report, place)
        left join said d on d.hash = g.declaration
        left join said v on v.hash = g.via
    ), added as (
        insert into evidence (job, run, kind, at, received_at, declaration, via)
        select job, run, kind, at, coalesce($8, floor(extract(epoch from clock_timestamp()) * 1000)), said, came
        from given order by place
        on conflict (run, job, (least(kind, 3::smallint))) do nothing
        returning seq, run, job, kind
    ), placed as materialized (
        select a.seq, g.place, g.report
        from added a join given g on g.run = a.run and g.job = a.job and g.kind = a.kind
    ), reported as (
        insert into reports (seq, report) select seq, report from placed where report is not null
    ), waiting as (
        insert into unheard (seq) select seq from placed where $8 is null
    ), ",
    kept_states!(),
    "select place from placed union all ",
    without_texts!()
);

/// The same of evidence that another store kept: when it was received and whether it was heard is known of each piece.
const INSERT_KEPT: &str = "
    with given as materialized (
        select g.*, d.id as said, v.id as came
        from unnest($1::int[], $2::uuid[], $3::smallint[], $4::bigint[], $5::uuid[], $6::uuid[], $7::bytea[],
                $8::bigint[], $9::bool[])
            with ordinality as g (job, run, kind, at, declaration, via, report, received_at, heard, place)
        left join said d on d.hash = g.declaration
        left join said v on v.hash = g.via
    ), added as (
        insert into evidence (job, run, kind, at, received_at, declaration, via)
        select job, run, kind, at, received_at, said, came from given order by place
        on conflict (run, job, (least(kind, 3::smallint))) do nothing
        returning seq, run, job, kind
    ), placed as materialized (
        select a.seq, g.report, g.heard
        from added a join given g on g.run = a.run and g.job = a.job and g.kind = a.kind
    ), reported as (
        insert into reports (seq, report) select seq, report from placed where report is not null
    )
    insert into unheard (seq) select seq from placed where not heard";

/// Adds evidence that another store kept, as it was kept there.
pub(super) async fn put_evidence(
    connection: &mut PgConnection,
    evidence: &[Evidence],
    heard: &[bool],
    numbers: &HashMap<Slug, i32>,
) -> sqlx::Result<()> {
    let mut rows = Rows::default();
    rows.fill(evidence, numbers)?;
    if rows.places.is_empty() {
        return Ok(());
    }
    keep_texts(connection, std::mem::take(&mut rows.texts)).await?;
    let places = std::mem::take(&mut rows.places);
    let received = places.iter().map(|place| &evidence[*place]);
    let received = received.map(|piece| piece.received_at.unwrap_or(piece.at).as_millisecond());
    let received: Vec<i64> = received.collect();
    let heard: Vec<bool> = places.iter().map(|place| heard[*place]).collect();
    let query = rows.bind(INSERT_KEPT).bind(received).bind(heard);
    query.execute(connection).await.map(drop)
}

/// Evidence column by column.
#[derive(Default)]
struct Rows {
    /// Where in the evidence each row stands.
    places: Vec<usize>,
    jobs: Vec<i32>,
    runs: Vec<Id>,
    kinds: Vec<i16>,
    times: Vec<i64>,
    declarations: Vec<Option<Id>>,
    vias: Vec<Option<Id>>,
    reports: Vec<Option<Vec<u8>>>,
    /// What is said in declarations and vias.
    texts: HashMap<Uuid, String>,
}

impl Rows {
    fn fill(&mut self, evidence: &[Evidence], numbers: &HashMap<Slug, i32>) -> sqlx::Result<()> {
        let mut seen = HashSet::new();
        for (place, piece) in evidence.iter().enumerate() {
            let Some(job) = numbers.get(&piece.job) else { continue };
            if seen.insert((*job, piece.run, piece.kind.word())) {
                self.push(place, *job, piece)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, place: usize, job: i32, piece: &Evidence) -> sqlx::Result<()> {
        self.places.push(place);
        self.jobs.push(job);
        self.runs.push(Id(piece.run.0));
        self.kinds.push(number_of(piece.kind));
        self.times.push(piece.at.as_millisecond());
        let declaration = piece.declaration.as_ref().map(|said| self.note(said)).transpose()?;
        self.declarations.push(declaration);
        let via = piece.report.via.as_ref().map(|via| self.note(via)).transpose()?;
        self.vias.push(via);
        self.reports.push(pack(&piece.report)?);
        Ok(())
    }

    fn note(&mut self, said: &impl serde::Serialize) -> sqlx::Result<Id> {
        let text = serde_json::to_string(said).map_err(damaged)?;
        let hash = hash_of(&text);
        self.texts.entry(hash).or_insert(text);
        Ok(Id(hash))
    }

    /// Inserts them, all of which are new, beside states; names the rows of which a text is missing, by numbers below 0.
    async fn insert_new(
        self,
        connection: &mut PgConnection,
        heard_at: Timestamp,
        states: States,
    ) -> sqlx::Result<Vec<i64>> {
        let query = self.bind(INSERT_NEW).bind(heard_at.as_millisecond());
        places(&states.bind(query).fetch_all(connection).await?)
    }

    /// The same if some may be known; names those too that were added, counted from 1.
    async fn insert(
        self,
        connection: &mut PgConnection,
        heard_at: Option<Timestamp>,
        states: States,
    ) -> sqlx::Result<Vec<i64>> {
        let query = self.bind(INSERT).bind(heard_at.map(Timestamp::as_millisecond));
        places(&states.bind(query).fetch_all(connection).await?)
    }

    fn bind(self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(sql).bind(self.jobs).bind(self.runs).bind(self.kinds).bind(self.times);
        query.bind(self.declarations).bind(self.vias).bind(self.reports)
    }
}

fn places(rows: &[PgRow]) -> sqlx::Result<Vec<i64>> {
    rows.iter().map(|row| row.try_get("place")).collect()
}
