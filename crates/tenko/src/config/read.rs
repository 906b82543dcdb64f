//! Reads values out of TOML tables. What is of the wrong kind has been reported by [`shape`](super::shape) and is absent
//! here.

use std::ops::Range;
use std::path::Path;

use jiff::SignedDuration;
use tenko_core::schedule::parse_duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::{Outside, shape, source};
use crate::secret::Secret;

/// What has been found so far.
pub(super) struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) outside: &'a Outside<'a>,
    pub(super) problems: Vec<Problem>,
    /// Where secrets stand as they are.
    pub(super) plain_secrets: Vec<Range<usize>>,
}

/// A string and where it stands, with its quotation marks.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// A secret, where it was said, and by which reference.
pub(super) struct SaidSecret {
    pub(super) secret: Secret,
    pub(super) reference: Option<String>,
    pub(super) span: Range<usize>,
}

pub(super) fn text(table: &DeTable<'_>, key: &str) -> Option<Said> {
    table.get(key).and_then(said)
}

pub(super) fn said(value: &Spanned<DeValue<'_>>) -> Option<Said> {
    value.get_ref().as_str().map(|text| Said { text: text.to_owned(), span: value.span() })
}

/// The strings of a list, or one alone.
pub(super) fn texts(table: &DeTable<'_>, key: &str) -> Option<Vec<Said>> {
    let value = table.get(key)?;
    match value.get_ref() {
        DeValue::Array(list) => list.iter().map(said).collect(),
        _ => said(value).map(|one| vec![one]),
    }
}

pub(super) fn number(table: &DeTable<'_>, key: &str, low: u32, high: u32) -> Option<u32> {
    shape::number(table.get(key)?.get_ref(), low, high)
}

/// `true` or `false`.
pub(super) fn flag(table: &DeTable<'_>, key: &str) -> Option<bool> {
    table.get(key)?.get_ref().as_bool()
}

/// The entries of a table of tables, with the places of their names.
pub(super) fn tables<'t, 'i>(
    table: &'t DeTable<'i>,
    key: &str,
) -> impl Iterator<Item = (Said, &'t DeTable<'i>)> {
    let entries = table.get(key).and_then(|value| value.get_ref().as_table());
    entries.into_iter().flatten().filter_map(|(name, value)| {
        let said = Said { text: name.get_ref().to_string(), span: name.span() };
        value.get_ref().as_table().map(|table| (said, table))
    })
}

pub(super) fn table<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
    table.get(key)?.get_ref().as_table()
}

impl Reading<'_> {
    pub(super) fn error(&mut self, span: Range<usize>, text: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::error(span, text).hint(hint));
    }

    /// Where a part of a string stands in the file.
    pub(super) fn part(&self, said: &Said, part: &Range<usize>) -> Range<usize> {
        let raw = self.text.get(said.span.clone()).unwrap_or_default();
        let found = source::inside(raw, &said.text, part);
        said.span.start + found.start..said.span.start + found.end
    }

    pub(super) fn duration(&mut self, table: &DeTable<'_>, key: &str) -> Option<SignedDuration> {
        let said = text(table, key)?;
        match parse_duration(&said.text) {
            Ok(duration) if duration.is_positive() => Some(duration),
            Ok(_) => {
                self.error(said.span, format!("{key} must be longer than nothing"), "write it as 30s or 5m");
                None
            }
            Err(error) => {
                let problem = Problem::error(self.part(&said, &error.span()), error.problem());
                self.problems.push(problem.maybe_hint(error.hint().map(str::to_owned)));
                None
            }
        }
    }

    /// A number of bytes.
    pub(super) fn size(&mut self, table: &DeTable<'_>, key: &str) -> Option<u64> {
        if let Some(number) = number(table, key, 0, u32::MAX) {
            return Some(number.into());
        }
        let said = text(table, key)?;
        let size = parse_size(&said.text);
        if size.is_none() {
            let hint = "write it as 500, 10kB (10 000 bytes) or 1MiB (1 048 576 bytes)";
            self.error(said.span, format!("{} is not a size", shape::quoted(&said.text)), hint);
        }
        size
    }

    pub(super) fn secret(&mut self, table: &DeTable<'_>, key: &str) -> Option<SaidSecret> {
        let said = text(table, key)?;
        self.resolve_secret(&said)
    }

    /// Follows `env:NAME` and `file:/path`; anything else is the secret itself.
    pub(super) fn resolve_secret(&mut self, said: &Said) -> Option<SaidSecret> {
        let found = if let Some(name) = said.text.strip_prefix("env:") {
            self.outside_env(name)
        } else if let Some(path) = said.text.strip_prefix("file:") {
            self.outside_file(path)
        } else {
            if !shape::is_harmless(&said.text) {
                self.plain_secrets.push(said.span.clone());
            }
            let secret = Secret::new(&said.text);
            return Some(SaidSecret { secret, reference: None, span: said.span.clone() });
        };
        match found {
            Ok(text) => {
                let reference = Some(said.text.clone());
                Some(SaidSecret { secret: Secret::new(text), reference, span: said.span.clone() })
            }
            Err((problem, hint)) => {
                self.error(said.span.clone(), problem, hint);
                None
            }
        }
    }

    fn outside_env(&self, name: &str) -> Result<String, (String, String)> {
        let shown = shape::quoted(name);
        match (self.outside.env)(name) {
            Some(value) if !value.trim().is_empty() => Ok(value),
            Some(_) => Err((format!("the environment variable {shown} is empty"), "give it a value".into())),
            None => Err((
                format!("there is no environment variable {shown}"),
                "set it where tenko runs; cron and systemd pass on only few variables".into(),
            )),
        }
    }

    fn outside_file(&self, path: &str) -> Result<String, (String, String)> {
        if !path.starts_with('/') {
            let problem = format!("{} is not an absolute path", shape::quoted(path));
            return Err((problem, "write file:/path/of/the/secret".into()));
        }
        let read = (self.outside.read_file)(Path::new(path));
        let text = read.map_err(|error| {
            let problem = format!("the secret in {} cannot be read: {}", shape::quoted(path), reason(&error));
            (problem, "the user that runs tenko must be able to read it".to_owned())
        })?;
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.trim().is_empty() {
            let problem = format!("the secret in {} is empty", shape::quoted(path));
            return Err((problem, "write the secret into it".into()));
        }
        Ok(text.to_owned())
    }
}

/// Why a file cannot be read, without the number of the error.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
    ];
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[digits..].trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    text[..digits].parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let read =
            ["500", "1kB", "10 MB", "1MiB", "1.5kB", "", "k", "-1", "99999999999999999999"].map(parse_size);
        let expected = [Some(500), Some(1000), Some(10_000_000), Some(1 << 20), None, None, None, None, None];
        assert_eq!(read, expected);
    }
}
