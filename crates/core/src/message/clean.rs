//! Text from outside, made harmless for people and terminals.

use std::iter::Peekable;
use std::str::Chars;

/// One line of at most `max` characters: line ends and tabs become spaces.
pub fn line(raw: &str, max: usize) -> String {
    let cleaned: String =
        visible(raw).chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }).collect();
    begin(cleaned.trim(), max)
}

/// Several lines of at most `max` characters, the first ones if there are more. Escape sequences of terminals
/// (ECMA-48), bidirectional overrides (UAX 9) and other invisible characters are gone; other control characters are
/// shown as pictures (U+2400 and after). A lone carriage return ends a line, as progress bars mean it to.
pub fn text(raw: &str, max: usize) -> String {
    begin(&visible(raw), max)
}

/// The last `max` characters of what [`text`] makes of it.
pub(crate) fn end(raw: &str, max: usize) -> String {
    let cleaned = visible(raw);
    let count = cleaned.chars().count();
    if count <= max {
        return cleaned;
    }
    let kept: String = cleaned.chars().skip(count - max.saturating_sub(1)).collect();
    format!("…{kept}")
}

fn begin(cleaned: &str, max: usize) -> String {
    if cleaned.chars().count() <= max {
        return cleaned.to_owned();
    }
    let kept: String = cleaned.chars().take(max.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn visible(raw: &str) -> String {
    let mut shown = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => shown.push('\n'),
            '\n' | '\t' => shown.push(c),
            '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => shown.push('␡'),
            c if is_invisible(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some(' '..='/') => {
            while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            rest.next();
        }
        _ => {}
    }
}

/// Parameters, intermediates and the final character; one that is broken off ends where it stops being one.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// A string such as a title or a link ends with BEL or ESC backslash; one without an end reaches to the end of the line.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| *c != '\n') {
        if c == '\u{7}' {
            return;
        }
        if c == '\u{1b}' {
            rest.next_if(|c| *c == '\\');
            return;
        }
    }
}
