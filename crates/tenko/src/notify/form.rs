//! What programs are told: the JSON of webhooks and commands.
//!
//! ```json
//! {
//!   "version": 1,
//!   "id": "3f2a9c01-...",           // the same whenever the same is sent again
//!   "channel": "ops",
//!   "language": "en",
//!   "message": { "title": "...", "severity": "bad", "sentence": "...", "fields": [], "output": "...", ... },
//!   "notices": [{ "id": "...", "job": "daily-report", "kind": "down", "at": "...", "created_at": "...", "facts": {} }]
//! }
//! ```
//!
//! `severity` is `bad`, `good`, `warning` or `info`; `kind` is `down`, `up`, `reminder` (with its number in
//! `reminder`), `unknown`, `known`, `unstored` or `test`. Moments are RFC 3339 in UTC, lengths of time milliseconds.
//! Version 1 only ever gains members; anything else would be version 2.

use jiff::Timestamp;
use serde::Serialize;
use tenko_core::message::{Language, Message};
use tenko_core::notice::{Facts, Notice, NoticeKind};
use tenko_core::outbox::Batch;
use uuid::Uuid;

/// The version of the form.
pub(super) const VERSION: u32 = 1;

/// One message to a program.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Form<'a> {
    version: u32,
    id: Uuid,
    channel: &'a str,
    language: Language,
    message: Message,
    notices: Vec<NoticeForm<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct NoticeForm<'a> {
    id: Uuid,
    job: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reminder: Option<u64>,
    at: Timestamp,
    created_at: Timestamp,
    facts: &'a Facts,
}

impl<'a> Form<'a> {
    /// The form of what is sent in one go.
    pub(super) fn of(batch: &'a Batch, language: Language) -> Self {
        Self {
            version: VERSION,
            id: batch.id(),
            channel: batch.channel.as_str(),
            language,
            message: Message::of(batch, language),
            notices: batch.notices.iter().map(NoticeForm::of).collect(),
        }
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all keys are strings and no value can fail to be written")
    }
}

impl<'a> NoticeForm<'a> {
    fn of(notice: &'a Notice) -> Self {
        let (kind, reminder) = match notice.kind {
            NoticeKind::Down => ("down", None),
            NoticeKind::Up => ("up", None),
            NoticeKind::Reminder(number) => ("reminder", Some(number)),
            NoticeKind::Unknown => ("unknown", None),
            NoticeKind::Known => ("known", None),
            NoticeKind::Unstored => ("unstored", None),
            NoticeKind::Test => ("test", None),
        };
        Self {
            id: notice.id,
            job: notice.job.as_str(),
            kind,
            reminder,
            at: notice.at,
            created_at: notice.created_at,
            facts: &notice.facts,
        }
    }
}
