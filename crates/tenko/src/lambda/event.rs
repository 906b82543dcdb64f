//! What an event asks for. Events come from schedules, from buckets and from people; each has a shape of its own.

use serde_json::{Map, Value};

use super::failure::Failure;

/// What is accepted, for whoever sent something else.
const ACCEPTED: &str = "accepted are: an event of EventBridge or EventBridge Scheduler, {} (the whole roll call), \
    an event of S3 about a new object (by notification or by EventBridge), and \
    {\"jobs\": [\"NAME\"], \"dry_run\": true, \"at\": \"TIME\"}, of which each part may be missing";
/// The most keys of an unknown event that are named.
const NAMED: usize = 8;

/// What an event asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A roll call.
    Call(Wanted),
    /// A roll call, if one of these objects is evidence.
    Stored(Vec<Stored>),
}

/// What somebody wants to know; by default everything, now, and in earnest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The jobs that the answer shows; all of them, if there is none.
    pub(super) jobs: Vec<String>,
    /// Nothing is stored and nobody is told.
    pub(super) dry_run: bool,
    /// The moment, as it was written.
    pub(super) at: Option<String>,
}

/// An object that is new in a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// The bucket.
    pub(super) bucket: String,
    /// The whole key.
    pub(super) key: String,
}

impl Event {
    /// Understands an event.
    ///
    /// # Errors
    /// What was understood of it, and what is accepted.
    pub(super) fn parse(event: &Value) -> Result<Self, Failure> {
        let object = match event {
            Value::Null => return Ok(Self::Call(Wanted::default())),
            Value::Object(object) => object,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(unknown(&format!("it is {}", kind(event))));
            }
        };
        if let Some(records) = object.get("Records") {
            return records_of(records).map(Self::Stored);
        }
        // S3 sends this when a notification is set up.
        if text(event, "/Event") == Some("s3:TestEvent") {
            return Ok(Self::Stored(Vec::new()));
        }
        match (text(event, "/source"), text(event, "/detail-type")) {
            (Some("aws.s3"), what) => by_event_bridge(event, what).map(Self::Stored),
            (Some("aws.scheduler" | "aws.events"), _) | (_, Some("Scheduled Event")) => {
                Ok(Self::Call(Wanted::default()))
            }
            _ => by_hand(object).map(Self::Call),
        }
    }
}

/// An event notification of S3; keys are spelled as in a form
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
fn records_of(records: &Value) -> Result<Vec<Stored>, Failure> {
    let Some(records) = records.as_array() else { return Err(unknown("its Records are no list")) };
    let mut stored = Vec::new();
    for record in records {
        let Some(key) = text(record, "/s3/object/key") else {
            let source = text(record, "/eventSource").or_else(|| text(record, "/EventSource"));
            let source = source.map_or_else(|| "nobody knows whom".to_owned(), shown);
            return Err(unknown(&format!("it is made of Records of {source}, without s3.object.key")));
        };
        let is_new = text(record, "/eventName").is_none_or(|name| name.contains("ObjectCreated"));
        if is_new {
            let bucket = text(record, "/s3/bucket/name").unwrap_or_default().to_owned();
            stored.push(Stored { bucket, key: decoded(key) });
        }
    }
    Ok(stored)
}

/// An event of S3 that came by EventBridge; keys are spelled as they are
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>).
fn by_event_bridge(event: &Value, what: Option<&str>) -> Result<Vec<Stored>, Failure> {
    if let Some(other) = what.filter(|what| *what != "Object Created") {
        tracing::info!(event = shown(other), "an event of S3 that says nothing of a new object is ignored");
        return Ok(Vec::new());
    }
    let Some(key) = text(event, "/detail/object/key") else {
        return Err(unknown("it is one of S3 without detail.object.key"));
    };
    let bucket = text(event, "/detail/bucket/name").unwrap_or_default();
    Ok(vec![Stored { bucket: bucket.to_owned(), key: key.to_owned() }])
}

fn by_hand(object: &Map<String, Value>) -> Result<Wanted, Failure> {
    let mut wanted = Wanted::default();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("jobs", Value::Array(jobs)) => wanted.jobs = names(jobs)?,
            ("jobs", Value::String(job)) => wanted.jobs = vec![job.clone()],
            ("dry_run", Value::Bool(dry_run)) => wanted.dry_run = *dry_run,
            ("at", Value::String(at)) => wanted.at = Some(at.clone()),
            ("jobs" | "at", Value::Null) => {}
            ("jobs" | "dry_run" | "at", _) => {
                return Err(unknown(&format!("its {key} is {}", kind(value))));
            }
            _ => return Err(unknown(&format!("it is an object with {}", keys(object)))),
        }
    }
    if wanted.at.is_some() && !wanted.dry_run {
        return Err(unknown("it has at without \"dry_run\": true, and nobody can decide at another moment"));
    }
    Ok(wanted)
}

fn names(jobs: &[Value]) -> Result<Vec<String>, Failure> {
    let name = |job: &Value| match job {
        Value::String(name) => Ok(name.clone()),
        other => Err(unknown(&format!("one of its jobs is {}", kind(other)))),
    };
    jobs.iter().map(name).collect()
}

fn unknown(understood: &str) -> Failure {
    Failure::event(format!("the event is not understood: {understood}; {ACCEPTED}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn keys(object: &Map<String, Value>) -> String {
    let named: Vec<String> = object.keys().take(NAMED).map(|key| shown(key)).collect();
    let more = object.len().saturating_sub(NAMED);
    let word = if object.len() == 1 { "the key" } else { "the keys" };
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{word} {}{rest}", named.join(", "))
}

/// A text of an event, so short and harmless that it can be shown.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let cut: String = text.chars().take(LONGEST).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", crate::printer::one_line(&cut))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// Undoes the encoding of a form.
fn decoded(key: &str) -> String {
    let pair = format!("k={}", key.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, key)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
