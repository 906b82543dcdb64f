//! What was decided, compared with what the model says.

use tenko_core::state::{Flip, JobState};
use tenko_core::{Evidence, Exit, Kind, Notice, Reason, Verdict};

use crate::job::SimJob;
use crate::model::{Change, Ms, Said, State, Story, Why};
use crate::stamp;

/// What a roll call brought, for one job.
pub(crate) struct Call<'a> {
    pub(crate) index: usize,
    pub(crate) now: Ms,
    /// As much of that as can be believed.
    pub(crate) believed: Ms,
    /// Own times and arrivals of what was read for the first time.
    pub(crate) news: &'a [(Ms, Ms)],
    pub(crate) state: &'a JobState,
    pub(crate) flips: Vec<&'a Flip>,
    pub(crate) missed: u64,
    pub(crate) notices: Vec<&'a Notice>,
    pub(crate) blind: bool,
    /// When the last flip before was.
    pub(crate) told_until: Ms,
}

/// Adds a piece of evidence to what the model knows; the times of it, if it is news.
pub(crate) fn hear(job: &mut SimJob, piece: &Evidence) -> Option<(Ms, Ms)> {
    let received = piece.received_at?.as_millisecond();
    let at = piece.at.as_millisecond().min(received);
    let took = piece.report.duration.map(crate::millis);
    let said = match piece.kind {
        Kind::Start => Said::Start,
        Kind::Success => Said::Success(took),
        Kind::Fail(Some(Exit::Code(code))) => Said::Fail(Some(code), took),
        Kind::Fail(_) => Said::Fail(None, took),
        Kind::Log => Said::Log,
    };
    job.heard.hear(&job.rules, piece.run.0, said, at).then_some((at, received))
}

fn verdict(state: State) -> (Verdict, Option<Reason>) {
    match state {
        State::New => (Verdict::New, None),
        State::Up => (Verdict::Up, None),
        State::Down(why) => (Verdict::Down, Some(reason(why))),
    }
}

fn reason(why: Why) -> Reason {
    match why {
        Why::Missed => Reason::Missed,
        Why::Failed => Reason::Failed,
        Why::Overran => Reason::Overran,
        Why::TooQuick => Reason::TooQuick,
    }
}

pub(crate) fn tell(flip: &Flip) -> String {
    let late = if flip.late_delivered { " (late)" } else { "" };
    format!("{} -> {} {:?} at {}{late}", flip.old, flip.new, flip.reason, flip.at)
}

pub(crate) fn compare(call: &Call<'_>, before: &Story, after: &Story, in_order: bool) -> Option<String> {
    let fold = &call.state.fold;
    let found = (fold.verdict, fold.reason, fold.since.as_millisecond());
    let (verdict, reason) = verdict(after.state);
    if found != (verdict, reason, after.since) {
        return Some(format!(
            "{verdict} {reason:?} since {} expected, {} {:?} since {} found",
            stamp(after.since),
            found.0,
            found.1,
            fold.since
        ));
    }
    if !in_order {
        return compare_late(call, before, after);
    }
    let expected: Vec<Change> = after.changes[before.changes.len().min(after.changes.len())..].to_vec();
    let found: Vec<(Verdict, Option<Reason>, Ms)> =
        call.flips.iter().map(|flip| (flip.new, flip.reason, flip.at.as_millisecond())).collect();
    let wanted: Vec<_> = expected
        .iter()
        .map(|change| (change.to, change.at))
        .map(|(to, at)| (self::verdict(to).0, self::verdict(to).1, at))
        .collect();
    if found != wanted {
        let wanted: Vec<String> =
            expected.iter().map(|change| format!("{:?} at {}", change.to, stamp(change.at))).collect();
        let found: Vec<String> = call.flips.iter().map(|flip| tell(flip)).collect();
        return Some(format!("flips {wanted:?} expected, {found:?} found"));
    }
    let missed = after.missed.wrapping_sub(before.missed);
    (missed != call.missed).then(|| format!("{missed} missed dues expected, {} found", call.missed))
}

/// Evidence that comes after others have been judged tells the difference: it flips only to what is true.
///
/// What turns out to have been so before the last change was told becomes true when it is learnt.
fn compare_late(call: &Call<'_>, before: &Story, after: &Story) -> Option<String> {
    let mut told = call.told_until;
    let mut last = verdict(before.state).0;
    for flip in &call.flips {
        let at = flip.at.as_millisecond();
        let happened = after
            .changes
            .iter()
            .any(|change| change.at == at && verdict(change.to) == (flip.new, flip.reason));
        let learnt = call.news.iter().any(|(_, received)| at == *received.max(&told));
        if flip.old != last || !happened && !learnt {
            return Some(format!("no flip {} ever happened", tell(flip)));
        }
        (last, told) = (flip.new, at);
    }
    (last != verdict(after.state).0).then(|| "the flips do not lead to the verdict".to_owned())
}
