//! The one place that writes to standard output and standard error.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::error::{CommandError, Kind};

/// Writes a text to standard output; colours are left out where they are not wanted.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => CommandError::could_not_tell(format!("can't write to standard output: {error}")),
    })
}

/// Writes a value to standard output as one JSON document.
pub fn print_json<T: Serialize>(value: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(CommandError::could_not_tell)?;
    print(&(text + "\n"))
}

/// Writes a remark to standard error. That it can't be written is no reason to stop.
pub fn remark(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Writes an error to standard error.
pub fn complain(error: &CommandError) {
    if error.kind != Kind::BrokenPipe {
        drop(anstream::stderr().lock().write_all(error.render().as_bytes()));
    }
}

/// Replaces what could move the cursor, recolour the terminal, or hide and reorder text.
pub fn harmless(text: &str) -> String {
    let hidden = |c: char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let odd = |c: char| c.is_control() || hidden(c);
    text.chars().map(|c| if odd(c) && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The same for what must stay on one line: an end of line becomes a space.
pub fn one_line(text: &str) -> String {
    harmless(&text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

/// Columns of text, as wide as their widest cell; the last is not padded.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| shown_width(cell));
        cells.chain([shown_width(header[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let head: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - shown_width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Columns on the screen, without escapes for colour.
fn shown_width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}
