//! What an invocation is answered with: the report, as `tenko check --json` prints it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::checker::Report;
use crate::command::check;
use crate::error::CommandError;

/// The longest answer. Lambda takes 6 MB, and an answer that is longer is an error to it.
const LONGEST: usize = 5_000_000;

/// The report on the jobs of these names, or on all.
pub(super) fn of(report: &Report, names: &[String], store: &str) -> Result<Value, CommandError> {
    let jobs = check::shown(names, report, store)?;
    let answer = serde_json::to_value(check::answer(report, &jobs)).map_err(CommandError::could_not_tell)?;
    Ok(bounded(answer, LONGEST))
}

/// The answer to an event that asks for nothing.
pub(super) fn ignored(notes: &[String]) -> Value {
    json!({
        "at": Timestamp::now(), "jobs": [], "delivered": 0, "undelivered": 0, "failed_notices": [], "warnings": notes,
    })
}

/// Leaves out who is well, and if that is not enough, everybody.
fn bounded(mut answer: Value, longest: usize) -> Value {
    for (keep_bad, what) in [(true, "jobs that are up are"), (false, "jobs are")] {
        if answer.to_string().len() <= longest {
            break;
        }
        if let Some(jobs) = answer.get_mut("jobs").and_then(Value::as_array_mut) {
            jobs.retain(|job| keep_bad && job["verdict"] != "up");
        }
        if let Some(warnings) = answer.get_mut("warnings").and_then(Value::as_array_mut) {
            warnings.truncate(100);
            warnings.push(
                format!("{what} left out, because the answer would be longer than Lambda allows").into(),
            );
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_long_keeps_what_matters() {
        let job = |name: &str, verdict: &str| json!({ "name": name, "verdict": verdict });
        let mut jobs = vec![job("up", "up"); 100];
        jobs.push(job("bad", "down"));
        let answer = json!({ "jobs": jobs, "warnings": [] });
        assert_eq!(bounded(answer.clone(), 1_000_000), answer);
        let shorter = bounded(answer.clone(), 1_000);
        assert_eq!(shorter["jobs"], json!([job("bad", "down")]));
        assert_eq!(shorter["warnings"].as_array().unwrap().len(), 1);
        let shortest = bounded(answer, 10);
        assert_eq!(
            (shortest["jobs"].clone(), shortest["warnings"].as_array().unwrap().len()),
            (json!([]), 2)
        );
    }
}
