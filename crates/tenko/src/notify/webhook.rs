//! Any HTTP endpoint: a documented JSON body or a template of one's own, signed by the Standard Webhooks scheme.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use tenko_core::message::Language;
use tenko_core::notice::{Notice, NoticeKind};
use tenko_core::outbox::{Batch, Delivery};

use super::options::WebhookOptions;
use super::{Channel, ChannelError, chain, check_url, judged, message, never};
use crate::http_client::{Answer, call, client};
use crate::secret::Secret;

/// The version of the JSON body.
pub const VERSION: u32 = 1;
/// The largest body that a template may make, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How many steps a template may take.
const FUEL: u64 = 200_000;

/// An HTTP endpoint.
#[derive(Debug)]
pub struct Webhook {
    options: WebhookOptions,
    key: Option<Key>,
    language: Language,
}

/// The bytes of a signing key.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// `whsec_` and Base64, or any other text as its own bytes.
    pub fn new(secret: &Secret) -> Result<Self, ChannelError> {
        match secret.reveal().strip_prefix("whsec_") {
            None => Ok(Self(secret.reveal().as_bytes().to_vec())),
            Some(encoded) => STANDARD.decode(encoded).map(Self).map_err(|_| ChannelError::SigningKey),
        }
    }

    /// The value of `webhook-signature` (Standard Webhooks, symmetric): over id, seconds since 1970, and body.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl Webhook {
    /// A channel that posts to an endpoint; fails if URL, headers, key or template are not valid.
    pub fn new(options: &WebhookOptions, language: Language) -> Result<Self, ChannelError> {
        check_url(&options.url)?;
        for (name, value) in &options.headers {
            check_header(name, value.reveal())?;
        }
        check_header("content-type", &options.content_type)?;
        let key = options.signing_key.as_ref().map(Key::new).transpose()?;
        if let Some(template) = &options.body {
            environment().template_from_str(template).map_err(ChannelError::Template)?;
        }
        Ok(Self { options: options.clone(), key, language })
    }

    fn request(
        &self,
        batch: &Batch,
        body: String,
    ) -> Result<reqwest::RequestBuilder, crate::http_client::CallError> {
        let id = batch.id().to_string();
        let seconds = Timestamp::now().as_second();
        let mut request = client()?
            .post(self.options.url.reveal())
            .header("content-type", &self.options.content_type)
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds)
            .header("idempotency-key", &id);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", key.sign(&id, seconds, &body));
        }
        for (name, value) in &self.options.headers {
            let mut value = HeaderValue::from_str(value.reveal()).unwrap_or(HeaderValue::from_static(""));
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok(request.body(body))
    }

    fn secrets(&self) -> Vec<&str> {
        let headers = self.options.headers.iter().map(|(_, value)| value.reveal());
        headers
            .chain([self.options.url.reveal()])
            .chain(self.options.signing_key.iter().map(Secret::reveal))
            .collect()
    }
}

fn check_header(name: &str, value: &str) -> Result<(), ChannelError> {
    let valid = HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok();
    if valid { Ok(()) } else { Err(ChannelError::Header { name: name.to_owned() }) }
}

#[async_trait]
impl Channel for Webhook {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let payload = payload(batch, self.language);
        let body = match &self.options.body {
            None => payload.to_string(),
            Some(template) => match render(template, &payload) {
                Ok(body) => body,
                Err(error) => return never(format!("the template of the body failed: {}", chain(&error))),
            },
        };
        let called = async { call(self.request(batch, body)?).await };
        judged(called.await, &self.secrets(), hint)
    }
}

fn hint(answer: &Answer) -> Option<&'static str> {
    Some(match answer.status.as_u16() {
        300..=399 => "it redirects, and redirects are not followed; configure the final URL",
        401 | 403 => "look at the credentials of this channel",
        404 | 410 => "there is no such endpoint; look at the URL of this channel",
        413 => "the body is too large for it",
        _ => return None,
    })
}

/// The body: `v`, `type` (`notice` or `digest`), `id`, `message` in the channel's language, and all `notices` with
/// their facts. Keys are added in later versions of the same `v`, never removed.
pub fn payload(batch: &Batch, language: Language) -> Value {
    let kind = if batch.notices.len() == 1 { "notice" } else { "digest" };
    json!({
        "v": VERSION,
        "type": kind,
        "id": batch.id(),
        "channel": batch.channel,
        "message": message(batch, language),
        "notices": batch.notices.iter().map(notice).collect::<Vec<_>>(),
    })
}

/// One notice: what it tells as one word, and the number of a reminder beside it.
fn notice(notice: &Notice) -> Value {
    let (kind, number) = match notice.kind {
        NoticeKind::Down => ("down", None),
        NoticeKind::Up => ("up", None),
        NoticeKind::Reminder(number) => ("reminder", Some(number)),
        NoticeKind::Unknown => ("unknown", None),
        NoticeKind::Known => ("known", None),
        NoticeKind::Unstored => ("unstored", None),
        NoticeKind::Test => ("test", None),
    };
    json!({
        "id": notice.id,
        "job": notice.job,
        "kind": kind,
        "reminder": number,
        "at": notice.at,
        "created_at": notice.created_at,
        "facts": notice.facts,
    })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// Renders a template with the payload's keys. Nothing is escaped unless the template asks for it (`| tojson`,
/// `| urlencode`); steps and size are bounded. An error names the line.
pub fn render(template: &str, payload: &Value) -> Result<String, minijinja::Error> {
    let environment = environment();
    let template = environment.template_from_str(template)?;
    let mut body = Bounded(Vec::new());
    template.render_captured_to(minijinja::Value::from(Serde(payload)), &mut body)?;
    String::from_utf8(body.0).map_err(|_| minijinja::ErrorKind::BadSerialization.into())
}

/// A writer that refuses what is beyond its bound.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY {
            return Err(std::io::Error::other("the body is larger than 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
