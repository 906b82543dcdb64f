//! What a job says of its object: where it lies, and what it must be like.

use tenko_core::{Job, Shrink};
use toml::de::DeTable;

use super::PlainObject;
use crate::config::read::{self, Reading, Said};
use crate::config::shape;

/// The keys that say what an object must be like.
const CHECKS: [&str; 5] = ["min_size", "max_age", "min_count", "changed", "shrink_at_most"];

/// Reads the object of a job. `None` if it has none, or if the URL is wrong.
pub(in crate::config) fn read(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    job: &Job,
    name: &Said,
) -> Option<PlainObject> {
    let min_size = reading.size(table, "min_size");
    let max_age = reading.duration(table, "max_age");
    let shrink_at_most = shrink(reading, table);
    let Some(said) = read::text(table, "object") else {
        says_nothing(reading, table);
        return None;
    };
    if job.schedule.in_words().is_none() {
        let text = format!(
            "{} has an object but no schedule, so nobody knows when to look",
            shape::quoted(&name.text)
        );
        reading.error(said.span.clone(), text, "add cron, on_calendar or every");
    }
    match PlainObject::parse(&said.text) {
        Ok(mut object) => {
            object.min_size = min_size;
            object.max_age = max_age;
            object.min_count = read::number(table, "min_count", 1, 100_000);
            object.changed = read::flag(table, "changed").unwrap_or(false);
            object.shrink_at_most = shrink_at_most;
            check(reading, table, &object);
            Some(object)
        }
        Err(errors) => {
            for error in errors {
                let span = reading.part(&said, &error.span);
                reading.error(span, error.problem, error.hint);
            }
            None
        }
    }
}

fn says_nothing(reading: &mut Reading<'_>, table: &DeTable<'_>) {
    for (key, _) in CHECKS.iter().filter_map(|key| table.get_key_value(*key)) {
        let text = format!("{} says nothing without object", key.get_ref());
        reading.error(key.span(), text, "add object = \"s3://...\"");
    }
}

/// Reports checks that an object of this kind can never be put to.
fn check(reading: &mut Reading<'_>, table: &DeTable<'_>, object: &PlainObject) {
    let place = |key| table.get_key_value(key).map(|(key, _)| key.span());
    if let Some(span) = place("min_count").filter(|_| !object.has_wildcards()) {
        let hint = "put * or ? behind the last slash of object, or remove min_count";
        reading.error(span, "min_count counts nothing: object names a single key", hint);
    }
    if object.has_wildcards() || object.is_dated() {
        return;
    }
    let changed = place("changed").filter(|_| object.changed).map(|span| (span, "changed"));
    let shrunk = place("shrink_at_most").map(|span| (span, "shrink_at_most"));
    for (span, key) in [changed, shrunk].into_iter().flatten() {
        let text =
            format!("{key} has nothing to compare with: each object takes the place of the one before");
        let hint = "put {date} or a wildcard into object, so that the one before is still there";
        reading.error(span, text, hint);
    }
}

fn shrink(reading: &mut Reading<'_>, table: &DeTable<'_>) -> Option<Shrink> {
    let percent = read::text(table, "shrink_at_most").filter(|said| said.text.trim_end().ends_with('%'));
    let Some(said) = percent else {
        return reading.size(table, "shrink_at_most").map(Shrink::Bytes);
    };
    let hint = "write a part such as \"20%\" or \"2.5%\", or a size such as \"100MB\"";
    match parse_share(said.text.trim_end().trim_end_matches('%').trim()) {
        Some(share) if share < 10_000 => return Some(Shrink::Share(share)),
        Some(10_000) => reading.error(said.span, "100% allows everything", hint),
        Some(_) => {
            let text = format!("{} is more than all of it", shape::quoted(&said.text));
            reading.error(said.span, text, hint);
        }
        None => {
            let text = format!("{} is not a percentage", shape::quoted(&said.text));
            reading.error(said.span, text, hint);
        }
    }
    None
}

/// A decimal number with at most two digits behind the point, in hundredths.
fn parse_share(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let part = digits(part, 2)? * if part.len() == 1 { 10 } else { 1 };
    Some(digits(whole, 6)? * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::parse_share;

    #[test]
    fn a_share_has_at_most_two_digits_behind_the_point() {
        let read = ["20", "2.5", "0.01", "0", "120", "99.99"].map(parse_share);
        assert_eq!(read, [2000, 250, 1, 0, 12_000, 9999].map(Some));
        for wrong in ["", ".5", "1.", "1.234", "-1", "+1", "a", "1e3", "1234567", "١"] {
            assert_eq!(parse_share(wrong), None, "{wrong}");
        }
    }
}
