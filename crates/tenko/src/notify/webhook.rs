//! Any HTTP endpoint: a POST with the notice as JSON ([`super::form`]) or as a template gives it.
//!
//! Every request has `webhook-id` and `webhook-timestamp`, and, if there is a key, `webhook-signature`, as the Standard
//! Webhooks specification says; `Idempotency-Key` holds the same id. A repeated message has the same id.

mod template;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use tenko_core::message::Language;
use tenko_core::outbox::{Batch, Delivery};
use url::Url;

use super::channels::Channel;
use super::form::Form;
use super::options::WebhookOptions;
use super::post;
use crate::error::chain;
use crate::http_client;

/// Any HTTP endpoint.
#[derive(Debug)]
pub(super) struct Webhook {
    options: WebhookOptions,
    language: Language,
}

/// Why a request can't be made; the configuration has to change.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error("the webhook's URL is not a URL")]
    Url,
    #[error("the header {0:?} can't be sent")]
    Header(String),
    #[error("the content type {0:?} can't be sent")]
    ContentType(String),
    #[error("the signing key is not base64 after whsec_")]
    Key,
    #[error(transparent)]
    Template(#[from] template::TemplateError),
}

impl Webhook {
    /// A channel whose message is in `language`.
    pub(super) fn new(options: WebhookOptions, language: Language) -> Self {
        Self { options, language }
    }

    fn body(&self, batch: &Batch) -> Result<String, WebhookError> {
        let form = Form::of(batch, self.language);
        match &self.options.body {
            None => Ok(form.to_json()),
            Some(body) => Ok(template::fill(body, &form, &self.options.content_type)?),
        }
    }

    fn headers(&self, id: &str, now: Timestamp, body: &str) -> Result<HeaderMap, WebhookError> {
        let ascii =
            |text: &str| HeaderValue::from_str(text).expect("uuids, numbers and base64 are fit for a header");
        let content_type = &self.options.content_type;
        let known = HeaderValue::from_str(content_type)
            .map_err(|_| WebhookError::ContentType(content_type.clone()))?;
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, known),
            (HeaderName::from_static("webhook-id"), ascii(id)),
            (HeaderName::from_static("webhook-timestamp"), ascii(&now.as_second().to_string())),
            (HeaderName::from_static("idempotency-key"), ascii(id)),
        ]);
        if let Some(key) = &self.options.signing_key {
            let signature = sign(key.reveal(), id, now.as_second(), body)?;
            headers.insert("webhook-signature", ascii(&signature));
        }
        for (name, value) in &self.options.headers {
            let refuse = || WebhookError::Header(name.clone());
            let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refuse())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?, value);
        }
        Ok(headers)
    }

    fn prepare(&self, batch: &Batch) -> Result<(Url, HeaderMap, String), WebhookError> {
        let url = self.options.url.reveal().parse().map_err(|_| WebhookError::Url)?;
        let body = self.body(batch)?;
        let headers = self.headers(&batch.id().to_string(), Timestamp::now(), &body)?;
        Ok((url, headers, body))
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let (url, headers, body) = match self.prepare(batch) {
            Ok(prepared) => prepared,
            Err(error) => return Delivery::Never { problem: chain(&error) },
        };
        let client = match http_client::client() {
            Ok(client) => client,
            Err(error) => return Delivery::Later { problem: chain(&error), retry_after: None },
        };
        let path = url.path().trim_matches('/').to_owned();
        let query = url.query().unwrap_or_default().to_owned();
        let password = url.password().unwrap_or_default().to_owned();
        let key = self.options.signing_key.as_ref().map_or("", |key| key.reveal());
        let mut secrets = vec![self.options.url.reveal(), key, &path, &query, &password];
        secrets.extend(self.options.headers.iter().map(|(_, value)| value.reveal()));
        post::send(client.post(url).headers(headers).body(body), &secrets, |_, _| None).await
    }
}

/// The signature of the Standard Webhooks specification: `v1,` and base64 of HMAC-SHA256 over id, seconds and body.
fn sign(key: &str, id: &str, seconds: i64, body: &str) -> Result<String, WebhookError> {
    let key = match key.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| WebhookError::Key)?,
        None => key.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| WebhookError::Key)?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests;
