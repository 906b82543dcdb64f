//! Dues in a table, and in a sentence.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tenko_core::calendar::{Due, Outcome};

use super::{Counts, Run, longest_gap, run};
use crate::checker::Dues;
use crate::{printer, words};

/// Each due in a line of its own.
pub(super) fn all(dues: &[Due], zone: &TimeZone) -> String {
    if dues.is_empty() {
        return String::new();
    }
    let row = |due: &Due| vec![words::moment(due.due, zone), outcome(due), remark(due, zone)];
    printer::table(&["DUE", "OUTCOME", ""], &dues.iter().map(row).collect::<Vec<_>>())
}

/// The gaps, and what could not be told. Dues one after the other that nobody answered share a line.
pub(super) fn gaps(dues: &[Due], zone: &TimeZone) -> String {
    let told = |due: &Due| due.outcome.is_gap() || due.outcome == Outcome::Unknown;
    let together = |one: &Due, next: &Due| {
        one.outcome == next.outcome && matches!(one.outcome, Outcome::Missed | Outcome::Unknown)
    };
    let spans: Vec<&[Due]> = dues.chunk_by(together).filter(|span| told(&span[0])).collect();
    if spans.is_empty() {
        return String::new();
    }
    let row = |span: &&[Due]| match span {
        [due] => vec![words::moment(due.due, zone), outcome(due), remark(due, zone)],
        _ => {
            let Run { first, last, dues } = run(span);
            let last = words::moment(last, zone);
            vec![words::moment(first, zone), outcome(&span[0]), format!("{dues} dues, the last at {last}")]
        }
    };
    printer::table(&["DUE", "OUTCOME", ""], &spans.iter().map(row).collect::<Vec<_>>())
}

fn outcome(due: &Due) -> String {
    let style = style_of(due.outcome);
    let reason = due.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{style}{}{reason}{style:#}", in_words(due.outcome))
}

/// An outcome as people read it.
pub(super) fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::LateDelivered => "answered, delivered late",
        Outcome::NotExpected => "not expected yet",
        other => other.word(),
    }
}

/// The colour of an outcome.
pub(super) fn style_of(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Answered | Outcome::LateDelivered => AnsiColor::Green,
        Outcome::Late | Outcome::Unknown => AnsiColor::Yellow,
        Outcome::Bad => AnsiColor::Magenta,
        Outcome::Missed => AnsiColor::Red,
        Outcome::Open | Outcome::Paused | Outcome::NotExpected => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(colour.into()))
}

fn remark(due: &Due, zone: &TimeZone) -> String {
    let Some(by) = due.by else { return String::new() };
    let mut text = match due.outcome {
        Outcome::Late => format!("answered {} after the due", words::length(by.at.duration_since(due.due))),
        Outcome::LateDelivered => {
            let arrived = by.received_at.map(|at| format!(", arrived {}", words::moment(at, zone)));
            words::moment(by.at, zone) + &arrived.unwrap_or_default()
        }
        _ => words::moment(by.at, zone),
    };
    if let Some(exit) = by.exit {
        text.push_str(&format!(", {}", words::ending(exit)));
    }
    if let Some(at) = due.made_up_at {
        text.push_str(&format!(", made up for at {}", words::moment(at, zone)));
    }
    text
}

/// How many dues there were, what became of them, and the longest gap.
pub(super) fn summary(dues: &Dues, from: Timestamp, zone: &TimeZone) -> String {
    let counts = Counts::of(&dues.dues);
    if counts.dues == 0 {
        return format!("nothing was due since {}\n", words::moment(from, zone));
    }
    let number = |count: usize| if count == 1 { "1 due".into() } else { format!("{count} dues") };
    let since = words::moment(dues.dues[0].due, zone);
    let mut text = format!("{} since {since}: {}", number(counts.dues), parts(&counts));
    if let Some(gap) = longest_gap(&dues.dues).filter(|gap| gap.dues > 1) {
        let (first, last) = (words::moment(gap.first, zone), words::moment(gap.last, zone));
        text.push_str(&format!("; longest gap: {}, {first} to {last}", number(gap.dues)));
    }
    text.push('\n');
    if counts.unknown > 0 {
        text.push_str(&match dues.evidence_from {
            Some(kept) => format!("evidence reaches back to {}\n", words::moment(kept, zone)),
            None => "no evidence is kept\n".into(),
        });
    }
    text
}

fn parts(counts: &Counts) -> String {
    let rest = [
        (counts.late_delivered, "delivered late"),
        (counts.late, "late"),
        (counts.bad, "bad"),
        (counts.missed, "missed"),
        (counts.open, "open"),
        (counts.paused, "paused"),
        (counts.not_expected, "not expected yet"),
        (counts.unknown, "unknown"),
    ];
    let rest = rest.into_iter().filter(|(count, _)| *count > 0);
    let first = std::iter::once((counts.answered, "answered"));
    first.chain(rest).map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
