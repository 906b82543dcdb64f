//! E-mail by SMTP.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as SmtpTls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tenko_core::message::{Language, Message, line};
use tenko_core::notice::{self, Notice, NoticeKind};
use tenko_core::outbox::{Batch, Delivery};
use uuid::Uuid;

use super::options::{EmailOptions, Tls};
use super::{Channel, ChannelError, chain, later, message, never, without};

/// How long one step of a conversation with the server may take.
const STEP: Duration = Duration::from_secs(10);
/// How long all of it may take.
const TOTAL: Duration = Duration::from_secs(30);
/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// A mail server and who gets mail by it.
#[derive(Debug)]
pub struct Email {
    options: EmailOptions,
    from: Mailbox,
    to: Vec<Mailbox>,
    language: Language,
}

/// The mail could not be made or the connection not be set up.
#[derive(Debug, thiserror::Error)]
enum SetUpError {
    #[error("the certificates in {0} can't be read")]
    CaFile(PathBuf, #[source] std::io::Error),
    #[error("{0} holds no PEM certificate")]
    NoCertificate(PathBuf),
    #[error("TLS can't be set up")]
    Tls(#[source] SmtpError),
}

impl Email {
    /// A channel that sends mail; fails if an address is not valid. Connects to nothing.
    pub fn new(options: &EmailOptions, language: Language) -> Result<Self, ChannelError> {
        let to = options.to.iter().map(|to| mailbox(to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(ChannelError::NoRecipient);
        }
        Ok(Self { options: options.clone(), from: mailbox(&options.from)?, to, language })
    }

    /// The connection is made anew for each mail: they are few, and a server is free to end an idle one.
    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SetUpError> {
        let options = &self.options;
        let tls = match options.tls {
            Tls::None => SmtpTls::None,
            Tls::StartTls => SmtpTls::Required(self.tls().await?),
            Tls::Implicit => SmtpTls::Wrapper(self.tls().await?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
            .port(options.port)
            .timeout(Some(STEP))
            .tls(tls);
        if let Some((name, password)) = &options.login {
            builder = builder.credentials(Credentials::new(name.clone(), password.reveal().to_owned()));
        }
        Ok(builder.build())
    }

    async fn tls(&self) -> Result<TlsParameters, SetUpError> {
        let mut builder = TlsParameters::builder(self.options.host.clone());
        if let Some(path) = &self.options.ca_file {
            let unread = |error| SetUpError::CaFile(path.clone(), error);
            let pem = tokio::fs::read(path).await.map_err(unread)?;
            let certificate = Certificate::from_pem(&pem).ok();
            let certificate = certificate.ok_or_else(|| SetUpError::NoCertificate(path.clone()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build().map_err(SetUpError::Tls)
    }

    async fn send(&self, mail: lettre::Message) -> Delivery {
        let transport = match self.transport().await {
            Ok(transport) => transport,
            Err(error) => return later(chain(&error)),
        };
        match tokio::time::timeout(TOTAL, transport.send(mail)).await {
            Ok(Ok(_)) => Delivery::Accepted,
            Ok(Err(error)) => self.refused(&error),
            Err(_) => later("the mail server did not answer in time"),
        }
    }

    /// 5xx is for ever (RFC 5321 section 4.2.1); all else, also a connection lost after the mail was handed over, is
    /// tried again with the same Message-ID.
    fn refused(&self, error: &SmtpError) -> Delivery {
        let password = self.options.login.as_ref().map(|(_, password)| password.reveal());
        let problem = without(&chain(error), password.as_slice());
        if error.is_permanent() { never(problem) } else { later(problem) }
    }
}

fn mailbox(address: &str) -> Result<Mailbox, ChannelError> {
    address.parse().map_err(|source| ChannelError::Address { address: address.to_owned(), source })
}

#[async_trait]
impl Channel for Email {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        match mail(batch, &self.from, &self.to, self.language) {
            Ok(mail) => self.send(mail).await,
            Err(error) => never(chain(&error)),
        }
    }
}

/// The mail for a batch: text and HTML, with a Message-ID that follows from the batch, threaded to the alarm of the
/// same incident, and marked as generated (RFC 3834), so that nothing answers it.
pub fn mail(
    batch: &Batch,
    from: &Mailbox,
    to: &[Mailbox],
    language: Language,
) -> Result<lettre::Message, lettre::error::Error> {
    let message = message(batch, language);
    let written = batch.notices.first().map_or(0, |notice| notice.created_at.as_second());
    let written = u64::try_from(written).unwrap_or(0);
    let domain = from.email.domain();
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .date(UNIX_EPOCH + Duration::from_secs(written))
        .message_id(Some(message_id(batch.id(), domain)))
        .subject(subject(&message));
    for recipient in to {
        builder = builder.to(recipient.clone());
    }
    if let [only] = batch.notices.as_slice()
        && let Some(alarm) = alarm(only)
    {
        let alarm = message_id(alarm, domain);
        builder = builder.in_reply_to(alarm.clone()).references(alarm);
    }
    let generated =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
    let body = MultiPart::alternative_plain_html(text(&message), html(&message));
    builder.raw_header(generated).multipart(body)
}

fn message_id(id: Uuid, domain: &str) -> String {
    format!("<{id}@{domain}>")
}

/// The id of the notice that opened what this one continues, as it was told to the same channel.
fn alarm(notice: &Notice) -> Option<Uuid> {
    let opened = match notice.kind {
        NoticeKind::Up | NoticeKind::Reminder(_) if !notice.facts.brief => NoticeKind::Down,
        NoticeKind::Known => NoticeKind::Unknown,
        _ => return None,
    };
    Some(notice::id(&notice.job, notice.facts.down_since?, opened, &notice.channel))
}

fn subject(message: &Message) -> String {
    line(&message.title, MAX_SUBJECT)
}

/// The plain text.
pub fn text(message: &Message) -> String {
    let mut parts = vec![message.title.clone(), message.sentence.clone()];
    let fields: Vec<String> =
        message.fields.iter().map(|(label, value)| format!("{label}: {value}")).collect();
    parts.push(fields.join("\n"));
    parts.extend(
        message.output.as_ref().map(|output| output.replace('\n', "\n    ")).map(|o| format!("    {o}")),
    );
    parts.extend(message.runbook.as_ref().map(|address| format!("→ {address}")));
    parts.push(format!("-- \ntenko {}", message.id));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

/// The same as simple HTML; everything is escaped and nothing is a link.
pub fn html(message: &Message) -> String {
    let row = |(label, value): &(String, String)| {
        format!("<tr><th align=\"left\">{}</th><td>{}</td></tr>\n", escaped(label), escaped(value))
    };
    let rows: String = message.fields.iter().map(row).collect();
    let table = if rows.is_empty() { rows } else { format!("<table>\n{rows}</table>\n") };
    let output = message.output.as_deref().map(|output| format!("<pre>{}</pre>\n", escaped(output)));
    let runbook = message.runbook.as_deref().map(|address| format!("<p>→ {}</p>\n", escaped(address)));
    format!(
        "<!DOCTYPE html>\n<html><body>\n<h3>{}</h3>\n<p>{}</p>\n{table}{}{}<p><small>tenko {}</small></p>\n</body></html>\n",
        escaped(&message.title),
        escaped(&message.sentence).replace('\n', "<br>\n"),
        output.unwrap_or_default(),
        runbook.unwrap_or_default(),
        message.id,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
