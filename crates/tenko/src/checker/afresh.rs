//! Roll calls in a store that forgets (`memory:`): nothing is known of before, and nobody will go on from here. So a job is
//! asked about its last due whose time is over (or about as many as have to be missed before it is down), and what there
//! is to tell is told at once, or never.

use jiff::{SignedDuration, Timestamp};
use tenko_core::notice::BLIND_TRIES;
use tenko_core::schedule::{Direction, Schedule, just_after};
use tenko_core::state::Blind;
use tenko_core::{Job, JobState, Notice, Roll};

use super::roster::Members;

/// The jobs of which nothing is known are expected from the last dues on that are decided at `now`. Only those with a plain
/// object: no evidence of others can be in such a store, and not to have heard of them says nothing.
pub(super) fn expect(members: &mut Members, roll: &Roll, now: Timestamp) {
    for (slug, job) in &mut members.jobs {
        if !job.plain_object {
            members.warnings.push(format!(
                "job {slug} can't be judged: memory: holds no evidence; give it an object, or name another store"
            ));
        } else if job.expected_from.is_none() && !roll.states.contains_key(slug) {
            job.expected_from = last_decided(job, now);
        }
    }
}

/// The last due whose deadline is over; with `failures` above 1 the first of so many.
fn last_decided(job: &Job, now: Timestamp) -> Option<Timestamp> {
    let limits = &job.limits;
    let within = limits.start_within.map_or(limits.grace, |within| within.min(limits.grace));
    let before = now.checked_sub(within).ok()?;
    match job.schedule {
        // Counted from a success that nobody knows: there has to be one not longer ago than this.
        Schedule::Every { period, .. } => {
            let periods = period.checked_mul(i32::try_from(limits.failures).ok()?)?;
            before.checked_sub(periods.checked_add(SignedDuration::from_secs(1))?).ok()
        }
        _ => {
            let dues = job.schedule.occurrences(now, just_after(before), Direction::Back);
            dues.take(usize::try_from(limits.failures).ok()?).last()
        }
    }
}

/// What the first roll call tells: what is true now. An object that came late is there, and each first roll call would tell
/// of it anew; and that there was no success before is more than anybody knows.
pub(super) fn without_the_past(notices: &mut Vec<Notice>) {
    notices.retain(|notice| !notice.facts.brief);
    notices.iter_mut().for_each(|notice| notice.facts.nothing_before = true);
}

/// That the object of a job can't be seen is told in the first roll call, because there is no next one that would know.
pub(super) fn tell_at_once(members: &Members, seen: &super::Seen, roll: &mut Roll, now: Timestamp) {
    for (slug, problem) in &seen.blind {
        let Some(job) = members.jobs.get(slug).filter(|_| !roll.states.contains_key(slug)) else { continue };
        let mut state = JobState::new(job, job.expected_from.unwrap_or(now));
        let problem = problem.clone();
        state.blind = Some(Blind { since: now, tries: BLIND_TRIES - 1, problem, told: false });
        roll.states.insert(slug.clone(), state);
    }
}
