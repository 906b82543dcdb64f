//! The words of a notice.
//!
//! Pure: a notice carries all the facts, so that the same notice gives the same message today and in a retry tomorrow.
//! Whatever a job had a hand in (its output, host, remarks) is data: it is stripped of everything that could move a
//! cursor or reorder a text, and cut to a bounded length. Escaping for HTML or Slack is left to the channel.

mod clean;
mod digest;
mod english;
mod japanese;
mod signal;
mod words;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::flaw::Flaw;
use crate::notice::{Notice, NoticeKind};
use crate::outbox::Batch;
use crate::state::{MAX_FLIPS, Reason};
pub use clean::{block, line};
pub use digest::{MAX_LISTED, digest};
pub use japanese::weekday;
use words::{Label, Words};
pub use words::{two_units, zone_name};

/// The most lines of output in a message.
pub const MAX_OUTPUT_LINES: usize = 20;
/// The most characters of output in a message.
pub const MAX_OUTPUT: usize = 2_000;
/// The most characters of one value that a job had a hand in.
pub const MAX_VALUE: usize = 500;
/// The name in place of a job's in a notice that concerns the whole store. A job may be called so, too.
pub const ALL_JOBS: &str = "all-jobs";

/// The language in which people are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// The label of [`Message::runbook`].
    pub fn runbook_label(self) -> &'static str {
        match self {
            Self::En => "Runbook",
            Self::Ja => "手順書",
        }
    }

    /// A length of time with its two largest units, as messages say it: `1 h 12 min`, `1時間12分`.
    pub fn length(self, length: SignedDuration) -> String {
        self.words().length(length)
    }

    fn words(self) -> &'static dyn Words {
        match self {
            Self::En => &english::English,
            Self::Ja => &japanese::Japanese,
        }
    }
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Info,
    /// All is well again.
    Good,
    /// Somebody should look.
    Warning,
    /// Something is down.
    Bad,
}

/// A label and what it labels, each one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The label, in the message's language.
    pub label: String,
    /// The value.
    pub value: String,
}

/// What is said, before a channel gives it a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// One line without a full stop: which job, and what about it.
    pub title: String,
    /// How it is meant.
    pub severity: Severity,
    /// What was expected and what happened, in one to three sentences.
    pub sentence: String,
    /// The particulars.
    pub fields: Vec<Field>,
    /// The last lines of what the job printed, or the lines of a digest.
    pub output: Option<String>,
    /// Where to read what to do; whatever the configuration says, not always a URL.
    pub runbook: Option<String>,
    /// The first eight hex digits of the notice's id, so that people recognise a repeated message.
    pub id: String,
}

impl Message {
    /// The message for what is sent in one go: a notice, or the digest of several.
    pub fn of(batch: &Batch, language: Language) -> Self {
        match batch.notices.as_slice() {
            [only] => compose(only, language),
            several => Self { id: short(batch.id()), ..digest(several, language) },
        }
    }
}

/// What is wrong with an object, in English, without a full stop.
pub(crate) fn flaw_in_english(flaw: &Flaw) -> String {
    english::flaw(flaw)
}

/// The message of one notice. Times are in the notice's zone, or UTC if there is no such zone.
pub fn compose(notice: &Notice, language: Language) -> Message {
    let words = language.words();
    let told = Told::new(notice, words);
    let sentence = words.sentence(&told);
    Message {
        title: words.title(&told),
        severity: severity(notice.kind),
        fields: told.fields(&sentence),
        sentence,
        output: told.output(),
        runbook: notice
            .facts
            .runbook
            .as_deref()
            .map(|text| line(text, MAX_VALUE))
            .filter(|text| !text.is_empty()),
        id: short(notice.id),
    }
}

fn severity(kind: NoticeKind) -> Severity {
    match kind {
        NoticeKind::Down | NoticeKind::Reminder(_) => Severity::Bad,
        NoticeKind::Up | NoticeKind::Known => Severity::Good,
        NoticeKind::Unknown | NoticeKind::Unstored => Severity::Warning,
        NoticeKind::Test => Severity::Info,
    }
}

fn short(id: Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

/// A notice on its way into words.
struct Told<'a> {
    notice: &'a Notice,
    zone: TimeZone,
    words: &'a dyn Words,
}

impl<'a> Told<'a> {
    fn new(notice: &'a Notice, words: &'a dyn Words) -> Self {
        let zone = TimeZoneDatabase::bundled().get(&notice.facts.time_zone).unwrap_or(TimeZone::UTC);
        Self { notice, zone, words }
    }

    fn job(&self) -> &str {
        self.notice.job.as_str()
    }

    fn is_of_all_jobs(&self) -> bool {
        self.notice.facts.whole_store && matches!(self.notice.kind, NoticeKind::Unknown | NoticeKind::Known)
    }

    /// A moment in full.
    fn moment(&self, at: Timestamp) -> String {
        self.words.moment(&at.to_zoned_datetime(self.zone.clone()))
    }

    /// A moment that is read after another one: without the date if that is the same.
    fn moment_after(&self, at: Timestamp, first: Timestamp) -> String {
        let (at, first) =
            (at.to_zoned_datetime(self.zone.clone()), first.to_zoned_datetime(self.zone.clone()));
        if at.date() == first.date() { self.words.time(&at) } else { self.words.moment(&at) }
    }

    /// When the incident, or the blindness, began.
    fn since(&self) -> Timestamp {
        self.notice.facts.down_since.unwrap_or(self.notice.at)
    }

    /// Until when it lasted, as far as the notice knows.
    fn until(&self) -> Timestamp {
        self.notice.facts.up_since.unwrap_or(self.notice.at)
    }

    /// How long it lasted, or has lasted.
    fn lasted(&self) -> String {
        self.words.length(self.until().duration_since(self.since()))
    }

    /// How long a run may take at most, or at least.
    fn limit(&self) -> Option<String> {
        self.notice.facts.limit.map(|limit| self.words.length(limit))
    }

    /// How often the verdict changed, if that was often, and whether it may have been more often still.
    fn flips(&self) -> Option<(u8, bool)> {
        self.notice.facts.flips.map(|count| (count, usize::from(count) >= MAX_FLIPS))
    }

    /// What else was said, as one line without its full stop.
    fn remark(&self) -> Option<String> {
        let facts = &self.notice.facts;
        let flaw = facts.flaw.as_ref().map(|flaw| self.words.flaw(flaw));
        let text = line(flaw.as_deref().or(facts.message.as_deref())?, MAX_VALUE);
        let text = text.trim_end_matches('.');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The particulars; what the sentence has said of a remark already is not said again.
    fn fields(&self, sentence: &str) -> Vec<Field> {
        let facts = &self.notice.facts;
        let kind = self.notice.kind;
        let about_incident = matches!(kind, NoticeKind::Down | NoticeKind::Reminder(_) | NoticeKind::Up);
        let bad = matches!(kind, NoticeKind::Down | NoticeKind::Reminder(_));
        let mut list = Vec::new();
        let mut add = |label, value: Option<String>| {
            let field = |value| Field { label: self.words.label(label).to_owned(), value };
            list.extend(value.filter(|value| !value.is_empty()).map(field));
        };
        let own = |text: &Option<String>| text.as_deref().map(|text| line(text, MAX_VALUE));
        let moment = |at: Option<Timestamp>| at.map(|at| self.moment(at));
        add(Label::Description, own(&facts.description));
        add(Label::Due, moment(facts.due.filter(|_| bad)));
        add(Label::Deadline, moment(facts.deadline.filter(|_| bad)));
        add(Label::DownSince, moment(facts.down_since.filter(|_| about_incident)));
        add(Label::UpSince, moment(facts.up_since.filter(|_| kind == NoticeKind::Up)));
        let lasted = kind == NoticeKind::Up || matches!(kind, NoticeKind::Reminder(_));
        add(Label::DownFor, lasted.then(|| self.lasted()));
        let never = || (bad && !facts.nothing_before).then(|| self.words.never().to_owned());
        add(Label::LastSuccess, moment(facts.last_success.filter(|_| kind != NoticeKind::Up)).or_else(never));
        let ended = self.is_about_an_end();
        add(Label::Exit, facts.exit.filter(|_| ended).map(|exit| self.words.exit(exit)));
        add(Label::Duration, facts.duration.filter(|_| ended).map(|length| self.words.length(length)));
        add(Label::Host, own(&facts.host));
        add(Label::Schedule, own(&facts.schedule));
        add(Label::Remark, self.remark().filter(|remark| !sentence.contains(remark)));
        list
    }

    /// Whether the facts about a run's end are what it is about, and not left from an earlier run.
    fn is_about_an_end(&self) -> bool {
        let never_ended = matches!(self.notice.facts.reason, Some(Reason::Missed | Reason::Overran));
        self.notice.kind == NoticeKind::Unstored || (self.notice.kind != NoticeKind::Up && !never_ended)
    }

    /// The last lines of the output, if it is about one run.
    fn output(&self) -> Option<String> {
        let output = self.notice.facts.output.as_ref()?;
        let kept = if output.tail.is_empty() { &output.head } else { &output.tail };
        let text = block(kept, MAX_OUTPUT_LINES, MAX_OUTPUT);
        (!text.trim().is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests;
