//! Channels: one file each. A channel turns notices into its own form, sends them once, and says what became of it;
//! when to try again is decided elsewhere.

mod channels;
pub mod command;
pub mod email;
pub mod options;
pub mod slack;
pub mod webhook;

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use tenko_core::message::{self, Language, Message};
use tenko_core::outbox::{Batch, Delivery};

pub use crate::http_client::ping_heartbeat;
use crate::http_client::{Answer, CallError};
pub use channels::Channels;
use options::{ChannelConfig, ChannelOptions};

/// The longest problem that is reported, in characters.
const MAX_PROBLEM: usize = 500;

/// Where notices go.
#[async_trait]
pub trait Channel: Send + Sync + Debug {
    /// Sends a batch once, as one message, within a bounded time. Sending the same batch again carries the same id.
    async fn deliver(&self, batch: &Batch) -> Delivery;
}

/// A channel's options can't work.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// An address of a mail is not valid.
    #[error("{address:?} is not an e-mail address")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        source: lettre::address::AddressError,
    },
    /// Nobody would get the mail.
    #[error("no recipient is given")]
    NoRecipient,
    /// A URL is not one of http or https.
    #[error("the URL is not a valid http or https URL")]
    Url,
    /// A header can't be sent.
    #[error("{name:?} is not a valid header, or its value holds a character that a header can't")]
    Header {
        /// Its name; values may be secret.
        name: String,
    },
    /// The signing key is not Base64 although it begins with `whsec_`.
    #[error("the signing key begins with whsec_ and is not Base64 after it")]
    SigningKey,
    /// The template of the body can't be read.
    #[error("the template of the body is not valid")]
    Template(#[source] minijinja::Error),
    /// There is no program to run.
    #[error("no command is given")]
    NoCommand,
}

/// The channel for a configuration. Opens no connection and reads no file.
pub fn channel(config: &ChannelConfig) -> Result<Box<dyn Channel>, ChannelError> {
    let language = config.language;
    Ok(match &config.options {
        ChannelOptions::Slack(options) => Box::new(slack::Slack::new(options, language)?),
        ChannelOptions::Email(options) => Box::new(email::Email::new(options, language)?),
        ChannelOptions::Webhook(options) => Box::new(webhook::Webhook::new(options, language)?),
        ChannelOptions::Command(options) => Box::new(command::Command::new(options, language)?),
    })
}

/// The message for a batch: of its notice, or a digest.
pub fn message(batch: &Batch, language: Language) -> Message {
    match batch.notices.as_slice() {
        [only] => message::compose(only, language),
        several => message::digest(several, language),
    }
}

fn check_url(url: &crate::secret::Secret) -> Result<(), ChannelError> {
    let parsed = url::Url::parse(url.reveal()).map_err(|_| ChannelError::Url)?;
    if matches!(parsed.scheme(), "http" | "https") { Ok(()) } else { Err(ChannelError::Url) }
}

/// An error and its causes in one bounded line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    message::line(&texts.join(": "), MAX_PROBLEM)
}

fn later(problem: impl Into<String>) -> Delivery {
    Delivery::Later { problem: problem.into(), retry_after: None }
}

fn never(problem: impl Into<String>) -> Delivery {
    Delivery::Never { problem: problem.into() }
}

/// What follows from a call over HTTP: success is accepted; 408, 425, 429 and 5xx, and no answer, may be accepted
/// later; everything else never. `hint` explains a refusal.
fn judged(
    called: Result<Answer, CallError>,
    secrets: &[&str],
    hint: impl Fn(&Answer) -> Option<&'static str>,
) -> Delivery {
    let answer = match called {
        Ok(answer) => answer,
        Err(error) if error.is_permanent() => return never(chain(&error)),
        Err(error) => return later(chain(&error)),
    };
    let status = answer.status;
    if status.is_success() {
        return Delivery::Accepted;
    }
    let mut problem = format!("status {}", status.as_u16());
    let said = without(&answer.body, secrets);
    if !said.trim().is_empty() {
        problem = format!("{problem}: {}", message::line(&said, 200));
    }
    if let Some(hint) = hint(&answer) {
        problem = format!("{problem} ({hint})");
    }
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return Delivery::Later { problem, retry_after: answer.retry_after };
    }
    never(problem)
}

/// A text in which secrets that somebody echoed are masked.
fn without(text: &str, secrets: &[&str]) -> String {
    let known = secrets.iter().filter(|secret| secret.len() >= 4);
    known.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}
