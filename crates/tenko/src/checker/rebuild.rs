//! What the roll call would have said at another moment. Stores nothing and tells nobody.

use jiff::{SignedDuration, Timestamp};
use tenko_core::call::{self, Called, Roster};
use tenko_core::{Evidence, Roll};
use tenko_store::StoreError;

use super::{Checker, Report, members, objects};

/// How far back evidence is read to know what was true at a moment in the past.
const MEMORY: SignedDuration = SignedDuration::from_hours(24 * 92);

/// What the roll call would say, or would have said, at `at`: of a moment before the last roll call with the evidence
/// that had arrived by then, of a later one with all that there is. Of the past, evidence of the last 92 days before
/// `at` is taken into account.
pub async fn as_of(checker: &Checker, at: Timestamp) -> Result<Report, StoreError> {
    let snapshot = checker.store.load().await?;
    if snapshot.roll.called_at.is_none_or(|called| called <= at) {
        let decision = checker.decide(snapshot.roll, None, at).await?;
        return Ok(report(at, decision.roll, decision.jobs, decision.called, decision.warnings));
    }
    let from = at.checked_sub(MEMORY).unwrap_or(Timestamp::MIN);
    let mut evidence = checker.store.between(None, from, Timestamp::MAX).await?;
    evidence.retain(|piece| piece.received_at.unwrap_or(piece.at) <= at);
    rebuild(checker, snapshot.roll, &evidence, at).await
}

/// Judges all over again from evidence. What people did (pauses) and what was declared is taken from now, because
/// nobody keeps when it was otherwise.
async fn rebuild(
    checker: &Checker,
    now: Roll,
    evidence: &[Evidence],
    at: Timestamp,
) -> Result<Report, StoreError> {
    let members = members(&checker.config, &now, evidence);
    let mut jobs = members.jobs;
    for (slug, job) in &mut jobs {
        if let Some(state) = now.states.get(slug) {
            job.expected_from = job.expected_from.or(Some(state.expected_from.min(at)));
        }
    }
    let mut roll = Roll { gaps: now.gaps, declarations: now.declarations, ..Roll::default() };
    roll.gaps.retain(|gap| gap.to <= at);
    let seen = objects::look_back(&checker.config, &jobs, &roll, at).await;
    let called = call::call(
        &mut roll,
        Roster { jobs: &jobs, blind: &seen.blind },
        evidence.iter().chain(&seen.evidence),
        at,
    );
    for (slug, state) in &mut roll.states {
        state.paused = now.states.get(slug).and_then(|state| state.paused).filter(|since| *since <= at);
    }
    Ok(report(at, roll, jobs, called, members.warnings))
}

fn report(
    at: Timestamp,
    roll: Roll,
    jobs: std::collections::BTreeMap<tenko_core::Slug, tenko_core::Job>,
    called: Called,
    warnings: Vec<String>,
) -> Report {
    Report { at, roll, jobs, changes: called.changes, warnings, ..Report::default() }
}
