//! Makes text from outside harmless and short.

use std::iter::Peekable;
use std::str::Chars;

/// One line of at most so many characters: line breaks and tabs become spaces, terminal sequences and characters that
/// reorder text are dropped, other control characters become U+FFFD.
pub fn line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = plain(&words.join(" ")).chars().filter(|c| *c != '\n').collect();
    shortened(text.trim(), most)
}

/// The last lines, at most so many, and of them the last characters, at most so many; cleaned as [`line()`] does, but
/// tabs stay. Of a line that was overwritten by carriage returns (a progress bar) only the last state is kept. What
/// was cut is marked by `…`.
pub fn block(text: &str, most_lines: usize, most: usize) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| plain(last_state(line))).collect();
    let first = lines.len().saturating_sub(most_lines);
    let kept = lines[first..].join("\n");
    let surplus = kept.chars().count().saturating_sub(most.saturating_sub(2));
    let tail: String = kept.chars().skip(surplus).collect();
    match (surplus > 0, first > 0) {
        (true, _) => format!("…{tail}"),
        (false, true) => format!("…\n{tail}"),
        (false, false) => tail,
    }
}

fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit_once('\r').map_or(line, |(_, last)| last)
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut rest),
            '\u{9b}' => skip_csi(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            '\n' | '\t' => out.push(c),
            '\u{2028}' | '\u{2029}' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c if is_invisible(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder or hide text (Unicode TR 36, section 2.11; TR 9). Joiners stay: emoji and Persian need them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// After ESC (ECMA-48, section 5).
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) {
    match rest.next() {
        Some('[') => skip_csi(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some(' '..='/') => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
        _ => {}
    }
}

/// Parameters and intermediates up to the final byte; anything else ends it and is text.
fn skip_csi(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// Up to BEL or ST, or the end of the line.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if rest.next_if_eq(&'\\').is_some() => return,
            _ => {}
        }
    }
}
