//! A plain object that something else writes, as a job's evidence.

use std::fmt;
use std::ops::Range;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const LONGEST: usize = 2000;
const SCHEMES: [&str; 4] = ["s3", "gs", "az", "file"];

/// Where a job's object lies for each of its dues, and what it must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainObject {
    base: String,
    parts: Vec<Part>,
    /// A smaller one is bad evidence, in bytes.
    pub min_size: Option<u64>,
    /// One that has not changed for longer is bad evidence.
    pub max_age: Option<SignedDuration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// strftime(3), of the due in the job's zone.
    Due(String),
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

impl PlainObject {
    /// Reads a URL with `{date}` (the same as `{%Y-%m-%d}`) and other `{...}` of strftime(3) conversions in its path.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(template: &str) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let start = match base(template) {
            Ok(length) => length,
            Err(error) => return Err(vec![error]),
        };
        let parts = parts(template, start, &mut errors);
        errors.extend(unwanted(template, start));
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.span.start);
            return Err(errors);
        }
        let base = &template[..start - 1];
        let base = if base == "file://" { "file:///" } else { base };
        Ok(Self { base: base.to_owned(), parts, min_size: None, max_age: None })
    }

    /// The bucket or the directory, as the URL of one: `s3://hoge-bucket`, `file:///data`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The object's key under [`base`](Self::base) for a due, of which the date in `zone` counts.
    pub fn key(&self, due: Timestamp, zone: &TimeZone) -> String {
        let due = due.to_zoned_datetime(zone.clone());
        let render = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            // It was tried when it was read; what cannot be shown after all is left as it is, and found nowhere.
            Part::Due(format) => jiff::fmt::strtime::format(format, &due).unwrap_or_else(|_| format.clone()),
        };
        self.parts.iter().map(render).collect()
    }

    /// Whether different dues have different keys.
    pub fn is_dated(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Due(_)))
    }
}

/// The template again.
impl fmt::Display for PlainObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        f.write_str(if self.base.ends_with('/') { "" } else { "/" })?;
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Due(format) if format == "%Y-%m-%d" => f.write_str("{date}"),
            Part::Due(format) => write!(f, "{{{format}}}"),
        })
    }
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
        let fixed = rest.find('{').unwrap_or(rest.len());
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
        parts.push(Part::Text(template[at..open].to_owned()));
        let Some(close) = template[open..].find('}').map(|close| open + close) else {
            let hint = "write {date} or strftime(3) conversions such as {%Y/%m/%d}";
            errors.push(TemplateError::new(open..template.len(), "this { is not closed", hint));
            return parts;
        };
        match due_part(&template[open + 1..close]) {
            Ok(part) => parts.push(part),
            Err((problem, hint)) => errors.push(TemplateError::new(open..close + 1, problem, hint)),
        }
        at = close + 1;
    }
    parts.push(Part::Text(template[at..].to_owned()));
    parts.retain(|part| *part != Part::Text(String::new()));
    parts
}

fn due_part(inner: &str) -> Result<Part, (String, String)> {
    let hint = || "write {date} or strftime(3) conversions such as {%Y/%m/%d}".to_owned();
    if inner == "date" {
        return Ok(Part::Due("%Y-%m-%d".into()));
    }
    if !inner.contains('%') {
        let near = match inner {
            "Date" | "DATE" | "day" | "today" | "ds" => "did you mean {date}?".to_owned(),
            "yyyymmdd" | "YYYYMMDD" => "did you mean {%Y%m%d}?".to_owned(),
            _ => hint(),
        };
        return Err((format!("{} is not known", super::shape::quoted(&format!("{{{inner}}}"))), near));
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
    let mut depth = 0usize;
    let mut errors = Vec::new();
    for (at, c) in template[start..].char_indices().map(|(at, c)| (start + at, c)) {
        let here = at..at + c.len_utf8();
        match c {
            '{' => depth = 1,
            '}' if depth == 0 => {
                errors.push(TemplateError::new(here, "this } closes nothing", "write {date}"));
            }
            '}' => depth = 0,
            '*' if depth == 0 => errors.push(TemplateError::new(
                here,
                "wildcards are not supported",
                "name one object per due; dates are written as {date} or {%Y/%m/%d}",
            )),
            '?' | '#' if depth == 0 => errors.push(TemplateError::new(
                here,
                format!("{c} cannot stand in the key of an object"),
                "neither wildcards nor parameters are supported here",
            )),
            c if c.is_control() => {
                errors.push(TemplateError::new(here, "a control character cannot stand here", "remove it"));
            }
            _ => {}
        }
    }
    errors.extend(upwards(template, start));
    errors
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(template: &str, zone: &str) -> (String, String) {
        let object = PlainObject::parse(template).unwrap();
        assert_eq!(object.to_string(), template.replace("{%Y-%m-%d}", "{date}"));
        let due = "2026-03-31T20:00:00Z".parse().unwrap();
        (object.base().to_owned(), object.key(due, &TimeZone::get(zone).unwrap()))
    }

    #[test]
    fn the_date_is_that_of_the_due_in_the_zone_of_the_job() {
        let template = "s3://hoge-bucket/{date}/evidence.txt";
        assert_eq!(
            key(template, "Asia/Tokyo"),
            ("s3://hoge-bucket".into(), "2026-04-01/evidence.txt".into())
        );
        assert_eq!(key(template, "UTC").1, "2026-03-31/evidence.txt");
        assert_eq!(key("gs://b/x/{%Y/%m/%d}-{%H%M}.csv", "Asia/Tokyo").1, "x/2026/04/01-0500.csv");
    }

    #[test]
    fn a_file_lies_under_the_last_directory_that_is_always_the_same() {
        let split = |template| key(template, "UTC");
        assert_eq!(split("file:///data/in/{date}/x"), ("file:///data/in".into(), "2026-03-31/x".into()));
        assert_eq!(split("file:///data/in/x-{date}"), ("file:///data/in".into(), "x-2026-03-31".into()));
        assert_eq!(split("file:///x"), ("file:///".into(), "x".into()));
    }

    #[test]
    fn what_cannot_be_a_template_is_refused() {
        for bad in [
            "",
            "evidence.txt",
            "http://x/y",
            "s3://bucket",
            "s3://bucket/",
            "s3:///key",
            "s3://{date}/x",
            "s3://b/{x}",
            "s3://b/{date",
            "s3://b/date}",
            "s3://b/*.txt",
            "s3://b/../x",
            "s3://b/x?y",
            "s3://u:p@b/x",
            "file://x/y",
            "file:///",
            "file:///dir/",
            "s3://b/{%!}",
            "s3://b/{}",
            "s3://b/{%}",
            "s3://b/a\nb",
        ] {
            assert!(PlainObject::parse(bad).is_err(), "{bad} was accepted");
        }
    }
}
