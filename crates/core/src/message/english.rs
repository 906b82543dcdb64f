//! English.

use jiff::{SignedDuration, ZonedDateTime};

use super::words::{Count, Label, Words, clock, large_size, part_less, two_units};
use super::{Told, signal};
use crate::evidence::Exit;
use crate::flaw::{Flaw, FlawKind, Shrink};
use crate::notice::NoticeKind;
use crate::state::Reason;

pub(super) struct English;

impl Words for English {
    fn title(&self, told: &Told<'_>) -> String {
        let job = told.job();
        match told.notice.kind {
            NoticeKind::Down => format!("{job} is down{}", because(told)),
            NoticeKind::Up => format!("{job} is up again"),
            NoticeKind::Reminder(_) => format!("{job} is still down, for {}", told.lasted()),
            NoticeKind::Unknown if told.is_of_all_jobs() => "The store can't be read".into(),
            NoticeKind::Known if told.is_of_all_jobs() => "The store can be read again".into(),
            NoticeKind::Unknown => format!("{job}: could not tell"),
            NoticeKind::Known => format!("{job}: can be told again"),
            NoticeKind::Unstored => format!("{job} ran, but its evidence could not be stored"),
            NoticeKind::Test => "A test notice from Tenko".into(),
        }
    }

    fn sentence(&self, told: &Told<'_>) -> String {
        match told.notice.kind {
            NoticeKind::Down => down(told) + &flapping(told),
            NoticeKind::Up => up(told) + &flapping(told),
            NoticeKind::Reminder(number) => {
                let since = told.moment(told.since());
                format!(
                    "{} has been down since {since}. {}. This is reminder {number}.",
                    told.job(),
                    why(told)
                )
            }
            NoticeKind::Unknown => unknown(told),
            NoticeKind::Known => known(told),
            NoticeKind::Unstored => unstored(told),
            NoticeKind::Test => {
                let channel = &told.notice.channel;
                format!(
                    "This is a test of the channel {channel}. Whoever reads it will be told of jobs that are down."
                )
            }
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Description => "About",
            Label::Due => "Due",
            Label::Deadline => "Deadline",
            Label::DownSince => "Down since",
            Label::UpSince => "Up since",
            Label::DownFor => "Down for",
            Label::LastSuccess => "Last success",
            Label::Exit => "Exit",
            Label::Duration => "Duration",
            Label::Host => "Host",
            Label::Schedule => "Schedule",
            Label::Remark => "Remark",
        }
    }

    fn moment(&self, at: &ZonedDateTime) -> String {
        format!("{} {}", at.strftime("%a %-d %b %Y"), clock(at))
    }

    fn time(&self, at: &ZonedDateTime) -> String {
        clock(at)
    }

    fn length(&self, length: SignedDuration) -> String {
        let units = two_units(length);
        if units.is_empty() {
            return format!("{} ms", length.as_millis().unsigned_abs());
        }
        let day = |number: u128| if number == 1 { "day" } else { "days" };
        let unit = |(number, unit)| format!("{number} {}", [day(number), "h", "min", "s"][unit]);
        units.into_iter().map(unit).collect::<Vec<_>>().join(" ")
    }

    fn exit(&self, exit: Exit) -> String {
        match exit {
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Signal(number) => signal::name(number),
        }
    }

    fn flaw(&self, flaw: &Flaw) -> String {
        let object = &flaw.object;
        match &flaw.kind {
            FlawKind::TooSmall { size: 0, least } => {
                format!("{object} is empty; {} or more are expected", bytes(*least))
            }
            FlawKind::TooSmall { size, least } => {
                format!("{object} has {}; {} or more are expected", bytes(*size), bytes(*least))
            }
            FlawKind::TooOld { age, most } => {
                let (age, most) = (self.length(*age), self.length(*most));
                format!("{object} was {age} old when it was due; at most {most} is allowed")
            }
            FlawKind::TooFew { found, counted, wanted } => too_few(object, *found, *counted, *wanted),
            FlawKind::Unchanged { previous } => {
                format!("{object} has the same content as {previous}; a change is expected")
            }
            FlawKind::Shrunk { size, previous, previous_size, at_most } => {
                let (less, most) = match at_most {
                    Shrink::Share(_) => (part_less(*size, *previous_size), at_most.to_string()),
                    Shrink::Bytes(most) => (bytes(previous_size.saturating_sub(*size)), bytes(*most)),
                };
                let (size, previous_size) = (bytes(*size), bytes(*previous_size));
                format!(
                    "{object} has {size}, {less} less than {previous} with {previous_size}; at most {most} less is allowed"
                )
            }
        }
    }

    fn never(&self) -> &'static str {
        "never"
    }

    fn digest_title(&self, counts: &[(Count, usize)]) -> String {
        let name = |count| match count {
            Count::Down => "down",
            Count::StillDown => "still down",
            Count::Up => "up again",
            Count::Unknown => "could not tell",
            Count::Known => "can be told again",
            Count::Unstored => "evidence not stored",
            Count::Test => "test",
        };
        let parts: Vec<String> =
            counts.iter().map(|(count, number)| format!("{number} {}", name(*count))).collect();
        let total: usize = counts.iter().map(|(_, number)| number).sum();
        format!("{total} notices: {}", parts.join(", "))
    }

    fn digest_sentence(&self, number: usize) -> String {
        format!("So much changed at once that {number} notices are told in one message.")
    }

    fn more(&self, number: usize) -> String {
        format!("… and {number} more")
    }
}

/// What is wrong with an object, in a few words.
pub(super) fn flaw(flaw: &Flaw) -> String {
    English.flaw(flaw)
}

fn too_few(object: &str, found: u64, counted: u64, wanted: u64) -> String {
    let found_in_words =
        if found == 1 { "1 object matches".to_owned() } else { format!("{found} objects match") };
    if counted == found {
        return format!("only {found_in_words} {object}; {wanted} or more are expected");
    }
    let count = if counted == 1 { "counts" } else { "count" };
    format!(
        "{found_in_words} {object}, but only {counted} of them {count} as large and new enough; {wanted} or more are expected"
    )
}

fn bytes(count: u64) -> String {
    match large_size(count) {
        Some((number, unit)) => format!("{number} {unit}"),
        None if count == 1 => "1 byte".to_owned(),
        None => format!("{count} bytes"),
    }
}

fn because(told: &Told<'_>) -> &'static str {
    match told.notice.facts.reason {
        Some(Reason::Missed) => ": missed",
        Some(Reason::Failed) => ": failed",
        Some(Reason::Overran) => ": running too long",
        Some(Reason::TooQuick) => ": ended too quickly",
        Some(Reason::BadEvidence) => ": bad evidence",
        None => "",
    }
}

fn down(told: &Told<'_>) -> String {
    let (job, at) = (told.job(), told.notice.at);
    let facts = &told.notice.facts;
    match facts.reason {
        Some(Reason::Missed) => missed(told),
        Some(Reason::Failed) => format!("{job} {} on {}{}.", ended(told), told.moment(at), after(told)),
        Some(Reason::Overran) => {
            let within = told.limit().map_or_else(String::new, |limit| format!("within {limit}, "));
            format!(
                "A run of {job} has taken too long: it was to end {within}by {} at the latest, and has not.",
                told.moment(at)
            )
        }
        Some(Reason::TooQuick) => {
            let length = facts
                .duration
                .map_or_else(String::new, |length| format!(" after only {}", told.words.length(length)));
            let least =
                told.limit().map_or_else(String::new, |limit| format!(", which takes at least {limit}"));
            format!(
                "{job} ended on {} with success{length}: too quick to have done its work{least}.",
                told.moment(at)
            )
        }
        Some(Reason::BadEvidence) => {
            format!("The evidence of {job} of {} is bad{}.", told.moment(at), said(told))
        }
        None => format!("{job} has been down since {}.", told.moment(at)),
    }
}

fn missed(told: &Told<'_>) -> String {
    let job = told.job();
    let (Some(due), deadline) = (told.notice.facts.due, told.notice.facts.deadline.unwrap_or(told.notice.at))
    else {
        return format!(
            "{job} was expected to succeed by {}, and no success was reported.",
            told.moment(told.notice.at)
        );
    };
    format!(
        "{job} was due on {}. No success was reported by {}.",
        told.moment(due),
        told.moment_after(deadline, due)
    )
}

fn ended(told: &Told<'_>) -> String {
    let facts = &told.notice.facts;
    match facts.exit {
        _ if facts.timed_out => "was ended at its time-out".into(),
        Some(Exit::Signal(number)) => format!("was killed by {}", signal::name(number)),
        Some(Exit::Code(code)) => format!("failed with exit code {code}"),
        None => "failed".into(),
    }
}

fn after(told: &Told<'_>) -> String {
    let length = told.notice.facts.duration;
    length.map_or_else(String::new, |length| format!(", after {}", told.words.length(length)))
}

fn said(told: &Told<'_>) -> String {
    told.remark().map_or_else(String::new, |remark| format!(": {remark}"))
}

/// Why the job is down, as a sentence of its own without a full stop.
fn why(told: &Told<'_>) -> String {
    match told.notice.facts.reason {
        Some(Reason::Missed) => "A due was missed, and no success has made up for it".into(),
        Some(Reason::Failed) => format!("The last run {}", ended(told)),
        Some(Reason::Overran) => "A run has taken too long".into(),
        Some(Reason::TooQuick) => "The last run ended too quickly".into(),
        Some(Reason::BadEvidence) => format!("Its evidence is bad{}", said(told)),
        None => "No success has been heard of since".into(),
    }
}

fn up(told: &Told<'_>) -> String {
    let job = told.job();
    let (from, until) = (told.moment(told.since()), told.moment_after(told.until(), told.since()));
    let mut text = format!("{job} was down for {}, from {from} until {until}.", told.lasted());
    if told.notice.facts.late_delivered {
        text.push_str(" Evidence that was delivered late showed that it had been well.");
    }
    if told.notice.facts.brief {
        text.push_str(" Nobody had been told, because it was up again before that.");
    }
    text
}

fn flapping(told: &Told<'_>) -> String {
    told.flips().map_or_else(String::new, |(count, more)| {
        let more = if more { " or more" } else { "" };
        format!(" It is flapping: its verdict changed {count}{more} times within an hour.")
    })
}

fn unknown(told: &Told<'_>) -> String {
    let (since, said) = (told.moment(told.since()), said(told));
    if told.is_of_all_jobs() {
        return format!(
            "The store has not been readable since {since}{said}. Until it is, nothing can be told about any job."
        );
    }
    let job = told.job();
    format!(
        "The evidence of {job} has not been readable since {since}{said}. This does not mean that the job is down."
    )
}

fn known(told: &Told<'_>) -> String {
    let (from, lasted) = (told.moment(told.since()), told.lasted());
    if told.is_of_all_jobs() {
        return format!("The store can be read again. It could not be read for {lasted}, from {from}.");
    }
    format!(
        "The evidence of {} can be read again. It could not be read for {lasted}, from {from}.",
        told.job()
    )
}

fn unstored(told: &Told<'_>) -> String {
    let job = told.job();
    let at = told.moment(told.notice.at);
    let ended = if told.notice.facts.up_since.is_some() { "ended well".into() } else { ended(told) };
    format!(
        "{job} {ended} on {at}, but the evidence of it could not be stored{}. A roll call may count it as missed.",
        said(told)
    )
}
