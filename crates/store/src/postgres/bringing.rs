//! What was taken from another store, brought into an empty one.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tenko_core::outbox::Item;
use tenko_core::state::{Flip, JobState, Missed};
use tenko_core::{Declaration, Evidence, Roll, Slug};
use uuid::Uuid;

use super::adding::{job_numbers, keep_texts, put_evidence};
use super::addresses::KeepKey;
use super::clock::CLOCK;
use super::columns::{Id, rounded_up};
use super::error::damaged;
use super::nodes;
use super::outbox::Difference;
use super::rolls::{keep_facts, text_of_rest};
use super::states::{States, note};
use super::work::Work;
use crate::live::Key;
use crate::portable::Piece;

type Numbers = HashMap<Slug, i32>;

/// Nobody else writes until it is all there.
pub(super) const LOCK: &str =
    "begin; lock table roll, nodes, jobs, states, outbox, evidence, addresses, keys in exclusive mode";

/// Whether nobody has used the store.
pub(super) struct IsEmpty;

impl Work for IsEmpty {
    type Done = bool;

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        let sql = "select not exists (select from jobs) and not exists (select from keys)
                       and not exists (select from nodes where not gone) as empty";
        sqlx::query(sql).fetch_one(connection).await?.try_get("empty")
    }
}

/// Writes some pieces, those of a kind in their order.
pub(super) struct Put(pub(super) Vec<Piece>);

impl Work for Put {
    type Done = ();

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let mut sorted = Sorted::default();
        std::mem::take(&mut self.0).into_iter().for_each(|piece| sorted.add(piece));
        let numbers = job_numbers(connection, sorted.named()).await?;
        sorted.write(connection, &numbers).await
    }
}

/// A job with what is kept of it.
struct Job {
    slug: Slug,
    state: Option<JobState>,
    declaration: Option<Declaration>,
    wake_at: Option<Timestamp>,
}

/// Pieces by what they are.
#[derive(Default)]
struct Sorted {
    attended: Option<Timestamp>,
    jobs: Vec<Job>,
    notices: Vec<Item>,
    addresses: Vec<(Slug, Uuid)>,
    keys: Vec<Key>,
    flips: Vec<(Slug, Flip)>,
    missed: Vec<(Slug, Missed)>,
    evidence: Vec<Evidence>,
    heard: Vec<bool>,
}

impl Sorted {
    fn add(&mut self, piece: Piece) {
        match piece {
            // It is put elsewhere.
            Piece::Roll(_) => {}
            Piece::Attended(at) => self.attended = Some(at),
            Piece::Job { job: slug, state, declaration, wake_at } => {
                self.jobs.push(Job { slug, state, declaration, wake_at });
            }
            Piece::Notice(item) => self.notices.push(item),
            Piece::Address { job, address } => self.addresses.push((job, address)),
            Piece::Key(key) => self.keys.push(key),
            Piece::Flip { job, flip } => self.flips.push((job, flip)),
            Piece::Missed { job, missed } => self.missed.push((job, missed)),
            Piece::Evidence { evidence, heard } => {
                self.evidence.push(evidence);
                self.heard.push(heard);
            }
        }
    }

    fn named(&self) -> HashSet<&Slug> {
        let jobs = self.jobs.iter().map(|job| &job.slug);
        let notices = self.notices.iter().map(|item| &item.notice.job);
        let addresses = self.addresses.iter().map(|(job, _)| job);
        let facts = self.flips.iter().map(|(job, _)| job).chain(self.missed.iter().map(|(job, _)| job));
        let evidence = self.evidence.iter().map(|piece| &piece.job);
        jobs.chain(notices).chain(addresses).chain(facts).chain(evidence).collect()
    }

    async fn write(self, connection: &mut PgConnection, numbers: &Numbers) -> sqlx::Result<()> {
        if let Some(at) = self.attended {
            nodes::note_gone(connection, at).await?;
        }
        put_jobs(connection, self.jobs, numbers).await?;
        let mut outbox = Difference::default();
        outbox.add(&[], &self.notices)?;
        outbox.write(connection, numbers).await?;
        put_addresses(connection, self.addresses, numbers).await?;
        for key in &self.keys {
            KeepKey(key).do_in(connection).await?;
        }
        let flips = self.flips.iter().map(|(job, flip)| (job, flip.at, flip));
        keep_facts(connection, "insert into flips (job, at, flip)", flips, numbers).await?;
        let missed = self.missed.iter().map(|(job, missed)| (job, missed.last, missed));
        keep_facts(connection, "insert into missed (job, at, missed)", missed, numbers).await?;
        put_evidence(connection, &self.evidence, &self.heard, numbers).await
    }
}

async fn put_jobs(connection: &mut PgConnection, jobs: Vec<Job>, numbers: &Numbers) -> sqlx::Result<()> {
    let (mut states, mut texts) = (States::default(), HashMap::new());
    for Job { slug, state, declaration, wake_at } in jobs {
        let said = declaration.as_ref().map(|said| note(&mut texts, said)).transpose()?;
        let state = state.as_ref().map(serde_json::to_string).transpose().map_err(damaged)?;
        states.add(number(numbers, &slug)?, state, said, wake_at.map(rounded_up), true);
    }
    keep_texts(connection, texts).await?;
    states.write(connection).await
}

async fn put_addresses(
    connection: &mut PgConnection,
    addresses: Vec<(Slug, Uuid)>,
    numbers: &Numbers,
) -> sqlx::Result<()> {
    let rows = addresses.iter().map(|(job, address)| Ok((Id(*address), number(numbers, job)?)));
    let (addresses, jobs): (Vec<_>, Vec<_>) = rows.collect::<sqlx::Result<Vec<_>>>()?.into_iter().unzip();
    let sql = "insert into addresses (address, job) select * from unnest($1::uuid[], $2::int[])";
    sqlx::query(sql).bind(addresses).bind(jobs).execute(connection).await.map(drop)
}

fn number(numbers: &Numbers, job: &Slug) -> sqlx::Result<i32> {
    numbers.get(job).copied().ok_or_else(|| damaged("a job has no number"))
}

/// Writes what of the roll is in no other table, with a cursor of this store.
pub(super) struct Conclude(pub(super) Roll);

impl Work for Conclude {
    type Done = ();

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        self.0.cursor = nodes::heard(connection).await?;
        let sql = format!("update roll set version = 1, rest = $1, made_at = {CLOCK}");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(text_of_rest(&self.0)?);
        query.execute(connection).await.map(drop)
    }
}
