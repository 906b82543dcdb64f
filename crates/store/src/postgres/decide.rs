//! Deciding about jobs in the transaction that stores their evidence.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tenko_core::{Evidence, Slug};
use uuid::Uuid;

use super::adding::{add, is_known, job_numbers, keep_texts};
use super::bell::Bell;
use super::columns::{Id, rounded_up};
use super::entries::Locked;
use super::error::damaged;
use super::evidence::{Heard, unheard};
use super::known::Known;
use super::nodes;
use super::outbox::Difference;
use super::rolls::{LOCK, keep_facts, raise_version};
use super::states::{States, note};
use super::work::Work;
use crate::Appended;
use crate::live::{By, Case, Decide, Decided, Entry, Kept, Wanted, ask};
use crate::stored::woken_at;

/// What is asked for.
pub(super) struct Question<'a> {
    pub(super) by: By,
    pub(super) wanted: Wanted,
    pub(super) now: Timestamp,
    pub(super) decide: Decide,
    pub(super) known: &'a Known,
    pub(super) bell: &'a Bell,
    pub(super) attends: bool,
}

/// Why nothing was decided.
#[derive(Debug)]
pub(super) enum Refused {
    /// The node does not attend.
    Absent,
    /// Deciding panicked.
    Panicked(String),
}

/// What was decided; nothing was written if there was nothing to write.
pub(super) struct Answer {
    pub(super) appended: Vec<Appended>,
    void: bool,
}

impl Work for Question<'_> {
    type Done = Result<Answer, Refused>;

    fn prepared() -> Option<String> {
        let attends = nodes::attends("$1", "$2");
        Some(format!(
            "prepare attends (uuid, bigint) as select pg_current_xact_id()::text, {attends} as attends;
             prepare keep_roll_calls_out as select pg_advisory_xact_lock_shared({LOCK})"
        ))
    }

    fn opening(&self) -> String {
        match self.by {
            By::Node(id) => {
                let now = self.now.as_millisecond();
                format!("begin; execute keep_roll_calls_out; execute attends('{id}', {now})")
            }
            By::Tool => {
                "begin; execute keep_roll_calls_out; select pg_current_xact_id()::text, true as attends"
                    .to_owned()
            }
        }
    }

    fn begun(&mut self, row: &PgRow) -> sqlx::Result<()> {
        self.attends = row.try_get("attends")?;
        Ok(())
    }

    fn goes_another_way(&self, refused: &sqlx::Error) -> bool {
        let is_known = is_known(refused);
        if is_known {
            self.known.met_known();
        }
        is_known
    }

    fn is_void(&self, done: &Self::Done) -> bool {
        done.as_ref().map_or(true, |answer| answer.void)
    }

    async fn do_in(&mut self, connection: &mut PgConnection) -> sqlx::Result<Self::Done> {
        if !self.attends {
            return Ok(Err(Refused::Absent));
        }
        let mut locked = Locked::new(self.known);
        let mut now = self.now;
        let (case, heard) = read(connection, &self.wanted, &mut locked, &mut now).await?;
        match ask(&mut self.decide, case) {
            Ok(decided) => {
                let writing = Writing { locked, heard, by: self.by, now, bell: self.bell, known: self.known };
                writing.write(connection, decided).await.map(Ok)
            }
            Err(said) => Ok(Err(Refused::Panicked(said))),
        }
    }
}

/// What there is to decide on, and the unheard evidence in it; `now` becomes what is now, if that is said.
async fn read(
    connection: &mut PgConnection,
    wanted: &Wanted,
    locked: &mut Locked<'_>,
    now: &mut Timestamp,
) -> sqlx::Result<(Case, Heard)> {
    let (mut heard, mut evidence) = (Heard::default(), Vec::new());
    match wanted {
        Wanted::Jobs(jobs) => locked.add(connection, &jobs.iter().collect::<Vec<_>>()).await?,
        Wanted::Latest(naming) => {
            let (jobs, later) = naming.name();
            *now = later;
            locked.add(connection, &jobs.iter().collect::<Vec<_>>()).await?;
        }
        Wanted::Due { by, most } => locked.add_due(connection, by.as_millisecond(), *most).await?,
        Wanted::Unheard { most } => {
            (heard, evidence) = unheard(connection, *most).await?;
            let jobs: Vec<&Slug> = evidence.iter().map(|piece: &Evidence| &piece.job).collect();
            locked.add(connection, &jobs).await?;
        }
    }
    let passing = matches!(wanted, Wanted::Due { .. });
    let entries = entries(connection, locked, passing).await?;
    Ok((Case { entries, unheard: evidence }, heard))
}

/// What is kept of the jobs, by name. In `passing`, a job of which nothing can be understood does not keep the others from
/// being looked at.
async fn entries(
    connection: &mut PgConnection,
    locked: &Locked<'_>,
    passing: bool,
) -> sqlx::Result<Vec<(Slug, Entry)>> {
    let declared = locked.declarations(connection).await?;
    let mut entries = BTreeMap::new();
    for (job, row) in &locked.rows {
        match row.entry(&declared) {
            Err(error) if passing => {
                tracing::error!(%job, %error, "what is kept of the job can't be understood: it is not judged");
                let sleep = "update states set wake_at = null where job = $1";
                sqlx::query(sleep).bind(row.job).execute(&mut *connection).await?;
            }
            entry => drop(entries.insert(job.clone(), entry?)),
        }
    }
    Ok(entries.into_iter().collect())
}

/// What was read, for what is written.
struct Writing<'a> {
    locked: Locked<'a>,
    heard: Heard,
    by: By,
    now: Timestamp,
    bell: &'a Bell,
    known: &'a Known,
}

impl Writing<'_> {
    async fn write(mut self, connection: &mut PgConnection, decided: Decided) -> sqlx::Result<Answer> {
        let Decided { evidence, kept, flips, missed } = decided;
        let void = evidence.is_empty()
            && kept.is_empty()
            && flips.is_empty()
            && missed.is_empty()
            && self.heard.is_empty();
        if void {
            return Ok(Answer { appended: Vec::new(), void });
        }
        // Of a job that is not locked, somebody else may be finding out just now that it has no items.
        let of_items = kept.iter().flat_map(|kept| kept.entry.items.iter().map(|item| &item.notice.job));
        let jobs: Vec<&Slug> = kept.iter().map(|kept| &kept.job).chain(of_items).collect();
        self.locked.add(connection, &jobs).await?;
        let numbers = self.numbers(connection, &evidence, &flips, &missed).await?;
        let Changes { states, outbox, texts, wakes_earlier } = self.changes(kept)?;
        keep_texts(connection, texts).await?;
        let appended = add(connection, &evidence, &numbers, Some(self.now), states, self.known).await?;
        let rings = wakes_earlier || !outbox.is_empty() || self.by == By::Tool;
        outbox.write(connection, &numbers).await?;
        if rings {
            self.bell.ring(connection).await?;
        }
        let flips = flips.iter().map(|(job, flip)| (job, flip.at, flip));
        keep_facts(connection, "insert into flips (job, at, flip)", flips, &numbers).await?;
        let missed = missed.iter().map(|(job, missed)| (job, missed.last, missed));
        keep_facts(connection, "insert into missed (job, at, missed)", missed, &numbers).await?;
        self.heard.write(connection).await?;
        if self.by == By::Tool {
            raise_version(connection).await?;
        }
        Ok(Answer { appended, void })
    }

    /// The numbers of all jobs that are named.
    async fn numbers<F, M>(
        &self,
        connection: &mut PgConnection,
        evidence: &[Evidence],
        flips: &[(Slug, F)],
        missed: &[(Slug, M)],
    ) -> sqlx::Result<HashMap<Slug, i32>> {
        let mut numbers: HashMap<Slug, i32> =
            self.locked.rows.iter().map(|(job, row)| (job.clone(), row.job)).collect();
        let facts = flips.iter().map(|(job, _)| job).chain(missed.iter().map(|(job, _)| job));
        let named = evidence.iter().map(|piece| &piece.job).chain(facts);
        let others: HashSet<&Slug> = named.filter(|job| !numbers.contains_key(*job)).collect();
        if !others.is_empty() {
            let found = job_numbers(connection, others).await?;
            numbers.extend(found);
        }
        Ok(numbers)
    }

    /// What of jobs is to be kept that is another than before.
    fn changes(&mut self, kept: Vec<Kept>) -> sqlx::Result<Changes> {
        let mut changes = Changes::default();
        for Kept { job, entry, wake_at } in kept {
            let row = self.locked.rows.get(&job).ok_or_else(|| damaged("a job is not locked"))?;
            let said = entry.declaration.as_ref().map(|said| note(&mut changes.texts, said)).transpose()?;
            let state = entry.state.as_ref().map(serde_json::to_string).transpose().map_err(damaged)?;
            let wakes = woken_at(row.wake_at, wake_at.map(rounded_up), self.now.as_millisecond());
            changes.wakes_earlier |=
                wakes.is_some_and(|wakes| row.wake_at.is_none_or(|before| wakes < before));
            if state != row.state || said != row.declaration || wakes != row.wake_at {
                changes.states.add(row.job, state, said, wakes, !entry.items.is_empty());
                self.locked.made.remove(&job);
            }
            changes.outbox.add(&row.items, &entry.items)?;
        }
        for job in &self.locked.made {
            self.locked.rows.get(job).into_iter().for_each(|row| changes.states.forget(row.job));
        }
        // What was kept before is there.
        let kept = |hash: &Uuid| self.locked.rows.values().any(|row| row.declaration == Some(Id(*hash)));
        changes.texts.retain(|hash, _| !kept(hash));
        Ok(changes)
    }
}

/// What is to be written of jobs.
#[derive(Default)]
struct Changes {
    states: States,
    outbox: Difference,
    texts: HashMap<Uuid, String>,
    /// Whether one wakes earlier than others think.
    wakes_earlier: bool,
}
