//! What may be a secret among the values of keys that are not known: such a value may have been meant for a key that
//! holds one.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::keys::{Form, Key};
use super::{nearest, shape};
use crate::exec::mask::Masker;

/// Parts of names whose values are not shown.
const PARTS: [&str; 16] = [
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "signing",
    "authoriz",
    "bearer",
    "apikey",
    "hook",
    "slack",
    "heartbeat",
    "header",
    "cookie",
    "private",
];
/// Words of names, between `_` or `-`, whose values are not shown.
const WORDS: [&str; 7] = ["key", "keys", "pass", "auth", "dsn", "server", "url"];
/// From this length on a word of small and capital letters and digits is taken for a credential.
const OPAQUE: usize = 20;

/// Headers whose names are one word.
const HEADERS: [&str; 22] = [
    "accept",
    "actions",
    "apikey",
    "attach",
    "auth",
    "authorization",
    "click",
    "cookie",
    "date",
    "delay",
    "email",
    "from",
    "host",
    "icon",
    "link",
    "origin",
    "priority",
    "referer",
    "tags",
    "title",
    "token",
    "via",
];

/// Whether a text is plainly the name of a header. Where a quote is missing, or was left out between a name and its value,
/// a secret may stand in the place of one.
pub(super) fn is_plain_header(name: &str) -> bool {
    let is_word =
        |word: &str| (1..=20).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphabetic());
    let known = HEADERS.contains(&name.to_ascii_lowercase().as_str());
    known || (name.contains('-') && name.split('-').all(is_word)) || (name.len() <= 4 && is_word(name))
}

/// Finds where secrets may stand in the value of an unknown key, among `known` ones.
pub(super) fn of_unknown(
    name: &str,
    value: &Spanned<DeValue<'_>>,
    known: &[Key],
    found: &mut Vec<Range<usize>>,
) {
    let all = is_name_of_secret(name) || is_near_one_of_secrets(name, known);
    strings(value, all, found);
}

fn strings(value: &Spanned<DeValue<'_>>, all: bool, found: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(text) if !shape::is_harmless(text) && (all || looks_like_credential(text)) => {
            found.push(value.span());
        }
        DeValue::Array(list) => list.iter().for_each(|element| strings(element, all, found)),
        DeValue::Table(table) => {
            for (name, value) in table {
                strings(value, all || is_name_of_secret(name.get_ref()), found);
            }
        }
        _ => {}
    }
}

/// Whether a name says that its value is secret.
pub(super) fn is_name_of_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_one = |word: &str| WORDS.contains(&word);
    PARTS.iter().any(|part| name.contains(part)) || name.split(|c: char| !c.is_alphanumeric()).any(is_one)
}

fn is_near_one_of_secrets(name: &str, known: &[Key]) -> bool {
    let holds_secret = |key: &&Key| match &key.form {
        Form::Secret | Form::Secrets => true,
        Form::Short(short, _) => matches!(short, Form::Secret),
        _ => false,
    };
    nearest(name, known.iter().filter(holds_secret).map(|key| key.name)).is_some()
}

/// Whether a text has the form of a credential, or is a word that nobody would think up.
fn looks_like_credential(text: &str) -> bool {
    let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    let one_word = text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=_-.".contains(c));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    let hex = text.len() >= 32 && text.chars().all(|c| c.is_ascii_hexdigit());
    hex || (one_word && mixed && text.len() >= OPAQUE)
        || Masker::default().mask(text.as_bytes()) != text.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_headers_are_told_from_what_stands_in_their_place() {
        for name in ["Authorization", "X-Api-Key", "PRIVATE-TOKEN", "apikey", "Title", "A"] {
            assert!(is_plain_header(name), "{name}");
        }
        for secret in ["verysecret", "sk-live-51H8x", "T0-B0-d41d8c", "", "X--Y", "Bearer abc"] {
            assert!(!is_plain_header(secret), "{secret}");
        }
    }

    #[test]
    fn names_and_values_that_may_be_secret_are_known() {
        for name in ["password", "API_KEY", "slack_url", "auth", "access-token", "smtp_pass", "webhook2"] {
            assert!(is_name_of_secret(name), "{name}");
        }
        for name in ["corn", "garce", "monkey", "passenger", "author", "curl", "keyboard", "object"] {
            assert!(!is_name_of_secret(name), "{name}");
        }
        for value in
            ["AKIAIOSFODNN7EXAMPLE", "https://user:hunter2@example.org/", "d41d8cd98f00b204e9800998ecf8427e"]
        {
            assert!(looks_like_credential(value), "{value}");
        }
        for value in
            ["0 5 * * *", "30m", "s3://bucket/{date}/evidence.txt", "nightly-report-2026", "Asia/Tokyo"]
        {
            assert!(!looks_like_credential(value), "{value}");
        }
    }
}
