//! Deciding about jobs in the transaction that stores their evidence.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::Connection;
use tenko_core::{Evidence, Slug};

use super::writer::Desk;
use super::{entries, error, evidence, nodes, rolls};
use crate::Appended;
use crate::live::{By, Case, Decide, Decided, Entry, Wanted, ask};

/// What is asked for.
pub(super) struct Question {
    pub(super) by: By,
    pub(super) wanted: Wanted,
    pub(super) now: Timestamp,
    pub(super) decide: Decide,
}

/// Why nothing was decided. Nothing was written either, so that others in the same transaction need not care.
#[derive(Debug)]
pub(super) enum Refused {
    /// The node does not attend.
    Absent,
    /// What is kept of a job can't be understood.
    Unreadable(rusqlite::Error),
    /// Deciding panicked.
    Panicked(String),
}

/// Decides, and stores what was decided.
pub(super) fn decide(
    desk: &mut Desk<'_>,
    question: &mut Question,
) -> rusqlite::Result<Result<Vec<Appended>, Refused>> {
    if let By::Node(id) = question.by
        && !nodes::attends(desk, id, question.now)?
    {
        return Ok(Err(Refused::Absent));
    }
    let mut now = question.now;
    let (case, heard) = match read(desk, &question.wanted, &mut now) {
        Err(source) if error::is_unreadable(&source) => return Ok(Err(Refused::Unreadable(source))),
        read => read?,
    };
    match ask(&mut question.decide, case) {
        Ok(decided) => write(desk, decided, &heard, now).map(Ok),
        Err(said) => Ok(Err(Refused::Panicked(said))),
    }
}

/// What there is to decide on, and the numbers of the unheard evidence in it; `now` becomes what is now, if that is said.
fn read(desk: &mut Desk<'_>, wanted: &Wanted, now: &mut Timestamp) -> rusqlite::Result<(Case, Vec<i64>)> {
    match wanted {
        Wanted::Jobs(jobs) => Ok((case(desk, jobs, Vec::new())?, Vec::new())),
        Wanted::Latest(naming) => {
            let (jobs, later) = naming.name();
            *now = later;
            Ok((case(desk, &jobs, Vec::new())?, Vec::new()))
        }
        Wanted::Due { by, most } => Ok((due(desk, *by, *most)?, Vec::new())),
        Wanted::Unheard { most } => {
            let (numbers, unheard) = evidence::unheard(desk.connection, *most)?;
            let jobs: Vec<Slug> = unheard.iter().map(|piece| piece.job.clone()).collect();
            Ok((case(desk, &jobs, unheard)?, numbers))
        }
    }
}

fn case(desk: &mut Desk<'_>, jobs: &[Slug], unheard: Vec<Evidence>) -> rusqlite::Result<Case> {
    let entries = match jobs {
        [only] => vec![(only.clone(), entry(desk, only)?)],
        jobs => {
            let jobs: BTreeSet<&Slug> = jobs.iter().collect();
            let read = jobs.into_iter().map(|job| Ok((job.clone(), entry(desk, job)?)));
            read.collect::<rusqlite::Result<_>>()?
        }
    };
    Ok(Case { entries, unheard })
}

fn entry(desk: &mut Desk<'_>, job: &Slug) -> rusqlite::Result<Entry> {
    desk.known.job(desk.connection, job).map(|stored| stored.entry.clone())
}

/// A job of which nothing can be understood does not keep the others from being looked at.
fn due(desk: &mut Desk<'_>, by: Timestamp, most: usize) -> rusqlite::Result<Case> {
    let mut case = Case::default();
    for job in entries::due(desk.connection, by.as_millisecond(), most)? {
        match entry(desk, &job) {
            Err(problem) if error::is_unreadable(&problem) => {
                tracing::error!(%job, error = %problem, "what is kept of the job can't be understood: it is not judged");
                entries::put_to_sleep(desk.connection, &job)?;
            }
            entry => case.entries.push((job, entry?)),
        }
    }
    case.entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(case)
}

fn write(
    desk: &mut Desk<'_>,
    decided: Decided,
    heard: &[i64],
    now: Timestamp,
) -> rusqlite::Result<Vec<Appended>> {
    let Decided { evidence, kept, flips, missed } = decided;
    let appended = evidence::append_heard(desk, &evidence, now)?;
    if !kept.is_empty() {
        desk.known.raise_version(desk.connection)?;
    }
    for kept in kept {
        entries::keep(desk, kept, now)?;
    }
    let connection: &Connection = desk.connection;
    flips.iter().try_for_each(|(job, flip)| rolls::keep_flip(connection, job, flip))?;
    missed.iter().try_for_each(|(job, dues)| rolls::keep_missed(connection, job, dues))?;
    evidence::hear(connection, heard)?;
    Ok(appended)
}
