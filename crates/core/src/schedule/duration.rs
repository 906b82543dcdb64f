//! Durations as people write them: `15m`, `1h30m`, `2 days`.

use jiff::SignedDuration;

use super::{
    error::{Flaw, ParseError, quoted},
    zone::nearest_word,
};

/// Longer than any schedule or limit means anything: about ten years.
const LONGEST_SECONDS: u64 = 3660 * 86_400;

const UNITS: [(&str, u64); 26] = [
    ("ms", 1),
    ("millis", 1),
    ("millisecond", 1),
    ("milliseconds", 1),
    ("s", 1_000),
    ("sec", 1_000),
    ("secs", 1_000),
    ("second", 1_000),
    ("seconds", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("mins", 60_000),
    ("minute", 60_000),
    ("minutes", 60_000),
    ("h", 3_600_000),
    ("hr", 3_600_000),
    ("hrs", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("d", 86_400_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
    ("w", 7 * 86_400_000),
    ("wk", 7 * 86_400_000),
    ("week", 7 * 86_400_000),
    ("weeks", 7 * 86_400_000),
];

/// Reads a duration such as `15m`, `1h30m`, `1h 30m`, `2 days` or `1w`: whole numbers with units from milliseconds to
/// weeks, largest first or not, added up. A day is 24 hours whatever the clocks do. `0s` is a duration.
///
/// # Errors
///
/// When a number has no unit, a unit is unknown or repeated, anything is negative or has a fraction, or the sum is over
/// about ten years.
pub fn parse_duration(text: &str) -> Result<SignedDuration, ParseError> {
    parse(text).map_err(|flaw| ParseError::new(text, flaw))
}

pub(super) fn parse(text: &str) -> Result<SignedDuration, Flaw> {
    if text.trim().is_empty() {
        return Err(
            Flaw::new(0..text.len(), "the duration is empty").hint("write it as 15m, 1h30m or 2 days")
        );
    }
    if text.len() > 100 {
        return Err(Flaw::new(0..text.len(), "the duration is longer than 100 bytes"));
    }
    let mut millis = 0u64;
    let mut seen = Vec::new();
    let mut at = 0;
    while let Some(part) = next_part(text, at)? {
        if seen.contains(&part.unit) {
            return Err(Flaw::new(at..part.end, format!("{} repeats a unit", quoted(text))));
        }
        seen.push(part.unit);
        millis = part
            .number
            .checked_mul(part.unit)
            .and_then(|n| millis.checked_add(n))
            .ok_or_else(|| too_long(text))?;
        at = part.end;
    }
    if millis > LONGEST_SECONDS * 1000 {
        return Err(too_long(text));
    }
    Ok(SignedDuration::from_millis(i64::try_from(millis).map_err(|_| too_long(text))?))
}

/// `1d`, `1h30m`, `90s`... with weeks as days.
pub(super) fn shown(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let parts =
        [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let mut text = String::new();
    for (number, unit) in parts.into_iter().filter(|(number, _)| *number != 0) {
        text.push_str(&number.to_string());
        text.push(unit);
    }
    match duration.subsec_millis() {
        0 if text.is_empty() => "0s".to_owned(),
        0 => text,
        millis => format!("{text}{millis}ms"),
    }
}

fn too_long(text: &str) -> Flaw {
    Flaw::new(0..text.len(), format!("{} is longer than ten years", quoted(text)))
}

struct Part {
    number: u64,
    unit: u64,
    end: usize,
}

fn next_part(text: &str, at: usize) -> Result<Option<Part>, Flaw> {
    let start = skip(text, at, |c| c == ' ' || c == ',');
    if start == text.len() {
        return Ok(None);
    }
    let end = skip(text, start, |c| c.is_ascii_digit());
    if end == start {
        return Err(no_number(text, start));
    }
    let number = text[start..end].parse().map_err(|_| too_long(text))?;
    if text[end..].starts_with('.') {
        let fraction = skip(text, end, |c| c == '.' || c.is_ascii_alphanumeric());
        let flaw = Flaw::new(start..fraction, format!("{} has a fraction", quoted(&text[start..fraction])));
        return Err(flaw.hint("write whole numbers, such as 1h30m"));
    }
    let unit_start = skip(text, end, |c| c == ' ');
    let unit_end = skip(text, unit_start, char::is_alphabetic);
    let unit = unit(text, start..end, unit_start..unit_end)?;
    Ok(Some(Part { number, unit, end: unit_end }))
}

fn skip(text: &str, from: usize, what: impl Fn(char) -> bool) -> usize {
    text[from..].find(|c| !what(c)).map_or(text.len(), |length| from + length)
}

fn no_number(text: &str, start: usize) -> Flaw {
    let rest = &text[start..];
    if rest.starts_with('-') {
        return Flaw::new(start..text.len(), format!("{} is negative", quoted(text)));
    }
    Flaw::new(start..text.len(), format!("{} is not a duration", quoted(text)))
        .hint("write it as 15m, 1h30m or 2 days")
}

fn unit(text: &str, number: std::ops::Range<usize>, unit: std::ops::Range<usize>) -> Result<u64, Flaw> {
    let written = &text[unit.clone()];
    if written.is_empty() {
        let number_text = &text[number.clone()];
        let flaw = Flaw::new(number, format!("{} has no unit", quoted(number_text)));
        return Err(flaw.hint(format!("write {number_text}m for minutes or {number_text}s for seconds")));
    }
    // `M` is a month elsewhere; nobody should learn the difference from a false alarm.
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(written) && written != "M");
    if let Some((_, millis)) = known {
        return Ok(*millis);
    }
    let flaw = Flaw::new(unit, format!("there is no unit {}", quoted(written)));
    let lower = written.to_ascii_lowercase();
    Err(match lower.as_str() {
        "m" => flaw.hint("write m for minutes; months have no fixed length, use cron for them"),
        "mo" | "month" | "months" | "y" | "year" | "years" => {
            flaw.hint("months and years have no fixed length; count days, or use cron")
        }
        _ => match nearest_word(written, UNITS.iter().map(|(name, _)| *name)) {
            Some(near) if written.len() > 2 => flaw.hint(format!("did you mean {near}?")),
            _ => flaw.hint("units are ms, s, m, h, d and w"),
        },
    })
}
