//! Slack incoming webhooks, and what is compatible with them.
//!
//! The limits are those of Slack's Block Kit reference: 150 characters in a header, 3000 in a section, 10 fields of
//! 2000, 50 blocks. Text is `plain_text` wherever that is possible; the one text that Slack reads as mrkdwn is the
//! fallback, in which `&`, `<` and `>` are escaped, so that nothing a job prints can mention or link.

use async_trait::async_trait;
use serde_json::{Value, json};
use tenko_core::message::{Language, Message, Severity};
use tenko_core::outbox::{Batch, Delivery};
use url::Url;

use super::channels::Channel;
use super::options::SlackOptions;
use super::post;
use crate::http_client;

const MAX_HEADER: usize = 150;
const MAX_SECTION: usize = 3000;
const MAX_FIELDS: usize = 10;
const MAX_FIELD: usize = 2000;

/// A Slack incoming webhook.
#[derive(Debug)]
pub(super) struct Slack {
    options: SlackOptions,
    language: Language,
}

impl Slack {
    /// A channel that posts in `language`.
    pub(super) fn new(options: SlackOptions, language: Language) -> Self {
        Self { options, language }
    }
}

#[async_trait]
impl Channel for Slack {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let secret = self.options.url.reveal();
        let Ok(url) = secret.parse::<Url>() else {
            return Delivery::Never { problem: "the webhook's URL is not a URL".into() };
        };
        let client = match http_client::client() {
            Ok(client) => client,
            Err(error) => return Delivery::Later { problem: crate::error::chain(&error), retry_after: None },
        };
        let path = url.path().to_owned();
        let body = payload(&Message::of(batch, self.language), self.language).to_string();
        let request = client.post(url).header("content-type", "application/json").body(body);
        post::send(request, &[secret, path.trim_matches('/')], hint).await
    }
}

/// What helps against the errors of Slack's page on incoming webhooks.
fn hint(status: u16, word: &str) -> Option<&'static str> {
    match (status, word) {
        (_, "no_service" | "no_active_hooks" | "no_team") => {
            Some("the webhook was removed or its app uninstalled: create a new one")
        }
        (_, "invalid_token" | "no_service_id") => Some("the webhook's URL is incomplete or was revoked"),
        (_, "channel_not_found") => Some("the webhook's channel was deleted"),
        (_, "channel_is_archived") => {
            Some("the webhook's channel is archived: unarchive it or create a new webhook")
        }
        (_, "action_prohibited" | "posting_to_general_channel_denied") => {
            Some("an administrator forbids posting there")
        }
        (400, "invalid_payload" | "invalid_blocks" | "no_text") => {
            Some("this is a defect of Tenko: please report it")
        }
        (404 | 410, _) => Some("is the webhook's URL complete, and does the webhook still exist?"),
        (401 | 403, _) => Some("the webhook's URL is wrong or was revoked"),
        _ => None,
    }
}

/// The body of the request.
pub fn payload(message: &Message, language: Language) -> Value {
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&format!("{} {}", icon(message.severity), message.title), MAX_HEADER) }),
        json!({ "type": "section", "text": plain(&message.sentence, MAX_SECTION) }),
    ];
    for some in message.fields.chunks(MAX_FIELDS) {
        let field = |field: &tenko_core::message::Field| {
            plain(&format!("{}\n{}", field.label, field.value), MAX_FIELD)
        };
        blocks.push(json!({ "type": "section", "fields": some.iter().map(field).collect::<Vec<_>>() }));
    }
    blocks.extend(message.output.as_deref().filter(|text| !text.is_empty()).map(preformatted));
    blocks.extend(message.runbook.as_deref().map(|text| runbook(text, language)));
    blocks
        .push(json!({ "type": "context", "elements": [plain(&format!("Tenko {}", message.id), MAX_FIELD)] }));
    json!({ "text": fallback(message), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn icon(severity: Severity) -> &'static str {
    match severity {
        Severity::Bad => "🔴",
        Severity::Good => "🟢",
        Severity::Warning => "🟡",
        Severity::Info => "🔵",
    }
}

/// What a notification on a phone shows, and services that know no blocks.
fn fallback(message: &Message) -> String {
    let text = cut(&format!("{} {}\n{}", icon(message.severity), message.title, message.sentence), MAX_FIELD);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn plain(text: &str, most: usize) -> Value {
    let text = cut(text, most);
    let text = if text.trim().is_empty() { "-".to_owned() } else { text };
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn preformatted(text: &str) -> Value {
    let text = json!({ "type": "text", "text": cut(text, MAX_SECTION) });
    rich(&json!({ "type": "rich_text_preformatted", "elements": [text] }))
}

/// A link whose text is its target, if it is one to the web; text otherwise.
fn runbook(text: &str, language: Language) -> Value {
    let label = json!({ "type": "text", "text": format!("{}: ", language.runbook_label()) });
    let is_web = text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let target = cut(text, MAX_FIELD);
    let target = if is_web {
        json!({ "type": "link", "url": target })
    } else {
        json!({ "type": "text", "text": target })
    };
    rich(&json!({ "type": "rich_text_section", "elements": [label, target] }))
}

fn rich(element: &Value) -> Value {
    json!({ "type": "rich_text", "elements": [element] })
}

/// At most so many UTF-16 units, as Slack counts.
fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut units = 1;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= most
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
