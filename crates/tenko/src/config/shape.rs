//! Whether a TOML table has the keys and kinds of values that the tables of [`keys`](super::keys) allow.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::keys::{Form, Key};
use super::problem::Problem;
use super::{nearest, suspicion};

/// Reports unknown keys and values of the wrong kind, everywhere in the table.
pub(super) fn check(table: &DeTable<'_>, keys: &[Key], problems: &mut Vec<Problem>) {
    for (name, value) in table {
        match keys.iter().find(|key| key.name == name.get_ref().as_ref()) {
            Some(key) => check_value(key.name, value, &key.form, problems),
            None => problems.push(unknown(name, keys)),
        }
    }
}

/// Finds where secrets stand, and what may be one among the values of keys that are not known.
pub(super) fn secrets(table: &DeTable<'_>, keys: &[Key], found: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        match keys.iter().find(|key| key.name == name.get_ref().as_ref()) {
            Some(key) => secrets_of(value, &key.form, found),
            None => suspicion::of_unknown(name.get_ref(), value, keys, found),
        }
    }
}

fn secrets_of(value: &Spanned<DeValue<'_>>, form: &Form, found: &mut Vec<Range<usize>>) {
    match (form, value.get_ref()) {
        (Form::Table(keys) | Form::Short(_, keys), DeValue::Table(table)) => secrets(table, keys, found),
        (Form::Short(Form::Text, _), DeValue::String(_)) => {}
        (Form::Named(keys), DeValue::Table(tables)) => {
            tables.values().for_each(|table| secrets_of(table, &Form::Table(keys), found));
        }
        (Form::Secrets, DeValue::Table(table)) => {
            table.values().for_each(|value| secrets_of(value, &Form::Secrets, found));
        }
        (Form::Secrets | Form::Secret | Form::Short(..), DeValue::Array(list)) => {
            list.iter().for_each(|value| secrets_of(value, &Form::Secrets, found));
        }
        (Form::Secrets | Form::Secret | Form::Short(..), DeValue::String(text)) if !is_harmless(text) => {
            found.push(value.span());
        }
        _ => {}
    }
}

/// Whether a text in the place of a secret is none: it says where one is, or names a mail server without a password.
pub(super) fn is_harmless(text: &str) -> bool {
    let is_server = || {
        let server = text.starts_with("smtp").then(|| Url::parse(text).ok()).flatten();
        server.is_some_and(|url| url.has_host() && url.password().is_none())
    };
    ["env:", "file:/", "ssm:", "secretsmanager:"].iter().any(|start| text.starts_with(start)) || is_server()
}

fn unknown(name: &Spanned<std::borrow::Cow<'_, str>>, keys: &[Key]) -> Problem {
    let known = keys.iter().map(|key| key.name);
    let problem = Problem::error(name.span(), format!("there is no key {} here", quoted(name.get_ref())));
    problem.maybe_hint(nearest::hint(name.get_ref(), known))
}

/// A name from the file, bounded, without control characters.
pub(super) fn quoted(name: &str) -> String {
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    let dots = if name.chars().nth(60).is_some() { "..." } else { "" };
    format!("`{shown}{dots}`")
}

fn check_value(name: &str, value: &Spanned<DeValue<'_>>, form: &Form, problems: &mut Vec<Problem>) {
    match (form, value.get_ref()) {
        (Form::Table(keys) | Form::Short(_, keys), DeValue::Table(table)) => check(table, keys, problems),
        (Form::Short(short, _), _) if fits(value.get_ref(), short) => {}
        (Form::Named(keys), DeValue::Table(tables)) => {
            tables.values().for_each(|table| check_value(name, table, &Form::Table(keys), problems));
        }
        (Form::Choice(words), DeValue::String(word)) if !words.contains(&word.as_ref()) => {
            let problem = Problem::error(value.span(), format!("{name} cannot be {}", quoted(word)));
            problems.push(problem.maybe_hint(nearest::hint(word, words.iter().copied())));
        }
        (Form::Number(low, high), DeValue::Integer(_)) if number(value.get_ref(), *low, *high).is_none() => {
            let problem = Problem::error(value.span(), format!("{name} is out of range"));
            problems.push(problem.hint(format!("write a number from {low} to {high}")));
        }
        (Form::Secrets, DeValue::Table(table)) => {
            table.iter().for_each(|(key, value)| check_value(key.get_ref(), value, &Form::Secret, problems));
        }
        (form, found) if !fits(found, form) => problems.push(misfit(name, value, form)),
        _ => {}
    }
}

fn misfit(name: &str, value: &Spanned<DeValue<'_>>, form: &Form) -> Problem {
    let found = value.get_ref();
    let (element, at) = match (form, found) {
        (Form::Texts | Form::List, DeValue::Array(list)) => {
            let wrong = list.iter().find(|element| !element.get_ref().is_str());
            ("an element of ", wrong.map_or_else(|| value.span(), Spanned::span))
        }
        (Form::Codes, DeValue::Array(list)) => {
            let wrong = list.iter().find(|element| number(element.get_ref(), 0, 255).is_none());
            ("an element of ", wrong.map_or_else(|| value.span(), Spanned::span))
        }
        _ => ("", value.span()),
    };
    let text = match element {
        "" => format!("{} must be {}, not {}", quoted(name), wanted(form), kind(found)),
        element => format!("{element}{} is not {}", quoted(name), element_wanted(form)),
    };
    Problem::error(at, text).maybe_hint(example(form))
}

fn fits(value: &DeValue<'_>, form: &Form) -> bool {
    match form {
        Form::Text | Form::Duration | Form::Secret | Form::Choice(_) => value.is_str(),
        Form::Flag => value.is_bool(),
        Form::Size | Form::Shrink => value.is_str() || number(value, 0, u32::MAX).is_some(),
        Form::Texts => value.is_str() || fits(value, &Form::List),
        Form::List => value.as_array().is_some_and(|list| list.iter().all(|text| text.get_ref().is_str())),
        Form::Number(low, high) => number(value, *low, *high).is_some(),
        Form::Codes => {
            let all_codes = |code: &Spanned<DeValue<'_>>| number(code.get_ref(), 0, 255).is_some();
            value.as_array().is_some_and(|list| list.iter().all(all_codes))
        }
        Form::Moment => value.is_str() || value.is_datetime(),
        Form::Table(_) | Form::Named(_) | Form::Secrets => value.is_table(),
        Form::Short(short, _) => fits(value, short) || value.is_table(),
    }
}

/// A whole number within limits.
pub(super) fn number(value: &DeValue<'_>, low: u32, high: u32) -> Option<u32> {
    let integer = value.as_integer()?;
    let digits = integer.as_str().replace('_', "");
    let number = u32::from_str_radix(&digits, integer.radix()).ok()?;
    (low..=high).contains(&number).then_some(number)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wanted(form: &Form) -> &'static str {
    match form {
        Form::Text | Form::Duration | Form::Secret | Form::Choice(_) => "a string",
        Form::Size => "a number of bytes or a string",
        Form::Shrink => "a percentage as a string, or a size",
        Form::Flag => "true or false",
        Form::Texts => "a string or a list of strings",
        Form::List => "a list of strings",
        Form::Number(..) => "a whole number",
        Form::Codes => "a list of exit codes",
        Form::Moment => "a date",
        Form::Table(_) | Form::Named(_) | Form::Secrets => "a table",
        Form::Short(Form::Flag, _) => "true or false, or a table",
        Form::Short(..) => "a string or a table",
    }
}

fn element_wanted(form: &Form) -> &'static str {
    if matches!(form, Form::Codes) { "an exit code, 0 to 255" } else { "a string" }
}

fn example(form: &Form) -> Option<String> {
    let example = match form {
        Form::Duration => "write a length of time such as \"30m\"",
        Form::Size => "write \"10kB\", or the number of bytes",
        Form::Shrink => "write \"20%\", or a size such as \"100MB\"",
        Form::List | Form::Texts => "write [\"one\", \"two\"]",
        Form::Codes => "write [0, 24]",
        Form::Moment => "write 2026-04-01 or \"2026-04-01T00:00:00Z\"",
        _ => return None,
    };
    Some(example.to_owned())
}
