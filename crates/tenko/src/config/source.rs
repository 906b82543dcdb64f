//! Shows a place in a text file: the line, and carets under what is meant.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

/// How much of a long line is shown, in columns.
const WIDEST: usize = 140;
/// How much of a long line is shown before the place, in columns.
const LEAD: usize = 60;

/// The text of a file, and what in it must not be shown.
pub(super) struct Source<'a> {
    name: String,
    text: &'a str,
    secrets: Vec<Range<usize>>,
}

/// A place as people count: both from 1, columns in characters.
struct Place {
    line: usize,
    column: usize,
    /// Where the line begins and ends in the text.
    bytes: Range<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: String, text: &'a str, secrets: Vec<Range<usize>>) -> Self {
        Self { name, text, secrets }
    }

    /// What is said about a place, with file, line and column, the line itself and carets, in the manner of rustc.
    pub(super) fn show(&self, title: &str, span: &Range<usize>, hint: Option<&str>) -> String {
        let span = self.text.floor_char_boundary(span.start)..self.text.ceil_char_boundary(span.end);
        let place = self.place(span.start);
        let gutter = " ".repeat(place.line.to_string().len());
        let (line, carets) = self.line_and_carets(&place, &span);
        let mut shown = format!("{title}\n{gutter}--> {}:{}:{}\n", self.name, place.line, place.column);
        write!(shown, "{gutter} |\n{} | {line}\n{gutter} | {carets}\n", place.line)
            .expect("a String takes everything");
        if let Some(hint) = hint {
            writeln!(shown, "{gutter} = hint: {hint}").expect("a String takes everything");
        }
        shown
    }

    fn place(&self, at: usize) -> Place {
        let before = &self.text[..at];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let length = self.text[start..].find('\n').unwrap_or(self.text.len() - start);
        let bytes =
            start..start + self.text[start..start + length].trim_end_matches('\r').len().max(at - start);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Place { line, column: self.text[start..at].chars().count() + 1, bytes }
    }

    fn line_and_carets(&self, place: &Place, span: &Range<usize>) -> (String, String) {
        let secrets = self.secrets_in(&place.bytes);
        let (mut line, mut carets, mut width) = (String::new(), String::new(), 0);
        let skipped = self.start_of_view(place, span.start);
        if skipped > place.bytes.start {
            line.push_str("...");
            carets.push_str("   ");
        }
        for (at, c) in self.text[skipped..place.bytes.end].char_indices().map(|(at, c)| (skipped + at, c)) {
            if width > WIDEST {
                line.push_str("...");
                break;
            }
            let cell = cell(&secrets, at, c);
            let columns = columns(&cell);
            width += columns;
            let mark = if span.contains(&at) { "^" } else { " " };
            carets.push_str(&mark.repeat(columns));
            line.push_str(&cell);
        }
        let mut carets = carets.trim_end().to_owned();
        if !carets.ends_with('^') {
            // An empty span, or one at the end of the line.
            let until = self.text[skipped..span.start.max(skipped)].char_indices();
            let before: usize = until.map(|(at, c)| columns(&cell(&secrets, skipped + at, c))).sum();
            let dots = if skipped > place.bytes.start { 3 } else { 0 };
            carets = format!("{}^", " ".repeat(before + dots));
        }
        (line.trim_end().to_owned(), carets)
    }

    /// A long line is shown from a little before the place.
    fn start_of_view(&self, place: &Place, at: usize) -> usize {
        let before = &self.text[place.bytes.start..at];
        if before.chars().count() <= LEAD + 3 {
            return place.bytes.start;
        }
        before.char_indices().rev().nth(LEAD - 1).map_or(0, |(at, _)| at) + place.bytes.start
    }

    fn secrets_in(&self, line: &Range<usize>) -> Vec<Range<usize>> {
        let touches = |secret: &&Range<usize>| secret.start < line.end && secret.end > line.start;
        self.secrets.iter().filter(touches).cloned().collect()
    }
}

/// What stands for a character: itself, unless it is secret or would move the cursor.
fn cell(secrets: &[Range<usize>], at: usize, c: char) -> String {
    match c {
        _ if secrets.iter().any(|secret| secret.contains(&at)) => "*".into(),
        '\t' => "    ".into(),
        c if c.is_control() || is_format(c) => "\u{fffd}".into(),
        c => c.into(),
    }
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Marks that reorder or hide text on a terminal.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Where some bytes of a TOML string's value stand in its source. `raw` is the string with its quotation marks, `value`
/// what it means; the answer counts from the beginning of `raw`. All of it, if the place cannot be told.
pub(super) fn inside(raw: &str, value: &str, part: &Range<usize>) -> Range<usize> {
    let places = places(raw);
    let end_of_value = places.last().map_or(0, |(decoded, _)| *decoded);
    if places.is_empty() || end_of_value != value.len() || part.end > value.len() {
        return 0..raw.len();
    }
    let raw_of = |wanted: usize| {
        let index = places.partition_point(|(decoded, _)| *decoded < wanted);
        places.get(index).map_or(raw.len(), |(_, raw)| *raw)
    };
    raw_of(part.start)..raw_of(part.end)
}

/// Pairs of offsets, in the value and in the source, for each character and the end.
fn places(raw: &str) -> Vec<(usize, usize)> {
    let Some(quote @ ("\"" | "'")) = raw.get(..1) else { return Vec::new() };
    let multi_line = raw.len() >= 6 && raw.starts_with(&quote.repeat(3));
    let delimiter = if multi_line { 3 } else { 1 };
    if raw.len() < 2 * delimiter || !raw.ends_with(&quote.repeat(delimiter)) {
        return Vec::new();
    }
    let end = raw.len() - delimiter;
    let mut at = delimiter;
    if multi_line {
        at += if raw[at..].starts_with("\r\n") { 2 } else { usize::from(raw[at..].starts_with('\n')) };
    }
    let (mut places, mut decoded) = (Vec::new(), 0);
    while at < end {
        places.push((decoded, at));
        let (raw_length, length) = one(&raw[at..end], quote == "\"");
        at += raw_length;
        decoded += length;
    }
    places.push((decoded, end));
    // An escaped line break takes no room in the value: what follows it stands at the same offset.
    places.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = next.1;
        }
        same
    });
    places
}

/// The lengths in source and value of the next character.
fn one(rest: &str, escapes: bool) -> (usize, usize) {
    let mut chars = rest.chars();
    let first = chars.next().map_or(1, char::len_utf8);
    if !escapes || !rest.starts_with('\\') {
        return (first, first);
    }
    // What is no character takes its backslash alone: the lengths no longer agree then, and the place cannot be told.
    let coded = |digits: usize| {
        let hex = rest.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        hex.and_then(char::from_u32).map_or((1, 1), |c| (2 + digits, c.len_utf8()))
    };
    match chars.next() {
        Some('x') => coded(2),
        Some('u') => coded(4),
        Some('U') => coded(8),
        Some(c) if c.is_whitespace() => (rest.len() - rest[1..].trim_start().len(), 0),
        other => (1 + other.map_or(0, char::len_utf8), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(raw: &'a str, value: &str, part: &str) -> &'a str {
        let start = value.find(part).unwrap();
        &raw[inside(raw, value, &(start..start + part.len()))]
    }

    #[test]
    fn a_part_of_a_value_is_found_in_every_kind_of_string() {
        assert_eq!(found(r#""0 25 * * *""#, "0 25 * * *", "25"), "25");
        assert_eq!(found("'0 25 * * *'", "0 25 * * *", "25"), "25");
        assert_eq!(found("\"\"\"\n0 25 * * *\"\"\"", "0 25 * * *", "25"), "25");
        assert_eq!(found("'''\r\n0 25 * * *'''", "0 25 * * *", "25"), "25");
        assert_eq!(found(r#""\u65e5\t25 x""#, "日\t25 x", "25"), "25");
        assert_eq!(found(r#""0 \u0032\x35 x""#, "0 25 x", "25"), r"\u0032\x35");
        assert_eq!(found("\"\"\"0 \\\n   25 x\"\"\"", "0 25 x", "25"), "25");
        assert_eq!(found(r#""""#, "", ""), "");
    }

    #[test]
    fn a_place_that_cannot_be_told_is_all_of_it() {
        assert_eq!(inside("\"ab\"", "abc", &(0..1)), 0..4);
        assert_eq!(inside("\"", "", &(0..0)), 0..1);
        assert_eq!(inside(r#""s\u日報""#, "s", &(0..1)), 0..11);
        assert_eq!(inside(r#""\日""#, "", &(0..0)), 0..6);
    }

    #[test]
    fn carets_stand_under_wide_characters_and_after_tabs() {
        let source = Source::new("t".into(), "\tx = \"日報 bad\"\n", Vec::new());
        insta::assert_snapshot!(source.show("error: no", &(13..16), Some("yes")), @r#"
        error: no
         --> t:1:10
          |
        1 |     x = "日報 bad"
          |               ^^^
          = hint: yes
        "#);
    }

    #[test]
    fn long_lines_are_cut_and_secrets_hidden() {
        let text = format!("a = \"{}\" bad {}\n", "x".repeat(200), "y".repeat(300));
        let source = Source::new("t".into(), &text, std::iter::once(5..205).collect());
        insta::assert_snapshot!(source.show("error: no", &(207..210), None));
    }
}
