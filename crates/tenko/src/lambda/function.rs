//! Answers events.

use std::time::SystemTime;

use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use tenko_core::Verdict;
use tenko_store::layout::EvidenceKey;
use tokio::sync::Mutex;

use super::answer;
use super::deadline::Deadline;
use super::event::{self, Event, Stored, Wanted};
use super::failure::Failure;
use super::ready::Ready;
use super::wake_up::Move;
use crate::checker::{self, Checker, Report};
use crate::words;

/// The function, and what it keeps between invocations.
#[derive(Debug, Default)]
pub(super) struct Function {
    ready: Mutex<Option<Ready>>,
}

impl Function {
    /// Answers one event. An error is counted by the metric `Errors`; that a job is down is none.
    pub(super) async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let LambdaEvent { payload, context } = event;
        let deadline = Deadline::new(context.deadline, SystemTime::now());
        let event = Event::parse(&payload)?;
        let mut ready = self.ready.lock().await;
        let work = self.work(&mut ready, event, &context, deadline);
        tokio::time::timeout(deadline.patience(), work)
            .await
            .unwrap_or_else(|_| Err(Failure::time_out("the roll call")))
    }

    async fn work(
        &self,
        ready: &mut Option<Ready>,
        event: Event,
        context: &Context,
        deadline: Deadline,
    ) -> Result<Value, Failure> {
        let ready = prepared(ready, deadline).await?;
        let (wanted, notes) = match event {
            Event::Call(wanted) => (wanted, Vec::new()),
            Event::Stored(stored) => match about(&ready.checker, &stored) {
                (jobs, notes) if jobs.is_empty() => return Ok(answer::ignored(&notes)),
                (jobs, notes) => (Wanted { jobs, ..Wanted::default() }, notes),
            },
        };
        let mut report = call(&ready.checker, &wanted, deadline).await?;
        report.warnings.extend(notes);
        if !wanted.dry_run {
            move_wake_up(ready, &mut report, context).await;
        }
        log(&report, &context.request_id);
        if report.undelivered > 0 && ready.checker.store.forgets() {
            return Err(Failure::untold(report.undelivered));
        }
        Ok(answer::of(&report, &wanted.jobs, &ready.checker.store.url())?)
    }
}

/// What was prepared before, or is now. If reading it again fails, what was read before stays in force.
async fn prepared(ready: &mut Option<Ready>, deadline: Deadline) -> Result<&Ready, Failure> {
    if ready.as_ref().is_none_or(Ready::is_old) {
        match (Ready::prepare(deadline).await, &ready) {
            (Ok(fresh), _) => *ready = Some(fresh),
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(_)) => {
                tracing::error!("what was read before stays in force: {}", error.render().trim_end());
            }
        }
    }
    let ready = ready.as_mut().ok_or_else(|| Failure::time_out("the preparation"))?;
    ready.forget();
    Ok(ready)
}

async fn call(checker: &Checker, wanted: &Wanted, deadline: Deadline) -> Result<Report, Failure> {
    let failed = |error| Failure::from(crate::error::CommandError::from(error));
    if !wanted.dry_run {
        return checker.roll_call_until(deadline.stop()).await.map_err(failed);
    }
    let at = match &wanted.at {
        Some(text) => words::parse_moment(text, &checker.config.time_zone)?,
        None => Timestamp::now(),
    };
    checker::as_of(checker, at).await.map_err(failed)
}

/// A wake-up that can't be moved is no reason to fail: what was decided is stored, and the fixed schedule goes on.
async fn move_wake_up(ready: &Ready, report: &mut Report, context: &Context) {
    let (Some(wake_up), Some(look_again_at)) = (&ready.wake_up, report.roll.look_again_at()) else { return };
    let wish = Move {
        look_again_at,
        now: Timestamp::now(),
        function: &context.invoked_function_arn,
        invocation: &context.request_id,
    };
    let problem = match wake_up {
        Ok(wake_up) => wake_up.to(&wish).await,
        Err(problem) => Some(problem.clone()),
    };
    report.warnings.extend(problem);
}

/// Which jobs left evidence of which somebody told us, and why other objects are ignored.
fn about(checker: &Checker, stored: &[Stored]) -> (Vec<String>, Vec<String>) {
    let store = checker.store.url();
    let own = checker.config.checker.name.as_ref();
    let (mut jobs, mut notes) = (Vec::new(), Vec::new());
    for object in stored {
        match job_of(&store, object) {
            // Each roll call leaves evidence of itself: to answer that with a roll call would never end.
            Ok(job) if Some(&job) == own => {
                notes.push(format!("evidence of {job}, the roll call itself, is ignored"));
            }
            Ok(job) if jobs.iter().any(|known| known == job.as_str()) => {}
            Ok(job) => jobs.push(job.to_string()),
            Err(problem) => {
                let key = event::shown(&format!("{}/{}", object.bucket, object.key));
                notes.push(format!("{key} is ignored: {problem}"));
            }
        }
    }
    if jobs.is_empty() && notes.is_empty() {
        notes.push("an event that tells of no new object is ignored".into());
    }
    (jobs, notes)
}

/// The job that left an object as evidence in the store of this URL.
fn job_of(store: &str, object: &Stored) -> Result<tenko_core::Slug, String> {
    let elsewhere = || format!("it does not lie in {store}");
    let place = store.split_once("://").map(|(_, place)| place).unwrap_or_default();
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() || !object.bucket.is_empty() && object.bucket != bucket {
        return Err(elsewhere());
    }
    let rest = object.key.strip_prefix(prefix).ok_or_else(elsewhere)?;
    let key = if prefix.is_empty() { rest } else { rest.strip_prefix('/').ok_or_else(elsewhere)? };
    let key: EvidenceKey = key.parse().map_err(|problem| format!("it is no evidence: {problem}"))?;
    Ok(key.job)
}

/// One line for each roll call, and one for each warning.
fn log(report: &Report, request: &str) {
    let states = report.roll.states.values();
    let down = states.filter(|state| state.stored_verdict() == Verdict::Down).count();
    tracing::info!(
        requestId = request,
        jobs = report.jobs.len(),
        down,
        flips = report.changes.flips.len(),
        delivered = report.delivered,
        undelivered = report.undelivered,
        "the roll was called"
    );
    for warning in &report.warnings {
        tracing::warn!(requestId = request, "{}", crate::printer::one_line(warning));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(store: &str, bucket: &str, key: &str) -> Result<String, String> {
        job_of(store, &Stored { bucket: bucket.into(), key: key.into() }).map(|job| job.to_string())
    }

    #[test]
    fn a_key_names_its_job_below_the_prefix_of_the_store_only() {
        let key = "evidence/2026-11-23/051007.482Z/nightly/0190b6b1-7c3e-7000-8000-000000000001.fail-3.json";
        assert_eq!(job("s3://acme", "acme", key), Ok("nightly".into()));
        assert_eq!(job("s3://acme/prod", "acme", &format!("prod/{key}")), Ok("nightly".into()));
        for (bucket, key) in
            [("acme", key), ("other", &*format!("prod/{key}")), ("acme", &*format!("prodx{key}"))]
        {
            assert_eq!(job("s3://acme/prod", bucket, key), Err("it does not lie in s3://acme/prod".into()));
        }
        assert!(job("sqlite:///x.db", "acme", key).is_err());
        insta::assert_snapshot!(job("s3://acme", "acme", "roll/99999999999999999957.json.zst").unwrap_err(), @"it is no evidence: it does not have the five parts of a key of evidence");
    }
}
