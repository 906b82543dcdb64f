//! English.

use jiff::{SignedDuration, ZonedDateTime};

use super::words::{self, Cause, Label, Miss, Words, clock, down_for, largest, thousands, zone, zoned};
use crate::Exit;
use crate::message::signal;
use crate::notice::{Notice, NoticeKind};

#[derive(Debug)]
pub(super) struct English;

impl Words for English {
    fn title(&self, notice: &Notice) -> String {
        let job = &notice.job;
        match notice.kind {
            NoticeKind::Down => format!("{job} is down: {}", what(notice)),
            NoticeKind::Reminder(number) => {
                format!("{job} is still down: {} (reminder {number})", what(notice))
            }
            NoticeKind::Up if notice.facts.late_delivered => {
                format!("{job} is up: it had run in time, its evidence arrived late")
            }
            NoticeKind::Up if notice.facts.brief => format!("{job} was down for a while and is up again"),
            NoticeKind::Up => format!("{job} is up again"),
            NoticeKind::Unknown => format!("{job}: could not tell whether it ran"),
            NoticeKind::Known => format!("{job}: its evidence can be read again"),
            NoticeKind::Unstored => format!("{job} ran, but its evidence could not be stored"),
            NoticeKind::Test => format!("{job}: test notice"),
        }
    }

    fn sentence(&self, notice: &Notice) -> String {
        let length = down_for(notice).map(|length| self.duration(length));
        let span = length.as_ref().map_or(String::new(), |length| format!(" for {length}"));
        match notice.kind {
            NoticeKind::Down => self.cause(notice),
            NoticeKind::Reminder(_) => format!("It has been down{span}. {}", self.cause(notice)),
            NoticeKind::Up if notice.facts.late_delivered => {
                format!("It had run in time; its evidence arrived late. It was shown as down{span}.")
            }
            NoticeKind::Up if notice.facts.brief => {
                format!("It was down{span} and came back before anybody was told. {}", self.cause(notice))
            }
            NoticeKind::Up => format!("It was down{span}. {}", self.cause(notice)),
            NoticeKind::Unknown => format!(
                "Its evidence could not be read{span}. Nothing is known to be wrong with the job itself; \
                 what was true of it before is kept."
            ),
            NoticeKind::Known => format!("Its evidence could not be read{span}. It can be read again."),
            NoticeKind::Unstored => {
                "The run has ended, as told below. Until its evidence can be stored, a roll call may report it missed; \
                 the evidence is kept on its host and sent later if there is room."
                    .to_owned()
            }
            NoticeKind::Test => {
                format!(
                    "This is a test of the channel {}. Whoever reads it is reached by it.",
                    notice.channel
                )
            }
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Job => "Job",
            Label::Schedule => "Schedule",
            Label::Due => "Due",
            Label::DownSince => "Down since",
            Label::UpSince => "Up since",
            Label::UnreadableSince => "Unreadable since",
            Label::LastSuccess => "Last success",
            Label::Ended => "Ended with",
            Label::Took => "Took",
            Label::Host => "Host",
            Label::Remark => "Remark",
            Label::StoreSaid => "The store said",
        }
    }

    fn moment(&self, at: &ZonedDateTime) -> String {
        format!("{} {} {}", at.strftime("%a %-d %b %Y"), clock(at), zone(at))
    }

    fn duration(&self, length: SignedDuration) -> String {
        if length < SignedDuration::from_secs(1) {
            return format!("{} ms", length.as_millis().max(0));
        }
        let days = |n| if n == 1 { "1 day".to_owned() } else { format!("{n} days") };
        largest(length, " ", [&days, &|n| format!("{n} h"), &|n| format!("{n} min"), &|n| format!("{n} s")])
    }

    fn ago(&self, length: SignedDuration) -> String {
        format!("{} ago", self.duration(length))
    }

    fn exit(&self, exit: Exit) -> String {
        match (exit, signal(exit)) {
            (Exit::Code(code), _) => format!("exit code {code}"),
            (Exit::Signal(number), name) => {
                format!("killed by {}", name.unwrap_or_else(|| number.to_string()))
            }
        }
    }

    fn never(&self) -> &'static str {
        "none known"
    }

    fn omitted(&self, bytes: u64) -> String {
        let unit = if bytes == 1 { "byte" } else { "bytes" };
        format!("[… {} {unit} of output left out …]", thousands(bytes))
    }

    fn more(&self, count: usize) -> String {
        format!("… and {} more", thousands(count as u64))
    }

    fn digest(&self, down: usize, up: usize, all: usize) -> String {
        let count = |n: usize| thousands(n as u64);
        format!("{} notices: {} down, {} up again", count(all), count(down), count(up))
    }
}

impl English {
    fn cause(&self, notice: &Notice) -> String {
        match words::cause(notice) {
            Cause::Missed => self.missed(notice),
            Cause::TimedOut => "The run was ended because it exceeded its time-out.".to_owned(),
            Cause::Exited(Exit::Code(code)) => format!("The run failed with exit code {code}."),
            Cause::Exited(exit) => format!("The run was {}.", self.exit(exit)),
            Cause::Failed => "The run reported a failure.".to_owned(),
            Cause::Overran => "A run did not end within the time that it may take.".to_owned(),
            Cause::TooQuick => {
                "The run succeeded in less time than it needs; it may have done nothing.".to_owned()
            }
            Cause::BadEvidence => "There is evidence, but it is not good enough to count.".to_owned(),
            Cause::Untold => String::new(),
        }
    }

    fn missed(&self, notice: &Notice) -> String {
        let facts = &notice.facts;
        let was_due = match facts.due {
            Some(due) => format!("It was due on {}, and", self.moment(&zoned(facts, due))),
            None => "It was expected, and".to_owned(),
        };
        let by = |until| {
            let until = zoned(facts, until);
            let same_day = facts.due.is_some_and(|due| zoned(facts, due).date() == until.date());
            if same_day { clock(&until) } else { self.moment(&until) }
        };
        match words::miss(facts) {
            Miss::Success(until) => format!("{was_due} there was no success by {}.", by(until)),
            Miss::Start(until) => format!("{was_due} it had not started by {}.", by(until)),
            Miss::Open => format!("{was_due} there was no success in time."),
        }
    }
}

/// What happened, in a few words.
fn what(notice: &Notice) -> String {
    let facts = &notice.facts;
    match words::cause(notice) {
        Cause::Missed => match words::miss(facts) {
            Miss::Success(until) => format!("no success by {}", clock(&zoned(facts, until))),
            Miss::Start(until) => format!("not started by {}", clock(&zoned(facts, until))),
            Miss::Open => "no success in time".to_owned(),
        },
        Cause::TimedOut => "timed out".to_owned(),
        Cause::Exited(Exit::Code(code)) => format!("failed with exit code {code}"),
        Cause::Exited(exit) => English.exit(exit),
        Cause::Failed => "failed".to_owned(),
        Cause::Overran => "still running after its time".to_owned(),
        Cause::TooQuick => "ended too quickly".to_owned(),
        Cause::BadEvidence => "bad evidence".to_owned(),
        Cause::Untold => "reason not known".to_owned(),
    }
}
