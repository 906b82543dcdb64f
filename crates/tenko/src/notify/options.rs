//! What a channel needs to know, resolved: secrets are read, addresses are valid.

use std::path::PathBuf;
use std::time::Duration;

use tenko_core::ChannelName;
use tenko_core::message::Language;

use crate::secret::Secret;

/// A channel as configured.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Its name.
    pub name: ChannelName,
    /// In which language it is told.
    pub language: Language,
    /// Whether many notices at once may become one message.
    pub digest: bool,
    /// Where to, and how.
    pub options: ChannelOptions,
}

/// Where to, and how.
#[derive(Clone, Debug)]
pub enum ChannelOptions {
    /// A Slack incoming webhook, or what is compatible with one.
    Slack(SlackOptions),
    /// E-mail by SMTP.
    Email(EmailOptions),
    /// Any HTTP endpoint.
    Webhook(WebhookOptions),
    /// Any program.
    Command(CommandOptions),
}

/// A Slack incoming webhook.
#[derive(Clone, Debug)]
pub struct SlackOptions {
    /// The webhook's URL; whoever knows it can post.
    pub url: Secret,
}

/// E-mail by SMTP (RFC 5321).
#[derive(Clone, Debug)]
pub struct EmailOptions {
    /// `From`, as `address` or `Name <address>`.
    pub from: String,
    /// `To`, at least one.
    pub to: Vec<String>,
    /// Host of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// A file of PEM certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name and password, if the server asks for them.
    pub login: Option<(String, Secret)>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    None,
    /// By STARTTLS, or not at all: a server that does not offer it is refused (RFC 3207).
    StartTls,
    /// From the first byte on (RFC 8314).
    Implicit,
}

/// Any HTTP endpoint.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Its URL, which may hold credentials.
    pub url: Secret,
    /// More headers.
    pub headers: Vec<(String, Secret)>,
    /// The key that signs the body by the Standard Webhooks scheme, `whsec_...` or plain text.
    pub signing_key: Option<Secret>,
    /// A minijinja template of the body; the notice as JSON if `None`.
    pub body: Option<String>,
    /// The media type of the body.
    pub content_type: String,
}

/// Any program.
#[derive(Clone, Debug)]
pub struct CommandOptions {
    /// Program and arguments; no shell is involved.
    pub command: Vec<String>,
    /// After what time it is killed.
    pub timeout: Duration,
}
