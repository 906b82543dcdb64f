//! What every language has to say, and what all of them share.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use super::{MAX_VALUE, line};
use crate::notice::{Facts, Notice, NoticeKind};
use crate::{Exit, Reason};

/// The labels of fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    Job,
    Schedule,
    Due,
    DownSince,
    UpSince,
    UnreadableSince,
    LastSuccess,
    Ended,
    Took,
    Host,
    Remark,
    StoreSaid,
}

/// A language.
pub(super) trait Words {
    /// One line for a notice; begins with the job.
    fn title(&self, notice: &Notice) -> String;
    /// What happened.
    fn sentence(&self, notice: &Notice) -> String;
    /// The name of a field.
    fn label(&self, label: Label) -> &'static str;
    /// A moment with weekday and zone.
    fn moment(&self, at: &ZonedDateTime) -> String;
    /// A length of time in at most two units.
    fn duration(&self, length: SignedDuration) -> String;
    /// So long ago.
    fn ago(&self, length: SignedDuration) -> String;
    /// How a process ended.
    fn exit(&self, exit: Exit) -> String;
    /// That there was no success yet.
    fn never(&self) -> &'static str;
    /// That so many bytes of output were not kept.
    fn omitted(&self, bytes: u64) -> String;
    /// That so many more notices are not listed.
    fn more(&self, count: usize) -> String;
    /// The title of a digest.
    fn digest(&self, down: usize, up: usize, all: usize) -> String;
}

/// All that is known, in the order in which people ask.
pub(super) fn fields(words: &dyn Words, notice: &Notice) -> Vec<(String, String)> {
    let facts = &notice.facts;
    if notice.kind == NoticeKind::Test {
        return Vec::new();
    }
    let moment = |at: Timestamp| words.moment(&zoned(facts, at));
    let blind = matches!(notice.kind, NoticeKind::Unknown | NoticeKind::Known);
    let since = if blind { Label::UnreadableSince } else { Label::DownSince };
    let said = if blind { Label::StoreSaid } else { Label::Remark };
    let all = [
        (Label::Job, facts.description.clone()),
        (said, facts.message.clone()),
        (Label::Schedule, facts.schedule.clone()),
        (Label::Due, facts.due.filter(|_| !blind).map(moment)),
        (since, facts.down_since.map(moment)),
        (Label::UpSince, facts.up_since.map(moment)),
        (Label::LastSuccess, last_success(words, notice)),
        (Label::Ended, facts.exit.map(|exit| words.exit(exit))),
        (Label::Took, facts.duration.map(|length| words.duration(length))),
        (Label::Host, facts.host.clone()),
    ];
    let present = all.into_iter().filter_map(|(label, value)| Some((label, line(&value?, MAX_VALUE))));
    let present = present.filter(|(_, value)| !value.is_empty());
    present.map(|(label, value)| (words.label(label).to_owned(), value)).collect()
}

fn last_success(words: &dyn Words, notice: &Notice) -> Option<String> {
    let shown = matches!(notice.kind, NoticeKind::Down | NoticeKind::Reminder(_) | NoticeKind::Unknown);
    let Some(at) = notice.facts.last_success else {
        return shown.then(|| words.never().to_owned());
    };
    let ago = words.ago(notice.created_at.duration_since(at).max(SignedDuration::ZERO));
    Some(format!("{} ({ago})", words.moment(&zoned(&notice.facts, at))))
}

/// A moment in the job's zone; in UTC if there is no such zone.
pub(super) fn zoned(facts: &Facts, at: Timestamp) -> ZonedDateTime {
    let zone = TimeZone::get(&facts.time_zone).unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone)
}

/// `05:30`, or `05:30:12` if the seconds matter.
pub(super) fn clock(at: &ZonedDateTime) -> String {
    let form = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    at.strftime(form).to_string()
}

/// `JST`; `UTC+05:30` where a zone has no letters of its own.
pub(super) fn zone(at: &ZonedDateTime) -> String {
    let letters = at.strftime("%Z").to_string();
    if letters.chars().all(|c| c.is_ascii_alphabetic()) { letters } else { at.strftime("UTC%:z").to_string() }
}

/// How long the job was, or has been, down.
pub(super) fn down_for(notice: &Notice) -> Option<SignedDuration> {
    let shown = if notice.kind == NoticeKind::Unknown { notice.created_at } else { notice.at };
    let until = notice.facts.up_since.unwrap_or(shown);
    Some(until.duration_since(notice.facts.down_since?).max(SignedDuration::ZERO))
}

/// What kind of miss it is, when it is one: no success by the deadline, or no start before it.
pub(super) enum Miss {
    /// No success by then.
    Success(Timestamp),
    /// No start by then.
    Start(Timestamp),
    /// Not known by when.
    Open,
}

/// By when what was missed.
pub(super) fn miss(facts: &Facts) -> Miss {
    match (facts.deadline, facts.down_since) {
        (Some(deadline), Some(since)) if since < deadline && facts.due.is_some_and(|due| due <= since) => {
            Miss::Start(since)
        }
        (Some(deadline), _) => Miss::Success(deadline),
        (None, Some(since)) => Miss::Success(since),
        (None, None) => Miss::Open,
    }
}

/// The reason that is told, in finer steps.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Missed,
    TimedOut,
    Exited(Exit),
    Failed,
    Overran,
    TooQuick,
    BadEvidence,
    Untold,
}

/// Why the job is, or was, down.
pub(super) fn cause(notice: &Notice) -> Cause {
    let facts = &notice.facts;
    match facts.reason {
        None => Cause::Untold,
        Some(Reason::Missed) => Cause::Missed,
        Some(Reason::Failed) if facts.timed_out => Cause::TimedOut,
        Some(Reason::Failed) => facts.exit.map_or(Cause::Failed, Cause::Exited),
        Some(Reason::Overran) => Cause::Overran,
        Some(Reason::TooQuick) => Cause::TooQuick,
        Some(Reason::BadEvidence) => Cause::BadEvidence,
    }
}

/// At most the two largest units of a length of time, cut, with what `unit` makes of each.
pub(super) fn largest(length: SignedDuration, join: &str, unit: [&dyn Fn(u64) -> String; 4]) -> String {
    let seconds = u64::try_from(length.as_secs()).unwrap_or(0);
    let parts = [seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
    let Some(first) = parts.iter().position(|part| *part > 0) else { return unit[3](0) };
    let shown = (first..4).take(2).filter(|index| parts[*index] > 0);
    shown.map(|index| unit[index](parts[index])).collect::<Vec<_>>().join(join)
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
