//! Slack incoming webhooks, and what is compatible with them (Mattermost, Rocket.Chat).

use async_trait::async_trait;
use serde_json::{Value, json};
use tenko_core::message::{Language, Message, Severity};
use tenko_core::outbox::{Batch, Delivery};

use super::options::SlackOptions;
use super::{Channel, ChannelError, check_url, judged, message};
use crate::http_client::{Answer, call, client};
use crate::secret::Secret;

/// Slack's limit of a header block is 150 characters.
const MAX_HEADER: usize = 150;
/// Slack's limit of a section's text is 3000 characters.
const MAX_SECTION: usize = 3000;
/// Slack's limit of one field is 2000 characters.
const MAX_FIELD: usize = 2000;
/// Slack's limit of fields in one section.
const MAX_FIELDS: usize = 10;

/// An incoming webhook.
#[derive(Debug)]
pub struct Slack {
    url: Secret,
    language: Language,
}

impl Slack {
    /// A channel that posts to a webhook; fails if the URL is none of http or https.
    pub fn new(options: &SlackOptions, language: Language) -> Result<Self, ChannelError> {
        check_url(&options.url)?;
        Ok(Self { url: options.url.clone(), language })
    }
}

#[async_trait]
impl Channel for Slack {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let body = payload(&message(batch, self.language)).to_string();
        let called = async {
            let request = client()?.post(self.url.reveal()).header("content-type", "application/json");
            call(request.body(body)).await
        };
        judged(called.await, &[self.url.reveal()], hint)
    }
}

/// What a refusal means, by the words of Slack's documentation.
fn hint(answer: &Answer) -> Option<&'static str> {
    let word = answer.body.trim();
    Some(match (answer.status.as_u16(), word) {
        (_, "no_service" | "no_active_hooks" | "no_team" | "team_disabled") => {
            "the webhook was removed or disabled; make a new one and configure its URL"
        }
        (_, "invalid_token") => "the token in the URL is wrong; copy the webhook's URL again",
        (_, "channel_is_archived") => "the Slack channel is archived; choose another for the webhook",
        (_, "channel_not_found") => "the Slack channel was deleted; choose another for the webhook",
        (_, "action_prohibited" | "posting_to_general_channel_denied") => {
            "an administrator does not allow posting there"
        }
        (_, "invalid_payload") => "Slack did not understand the message; please report this",
        (404 | 410, _) => "there is no such webhook; make a new one and configure its URL",
        (403, _) => "the webhook does not allow it",
        (301 | 302 | 307 | 308, _) => "it redirects, and redirects are not followed; configure the final URL",
        _ => return None,
    })
}

/// The message in Block Kit, within Slack's limits. Nothing in it can mention, link or format.
pub fn payload(message: &Message) -> Value {
    let title = format!("{} {}", mark(message.severity), message.title);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": escaped(&title, MAX_HEADER), "emoji": false}}),
    ];
    blocks.extend(section(&message.sentence));
    for fields in message.fields.chunks(MAX_FIELDS) {
        blocks.push(json!({"type": "section", "fields": fields.iter().map(field).collect::<Vec<_>>()}));
    }
    blocks.extend(message.output.as_deref().map(preformatted));
    blocks.extend(message.runbook.as_deref().and_then(|address| section(&format!("→ {address}"))));
    blocks
        .push(json!({"type": "context", "elements": [plain(&format!("tenko · {}", message.id), MAX_FIELD)]}));
    let fallback = format!("{title}\n{}", message.sentence);
    json!({
        "text": escaped(&fallback, MAX_SECTION),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Bad => "🔴",
        Severity::Good => "🟢",
        Severity::Warning => "🟡",
        Severity::Info => "🔵",
    }
}

/// Text is sent as `plain_text`, in which Slack interprets neither mentions nor links, and is escaped all the same,
/// because compatible servers interpret more.
fn plain(text: &str, max: usize) -> Value {
    json!({"type": "plain_text", "text": escaped(text, max), "emoji": false})
}

/// A block for a text; Slack refuses empty ones.
fn section(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "section", "text": plain(text, MAX_SECTION)}))
}

fn field((label, value): &(String, String)) -> Value {
    plain(&format!("{label}\n{value}"), MAX_FIELD)
}

/// A block of rich text has no markup that could be broken out of. The end of the output matters most.
fn preformatted(output: &str) -> Value {
    let count = output.chars().count();
    let shown: String = output.chars().skip(count.saturating_sub(MAX_SECTION - 1)).collect();
    let shown = if shown.len() < output.len() { format!("…{shown}") } else { shown };
    let text = escaped(&shown, MAX_SECTION);
    json!({"type": "rich_text", "elements": [
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]},
    ]})
}

/// Escapes the three characters that control Slack's markup, and ends before `max` characters.
fn escaped(text: &str, max: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let form = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        length += form.len().max(1);
        if length >= max {
            escaped.push('…');
            break;
        }
        if form.is_empty() { escaped.push(c) } else { escaped.push_str(form) }
    }
    escaped
}
