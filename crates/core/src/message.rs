//! The words of a notice: a pure function of the notice and a language.
//!
//! All text is data: whatever a job or a store wrote is cleaned of what could steer a terminal or reorder a line, and
//! bounded. A channel still has to escape it by the rules of its own form.

mod clean;
mod en;
mod ja;
mod words;

use serde::{Deserialize, Serialize};

pub use clean::{line, text};
use words::Words;

use crate::notice::{Notice, NoticeKind};
use crate::{Exit, Output};

/// The most notices that a digest lists; the rest is counted.
pub const MAX_LISTED: usize = 20;
/// The longest value of a field, in characters.
pub const MAX_VALUE: usize = 500;
/// The longest output, in characters.
pub const MAX_OUTPUT: usize = 12_000;
/// The longest address of a runbook, in characters.
const MAX_RUNBOOK: usize = 1000;

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
    fn words(self) -> &'static dyn Words {
        match self {
            Self::En => &en::English,
            Self::Ja => &ja::Japanese,
        }
    }
}

/// How a message should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is down.
    Bad,
    /// Something is up again.
    Good,
    /// Something could not be told.
    Warning,
    /// Nothing happened.
    Info,
}

/// What people are told: plain text without markup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// One short line that begins with the job's name.
    pub title: String,
    /// How it should look.
    pub severity: Severity,
    /// What happened, in one or a few sentences.
    pub sentence: String,
    /// What else is known: labels and values, each one line.
    pub fields: Vec<(String, String)>,
    /// What the run printed, several lines.
    pub output: Option<String>,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// The first 8 digits of the notice's id.
    pub id: String,
}

/// The message of one notice. Times are shown in the job's zone, or in UTC if that zone is unknown.
pub fn compose(notice: &Notice, language: Language) -> Message {
    let words = language.words();
    Message {
        title: words.title(notice),
        severity: severity(notice.kind),
        sentence: text(&words.sentence(notice), 2 * MAX_VALUE),
        fields: words::fields(words, notice),
        output: notice.facts.output.as_ref().and_then(|output| joined(words, output)),
        runbook: notice.facts.runbook.as_deref().map(|address| line(address, MAX_RUNBOOK)),
        id: short(&notice.id),
    }
}

/// One message for several notices: how many, the first [`MAX_LISTED`] with a line each, and how many more.
pub fn digest(notices: &[Notice], language: Language) -> Message {
    let words = language.words();
    let listed = notices.iter().take(MAX_LISTED);
    let mut lines: Vec<String> = listed.map(|notice| format!("• {}", words.title(notice))).collect();
    if notices.len() > MAX_LISTED {
        lines.push(words.more(notices.len() - MAX_LISTED));
    }
    let count = |wanted| notices.iter().filter(|notice| severity(notice.kind) == wanted).count();
    Message {
        title: words.digest(count(Severity::Bad), count(Severity::Good), notices.len()),
        severity: notices
            .iter()
            .map(|notice| severity(notice.kind))
            .min_by_key(rank)
            .unwrap_or(Severity::Info),
        sentence: lines.join("\n"),
        fields: Vec::new(),
        output: None,
        runbook: None,
        id: notices.first().map(|notice| short(&notice.id)).unwrap_or_default(),
    }
}

fn rank(severity: &Severity) -> u8 {
    match severity {
        Severity::Bad => 0,
        Severity::Warning => 1,
        Severity::Good => 2,
        Severity::Info => 3,
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

fn short(id: &uuid::Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

/// Head and tail with a line between them that says how much is missing; `None` if nothing was printed.
fn joined(words: &dyn Words, output: &Output) -> Option<String> {
    let head = text(&output.head, MAX_OUTPUT / 3);
    let tail = clean::end(&output.tail, MAX_OUTPUT / 2);
    let gap = (output.omitted > 0).then(|| words.omitted(output.omitted));
    let parts = [Some(head), gap, Some(tail)].into_iter().flatten();
    let parts: Vec<String> = parts.map(|part| part.trim_matches('\n').to_owned()).collect();
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// `SIGKILL` and its like, by the numbers of Linux (signal(7)).
pub(crate) fn signal_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// `SIGKILL (9)`, or the number alone.
pub(crate) fn signal(exit: Exit) -> Option<String> {
    let Exit::Signal(number) = exit else { return None };
    Some(match signal_name(number) {
        Some(name) => format!("{name} ({number})"),
        None => number.to_string(),
    })
}
