//! Several notices in one message.

use jiff::Timestamp;
use uuid::Uuid;

use super::words::{Count, Words};
use super::{Language, Message, Severity, Told, compose, severity, short};
use crate::notice::{Notice, NoticeKind};

/// The most notices that a digest lists; the rest is counted.
pub const MAX_LISTED: usize = 20;

/// The message for several notices: how many of each kind, and the first [`MAX_LISTED`], one a line, in `output`.
/// Of a single notice it is that notice's own message.
pub fn digest(notices: &[Notice], language: Language) -> Message {
    if let [only] = notices {
        return compose(only, language);
    }
    let words = language.words();
    let worst = notices.iter().map(|notice| severity(notice.kind)).max();
    Message {
        title: words.digest_title(&counts(notices)),
        severity: worst.unwrap_or(Severity::Info),
        sentence: words.digest_sentence(notices.len()),
        fields: Vec::new(),
        output: Some(listed(notices, words)).filter(|text| !text.is_empty()),
        runbook: None,
        id: short(notices.first().map_or(Uuid::nil(), |notice| notice.id)),
    }
}

fn listed(notices: &[Notice], words: &dyn Words) -> String {
    let line = |notice: &Notice| {
        let told = Told::new(notice, words);
        format!("{}  {}", told.moment(became_true(notice)), words.title(&told))
    };
    let mut lines: Vec<String> = notices.iter().take(MAX_LISTED).map(line).collect();
    let rest = notices.len().saturating_sub(MAX_LISTED);
    if rest > 0 {
        lines.push(words.more(rest));
    }
    lines.join("\n")
}

/// A reminder is about the moment at which the job went down.
fn became_true(notice: &Notice) -> Timestamp {
    match notice.kind {
        NoticeKind::Reminder(_) => notice.facts.down_since.unwrap_or(notice.at),
        _ => notice.at,
    }
}

/// How many there are of each kind, the worst first; none of what there is none of.
fn counts(notices: &[Notice]) -> Vec<(Count, usize)> {
    use Count::{Down, Known, StillDown, Test, Unknown, Unstored, Up};
    let number = |kind| notices.iter().filter(|notice| count_of(notice.kind) == kind).count();
    let all = [Down, StillDown, Unknown, Unstored, Up, Known, Test].map(|kind| (kind, number(kind)));
    all.into_iter().filter(|(_, number)| *number > 0).collect()
}

fn count_of(kind: NoticeKind) -> Count {
    match kind {
        NoticeKind::Down => Count::Down,
        NoticeKind::Reminder(_) => Count::StillDown,
        NoticeKind::Up => Count::Up,
        NoticeKind::Unknown => Count::Unknown,
        NoticeKind::Known => Count::Known,
        NoticeKind::Unstored => Count::Unstored,
        NoticeKind::Test => Count::Test,
    }
}
