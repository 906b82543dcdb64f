//! A plain object that something else writes, as a job's evidence.

mod keys;
mod reading;
mod template;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tenko_core::Shrink;

pub use keys::Keys;
pub(super) use reading::read;
pub use template::TemplateError;

use template::Part;

/// Where a job's object lies for each of its dues, and what it must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainObject {
    base: String,
    parts: Vec<Part>,
    /// How its bucket is reached, from the question mark on; mostly empty.
    options: String,
    /// A smaller one is bad evidence, in bytes.
    pub min_size: Option<u64>,
    /// One that was written so long before its due, or later, answers it; an older one is bad evidence.
    pub max_age: Option<SignedDuration>,
    /// So many objects that match make an answer.
    pub min_count: Option<u32>,
    /// Whether one with the content of the one before is bad evidence.
    pub changed: bool,
    /// One that is smaller than the last good one by more is bad evidence.
    pub shrink_at_most: Option<Shrink>,
}

impl PlainObject {
    /// Reads a URL with `{date}` (the same as `{%Y-%m-%d}`) and other `{...}` of strftime(3) conversions in its path, and
    /// with the wildcards `*` (any text) and `?` (any character) behind its last slash; `{*}` and `{?}` are those
    /// characters themselves. Of an object in S3, it may end with the parameters that the URL of a store in S3 has:
    /// `?endpoint=https://HOST`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(url: &str) -> Result<Self, Vec<TemplateError>> {
        let template::Template { base, parts, options } = template::parse(url)?;
        Ok(Self {
            base,
            parts,
            options,
            min_size: None,
            max_age: None,
            min_count: None,
            changed: false,
            shrink_at_most: None,
        })
    }

    /// The bucket or the directory, as it is named to people: `s3://hoge-bucket`, `file:///data`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bucket or the directory, as it is opened: with its parameters.
    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.options)
    }

    /// The keys under [`base`](Self::base) of objects for a due, of which the date in `zone` counts: one key, or all
    /// that match the wildcards.
    pub fn keys(&self, due: Timestamp, zone: &TimeZone) -> Keys {
        let due = due.to_zoned_datetime(zone.clone());
        let mut keys = Keys::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => keys.push_text(text),
                // It was tried when it was read; what cannot be shown after all is left as it is, and found nowhere.
                Part::Due(format) => {
                    let text = jiff::fmt::strtime::format(format, &due);
                    keys.push_text(&text.unwrap_or_else(|_| format.clone()));
                }
                Part::One => keys.push_one(),
                Part::Many => keys.push_many(),
            }
        }
        keys
    }

    /// All keys of all dues, with `*` for what differs from due to due, and the wildcards.
    pub fn pattern(&self) -> String {
        let mut pattern = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => pattern.push_str(text),
                Part::One => pattern.push('?'),
                Part::Due(_) | Part::Many if pattern.ends_with('*') => {}
                Part::Due(_) | Part::Many => pattern.push('*'),
            }
        }
        pattern
    }

    /// What all keys of all dues begin with.
    pub fn fixed_prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether there is a date in its keys.
    pub fn is_dated(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Due(_)))
    }

    /// Whether several objects may match.
    pub fn has_wildcards(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::One | Part::Many))
    }

    /// The URL of an object under [`base`](Self::base), as it is named to people.
    pub fn named(&self, key: &str) -> String {
        format!("{}{}{key}", self.base, if self.base.ends_with('/') { "" } else { "/" })
    }
}

/// The template again.
impl fmt::Display for PlainObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(""))?;
        self.parts.iter().try_for_each(|part| part.fmt(f))?;
        f.write_str(&self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(template: &str, zone: &str) -> (String, String) {
        let object = PlainObject::parse(template).unwrap();
        assert_eq!(object.to_string(), template.replace("{%Y-%m-%d}", "{date}"));
        let due = "2026-03-31T20:00:00Z".parse().unwrap();
        let keys = object.keys(due, &TimeZone::get(zone).unwrap());
        (object.base().to_owned(), keys.to_string())
    }

    #[test]
    fn what_differs_from_due_to_due_is_a_star_in_the_pattern() {
        let pattern = |keys: &str| PlainObject::parse(&format!("s3://b/{keys}")).unwrap().pattern();
        assert_eq!(pattern("{%Y-%m-%d}/evidence.txt"), "*/evidence.txt");
        assert_eq!(pattern("dumps/{%Y}{%m}/db-*.sql.gz"), "dumps/*/db-*.sql.gz");
        assert_eq!(pattern("dumps/{date}*-?"), "dumps/*-?");
        assert_eq!(pattern("latest"), "latest");
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
    fn an_object_in_s3_may_say_how_its_bucket_is_reached() {
        let text = "s3://b/in/{date}.csv?endpoint=https://minio.example:9000&region=eu-west-1&profile=reader";
        let object = PlainObject::parse(text).unwrap();
        assert_eq!(object.to_string(), text);
        assert_eq!(object.base(), "s3://b");
        assert_eq!(
            object.url(),
            "s3://b?endpoint=https://minio.example:9000&region=eu-west-1&profile=reader"
        );
        let keys = object.keys("2026-03-31T20:00:00Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(keys.exact(), Some("in/2026-03-31.csv"));
    }

    #[test]
    fn wildcards_stand_behind_the_last_slash() {
        let split = |template| key(template, "UTC");
        assert_eq!(split("s3://b/db/{%Y/%m}/dump-{date}-*.gz").1, "db/2026/03/dump-2026-03-31-*.gz");
        assert_eq!(split("s3://b/*").1, "*");
        assert_eq!(split("gs://b/x?").1, "x?");
        assert_eq!(split("az://b/d/x?y*{%d}").1, "d/x?y*31");
        assert_eq!(split("file:///data/in/x-*.gz"), ("file:///data/in".into(), "x-*.gz".into()));
        assert_eq!(split("file:///data/{%Y}/x-?.gz"), ("file:///data".into(), "2026/x-?.gz".into()));
    }

    #[test]
    fn a_question_mark_is_a_wildcard_unless_a_parameter_follows() {
        let object = PlainObject::parse("s3://b/x-??.gz?region=eu-west-1").unwrap();
        assert_eq!(object.to_string(), "s3://b/x-??.gz?region=eu-west-1");
        assert_eq!(object.url(), "s3://b?region=eu-west-1");
        assert!(object.has_wildcards());
        assert!(PlainObject::parse("s3://b/x?y").unwrap().has_wildcards());
    }

    #[test]
    fn a_star_in_braces_is_itself() {
        let object = PlainObject::parse("s3://b/a{*}b{?}c=d/{?}x=1").unwrap();
        assert_eq!(object.to_string(), "s3://b/a{*}b{?}c=d/{?}x=1");
        let keys = object.keys(Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        assert_eq!(keys.exact(), Some("a*b?c=d/?x=1"));
        assert!(!object.has_wildcards());
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
            "s3://b/*/x.txt",
            "s3://b/?/x.txt",
            "s3://b/**",
            "s3://b/x-**.txt",
            "s3://b/*{%Y/%m}",
            "s3://b*/x",
            "file:///data/*/x",
            "s3://b/{**}",
            "s3://b/../x",
            "s3://b/x?endpoint=http://h#y",
            "s3://b/x?region=a&regoin=b",
            "s3://b/x?regoin=b",
            "az://b/x?regoin=b",
            "gs://b/x?region=a",
            "file:///d/x?region=a",
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
