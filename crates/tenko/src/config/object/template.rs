//! Reads the template of an object's URL.

use std::error::Error as _;
use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::shape;

const LONGEST: usize = 2000;
const SCHEMES: [&str; 4] = ["s3", "gs", "az", "file"];

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// strftime(3), of the due in the job's zone.
    Due(String),
    /// Any character but a slash.
    One,
    /// Any text without a slash.
    Many,
}

/// As it is written.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&text.replace('*', "{*}").replace('?', "{?}")),
            Self::Due(format) if format == "%Y-%m-%d" => f.write_str("{date}"),
            Self::Due(format) => write!(f, "{{{format}}}"),
            Self::One => f.write_str("?"),
            Self::Many => f.write_str("*"),
        }
    }
}

/// What a template says.
pub(super) struct Template {
    pub(super) base: String,
    pub(super) parts: Vec<Part>,
    pub(super) options: String,
}

/// A text is not the template of an object's URL. `Display` is the problem alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// The bytes of the text that are wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}

impl TemplateError {
    fn new(span: Range<usize>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, problem: problem.into(), hint: hint.into() }
    }
}

/// Reads a template, or tells all that is wrong with it.
pub(super) fn parse(url: &str) -> Result<Template, Vec<TemplateError>> {
    let mut errors = Vec::new();
    let (template, options) = split_options(url);
    let start = match base(template) {
        Ok(length) => length,
        Err(error) => return Err(vec![error]),
    };
    let parts = parts(template, start, &mut errors);
    errors.extend(unwanted(template, start));
    errors.extend(wrong_options(&template[..start], options, template.len()));
    if !errors.is_empty() {
        errors.sort_by_key(|error| error.span.start);
        return Err(errors);
    }
    let base = &template[..start - 1];
    let base = if base == "file://" { "file:///" } else { base };
    Ok(Template { base: base.to_owned(), parts, options: options.to_owned() })
}

/// Parameters begin at the first question mark behind which one has a name and a value; another is a wildcard.
fn split_options(url: &str) -> (&str, &str) {
    let (mut braces, mut end) = (false, url.len());
    for (at, c) in url.char_indices() {
        match c {
            '{' => braces = true,
            '}' => braces = false,
            '?' if !braces && begins_parameter(&url[at + 1..]) => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    url.split_at(end)
}

fn begins_parameter(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    name.len() < text.len() && !name.is_empty() && letters
}

fn wrong_options(bucket: &str, options: &str, at: usize) -> Option<TemplateError> {
    const HINT: &str = "only the parameters of the URL of a store in S3 can stand here; a ? that is part of the name is written as {?}";
    if options.is_empty() {
        return None;
    }
    let span = at..at + options.len();
    if !bucket.starts_with("s3://") {
        return Some(TemplateError::new(span, "only objects in S3 take parameters", HINT));
    }
    if options.contains(['#', '{', '}']) {
        return Some(TemplateError::new(span, "these parameters are not understood", HINT));
    }
    let error = tenko_store::open::check_url(&format!("{bucket}{options}")).err()?;
    let problem = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Some(TemplateError::new(span, problem, error.help().unwrap_or(HINT)))
}

/// Where the key begins: after the bucket, or after the last directory that is the same for all dues.
fn base(template: &str) -> Result<usize, TemplateError> {
    const HINT: &str = "write s3://BUCKET/KEY, gs://BUCKET/KEY, az://CONTAINER/KEY or file:///DIRECTORY/FILE";
    if template.len() > LONGEST {
        return Err(TemplateError::new(
            0..template.len(),
            format!("it is longer than {LONGEST} bytes"),
            HINT,
        ));
    }
    let Some((scheme, rest)) = template.split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme))
    else {
        return Err(TemplateError::new(0..template.len(), "it is not the URL of an object", HINT));
    };
    let start = scheme.len() + "://".len();
    let whole = start..template.len();
    if scheme == "file" {
        let fixed = rest.find(['{', '*', '?']).unwrap_or(rest.len());
        let slash = rest[..fixed].rfind('/');
        return match slash.filter(|_| rest.starts_with('/') && !rest.ends_with('/')) {
            Some(slash) => Ok(start + slash + 1),
            None => Err(TemplateError::new(whole, "it is not the absolute path of a file", HINT)),
        };
    }
    match rest.split_once('/') {
        Some((bucket, key)) if !key.is_empty() && !bucket.is_empty() => bucket_end(start, bucket),
        _ => Err(TemplateError::new(whole, "it names no object in a bucket", HINT)),
    }
}

fn bucket_end(start: usize, bucket: &str) -> Result<usize, TemplateError> {
    let end = start + bucket.len();
    match bucket.find(['{', '}', '@', '*', '?', '#']) {
        None => Ok(end + 1),
        Some(_) => Err(TemplateError::new(
            start..end,
            "this is not the name of a bucket",
            "the same bucket holds all objects of a job; dates can stand after it",
        )),
    }
}

fn parts(template: &str, start: usize, errors: &mut Vec<TemplateError>) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), start);
    while let Some(open) = template[at..].find('{').map(|open| at + open) {
        push_text(&mut parts, &template[at..open]);
        let Some(close) = template[open..].find('}').map(|close| open + close) else {
            let hint = "write {date} or strftime(3) conversions such as {%Y/%m/%d}";
            errors.push(TemplateError::new(open..template.len(), "this { is not closed", hint));
            return parts;
        };
        match due_part(&template[open + 1..close]) {
            Ok(Part::Text(text)) => push_literal(&mut parts, &text),
            Ok(part) => parts.push(part),
            Err((problem, hint)) => errors.push(TemplateError::new(open..close + 1, problem, hint)),
        }
        at = close + 1;
    }
    push_text(&mut parts, &template[at..]);
    parts
}

/// Text outside of braces, in which wildcards may stand.
fn push_text(parts: &mut Vec<Part>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['*', '?']) {
        push_literal(parts, &rest[..at]);
        parts.push(if rest[at..].starts_with('*') { Part::Many } else { Part::One });
        rest = &rest[at + 1..];
    }
    push_literal(parts, rest);
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

fn due_part(inner: &str) -> Result<Part, (String, String)> {
    let hint = || "write {date} or strftime(3) conversions such as {%Y/%m/%d}".to_owned();
    if inner == "date" {
        return Ok(Part::Due("%Y-%m-%d".into()));
    }
    if matches!(inner, "*" | "?") {
        return Ok(Part::Text(inner.to_owned()));
    }
    if !inner.contains('%') {
        let near = match inner {
            "Date" | "DATE" | "day" | "today" | "ds" => "did you mean {date}?".to_owned(),
            "yyyymmdd" | "YYYYMMDD" => "did you mean {%Y%m%d}?".to_owned(),
            _ => hint(),
        };
        return Err((format!("{} is not known", shape::quoted(&format!("{{{inner}}}"))), near));
    }
    // Every due can be shown if this one can: conversions do not depend on the moment.
    let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    match jiff::fmt::strtime::format(inner, &sample) {
        Ok(_) => Ok(Part::Due(inner.to_owned())),
        Err(_) => Err(("this holds a conversion that is not known".to_owned(), hint())),
    }
}

/// What a key cannot hold, outside of braces.
fn unwanted(template: &str, start: usize) -> Vec<TemplateError> {
    let mut braces = false;
    let mut errors = Vec::new();
    let last_slash = template.rfind('/').unwrap_or(start);
    for (at, c) in template[start..].char_indices().map(|(at, c)| (start + at, c)) {
        let error =
            |problem: &str, hint: &str| Some(TemplateError::new(at..at + c.len_utf8(), problem, hint));
        errors.extend(match c {
            '}' if !braces => error("this } closes nothing", "write {date}"),
            '*' | '?' if !braces => unwanted_wildcard(template, at, last_slash),
            '#' if !braces => {
                error("# cannot stand in the key of an object", "name the object in another way")
            }
            c if c.is_control() => error("a control character cannot stand here", "remove it"),
            _ => None,
        });
        braces = (braces || c == '{') && c != '}';
    }
    errors.extend(upwards(template, start));
    errors
}

fn unwanted_wildcard(template: &str, at: usize, last_slash: usize) -> Option<TemplateError> {
    let rest = &template[at..];
    let error = |length, problem, hint: &str| Some(TemplateError::new(at..at + length, problem, hint));
    if template[..at].ends_with('*') && rest.starts_with('*') {
        return None;
    }
    if rest.starts_with("**") {
        let hint =
            "directories are not searched; one * stands for any text without a slash, behind the last slash";
        return error(rest.len() - rest.trim_start_matches('*').len(), "** is not a wildcard here", hint);
    }
    if at < last_slash {
        let hint = "name the directory, with dates as {date} or {%Y/%m}; a * that is part of a name is written as {*}";
        return error(1, "a wildcard can only stand behind the last slash", hint);
    }
    None
}

fn upwards(template: &str, start: usize) -> Option<TemplateError> {
    let mut at = start;
    for segment in template[start..].split('/') {
        if segment == ".." || segment == "." {
            let hint = "write the path without it";
            return Some(TemplateError::new(
                at..at + segment.len(),
                format!("{segment} is not allowed"),
                hint,
            ));
        }
        at += segment.len() + 1;
    }
    None
}
