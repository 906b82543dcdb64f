//! Evidence, states and notices to test with.

use jiff::{SignedDuration, Timestamp};
use tenko_core::judge::Gap;
use tenko_core::outbox::{Item, Status};
use tenko_core::roll::{Changes, Cursor};
use tenko_core::state::{Answer, Flip, Fold, Heard, Incident, UnderWay};
use tenko_core::{
    ChannelName, Declaration, Evidence, Exit, JobSpec, JobState, Kind, Notice, Output, Reason, Report, Roll,
    RunId, Slug, Verdict, Via,
};
use uuid::Uuid;

/// A job's name.
pub fn slug(name: &str) -> Slug {
    Slug::new(name).expect("tests use valid names")
}

/// A moment, as RFC 3339 writes it.
pub fn moment(text: &str) -> Timestamp {
    text.parse().expect("tests use valid moments")
}

/// Now, in whole milliseconds.
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("now is a moment")
}

/// A moment as many seconds after `from`; before, if negative.
pub fn after(from: Timestamp, seconds: i64) -> Timestamp {
    from + SignedDuration::from_secs(seconds)
}

/// A run of our own making.
pub fn run() -> RunId {
    RunId(Uuid::now_v7())
}

/// Plain evidence of a new run.
pub fn evidence(job: &str, kind: Kind, at: Timestamp) -> Evidence {
    Evidence::new(slug(job), run(), kind, at)
}

/// A report with everything in it.
pub fn full_report() -> Report {
    Report {
        host: Some("web-1.example".into()),
        duration: Some(SignedDuration::from_millis(61_234)),
        output: Some(Output { head: "begin\n".into(), tail: "end\n".into(), omitted: 12_345, exact: None }),
        message: Some("disk nearly full".into()),
        flaw: None,
        timed_out: true,
        max_rss: Some(123_456_789),
        rid: Some(Uuid::from_u128(7)),
        via: Some(via("203.0.113.7")),
    }
}

/// How a ping came from an address.
pub fn via(from: &str) -> Via {
    Via { scheme: "https".into(), method: "GET".into(), from: from.into(), agent: "curl/8.14.1".into() }
}

/// What a job says of itself.
pub fn declaration(digest: &str) -> Declaration {
    let spec =
        JobSpec { grace: Some("30m".into()), description: Some("朝の集計".into()), ..JobSpec::default() };
    Declaration { digest: digest.into(), spec: Some(spec.into()) }
}

/// What evidence is known by, and its time.
pub fn name_of(evidence: &Evidence) -> (String, RunId, String, Timestamp) {
    (evidence.job.to_string(), evidence.run, evidence.kind.to_string(), evidence.at)
}

/// The names of all, sorted.
pub fn names_of<'a>(
    evidence: impl IntoIterator<Item = &'a Evidence>,
) -> Vec<(String, RunId, String, Timestamp)> {
    let mut names: Vec<_> = evidence.into_iter().map(name_of).collect();
    names.sort();
    names
}

/// As it was appended: without what the store added.
pub fn as_appended(evidence: &Evidence) -> Evidence {
    Evidence { received_at: None, key: None, ..evidence.clone() }
}

/// A state that says something in every field, different for each `seed`.
pub fn state(seed: i64) -> JobState {
    let begin = after(moment("2026-11-23T20:00:00Z"), seed);
    let fold = Fold {
        until: after(begin, 90),
        verdict: Verdict::Down,
        since: after(begin, 60),
        reason: Some(Reason::Missed),
        bad: 2,
        good: 0,
        bad_run: Some(run()),
        anchor: begin,
        sign: Some(after(begin, 1)),
        due: Some(after(begin, 86_400)),
        unanswered: Some(after(begin, 30)),
    };
    let started = Some(begin);
    let answer = Answer {
        at: begin,
        run: run(),
        kind: Kind::Success,
        started,
        duration: None,
        bad_evidence: true,
        second: false,
    };
    let heard =
        Heard { at: begin, run: run(), exit: Some(Exit::Signal(9)), duration: full_report().duration };
    JobState {
        expected_from: begin,
        schedule: Some("every 1d".into()),
        configured: true,
        base: fold,
        fold,
        tail: vec![answer],
        running: vec![UnderWay { run: run(), started: begin }],
        paused: None,
        last_start: Some(heard),
        last_success: None,
        last_fail: Some(heard),
        incident: Some(Incident { opened_at: begin, reason: Reason::Missed, told: true, reminders: 3 }),
        blind: None,
        flips: vec![flip(begin)],
        look_again_at: Some(after(begin, 600)),
    }
}

/// A flip to down.
pub fn flip(at: Timestamp) -> Flip {
    Flip { old: Verdict::Up, new: Verdict::Down, reason: Some(Reason::Failed), at, late_delivered: false }
}

/// A notice that waits.
pub fn item(channel: &str, job: &str, at: Timestamp) -> Item {
    let channel = ChannelName::new(channel).expect("tests use valid names");
    let notice = Notice::test(channel, slug(job), at);
    Item { notice, status: Status::Ready { not_before: at }, attempts: 0, last_error: None }
}

/// A roll of `jobs` jobs with something everywhere, and all of it as changes.
pub fn roll(jobs: i64) -> (Roll, Changes) {
    let at = moment("2026-11-24T05:00:00.123Z");
    let mut roll = Roll {
        called_at: Some(at),
        cursor: Cursor("odd cursor \u{0} 1/ü".into()),
        gaps: vec![Gap { from: after(at, -600), to: after(at, -300) }],
        ..Roll::default()
    };
    for number in 0..jobs {
        roll.states.insert(slug(&format!("job-{number}")), state(number));
    }
    roll.declarations.insert(slug("job-0"), declaration("1f3a9c02"));
    roll.declarations.insert(slug("declared-only"), declaration("00000000"));
    roll.outbox.items.push(item("ops", "job-0", at));
    let jobs = roll.states.keys().chain(roll.declarations.keys()).cloned().collect();
    (roll, Changes { jobs, ..Changes::default() })
}

/// Changes of these jobs and nothing else.
pub fn changes(jobs: &[&str]) -> Changes {
    Changes { jobs: jobs.iter().map(|job| slug(job)).collect(), ..Changes::default() }
}
