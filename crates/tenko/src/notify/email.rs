//! E-mail by SMTP (RFC 5321).
//!
//! The Message-ID follows from the id of the notice, so that a repeated mail can be recognised (most mail servers and
//! readers show it once), and a recovery is a reply to its alarm. An answer of 4xx, and anything that leaves open
//! whether the mail was taken, is tried again; 5xx is final.

mod letter;

use std::fs;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as SmtpTls, TlsParameters};
use lettre::transport::smtp::{Error as SmtpError, extension::ClientId};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor};
use tenko_core::message::{Language, Message, line};
use tenko_core::outbox::{Batch, Delivery};

use super::channels::Channel;
use super::options::{EmailOptions, Tls};
use super::post::hidden;
use crate::error::chain;

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that one mail may take.
const TOTAL: Duration = Duration::from_secs(25);

/// E-mail by SMTP.
#[derive(Debug)]
pub(super) struct Email {
    options: EmailOptions,
    language: Language,
}

/// Why no mail can be sent as configured.
#[derive(Debug, thiserror::Error)]
enum EmailError {
    #[error("{0:?} is not an e-mail address")]
    Address(String),
    #[error("the mail can't be put together")]
    Mail(#[source] lettre::error::Error),
    #[error("can't read the certificates in {path}")]
    CaFile { path: String, source: io::Error },
    #[error("{path} holds no certificate in PEM form")]
    Certificate { path: String },
    #[error("can't set up TLS")]
    Tls(#[source] SmtpError),
}

impl Email {
    /// A channel whose mails are in `language`.
    pub(super) fn new(options: EmailOptions, language: Language) -> Self {
        Self { options, language }
    }

    fn mail(&self, batch: &Batch) -> Result<Mail, EmailError> {
        let from = address(&self.options.from)?;
        let to = self.options.to.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        let message = Message::of(batch, self.language);
        letter::write(batch, &message, self.language, from, to).map_err(EmailError::Mail)
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, EmailError> {
        let options = &self.options;
        let tls = match options.tls {
            Tls::None => SmtpTls::None,
            Tls::StartTls => SmtpTls::Required(self.tls()?),
            Tls::Implicit => SmtpTls::Wrapper(self.tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host)
            .port(options.port)
            .tls(tls)
            .hello_name(hello_name())
            .timeout(Some(CONNECT));
        if let Some((name, password)) = &options.login {
            builder = builder.credentials(Credentials::new(name.clone(), password.reveal().to_owned()));
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<TlsParameters, EmailError> {
        let mut builder = TlsParameters::builder(self.options.host.clone());
        if let Some(file) = &self.options.ca_file {
            let path = file.display().to_string();
            let pem = fs::read(file).map_err(|source| EmailError::CaFile { path: path.clone(), source })?;
            let certificate = Certificate::from_pem(&pem).map_err(|_| EmailError::Certificate { path })?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build().map_err(EmailError::Tls)
    }

    fn prepare(&self, batch: &Batch) -> Result<(Mail, AsyncSmtpTransport<Tokio1Executor>), EmailError> {
        Ok((self.mail(batch)?, self.transport()?))
    }

    /// Sends one mail to all. When the server refuses that for good, one recipient may be the cause, and the others
    /// shall be told all the same.
    async fn send(&self, transport: &AsyncSmtpTransport<Tokio1Executor>, mail: &Mail) -> Delivery {
        let Err(error) = transport.send(mail.clone()).await else { return Delivery::Accepted };
        let to = mail.envelope().to();
        if !error.is_permanent() || to.len() < 2 {
            return self.judge(&error);
        }
        let (content, mut accepted, mut error) = (mail.formatted(), false, error);
        for one in to {
            let Ok(envelope) = Envelope::new(mail.envelope().from().cloned(), vec![one.clone()]) else {
                continue;
            };
            match transport.send_raw(&envelope, &content).await {
                Ok(_) => accepted = true,
                Err(refusal) => {
                    tracing::warn!(recipient = %one, "the mail server refuses a recipient");
                    // Who is refused only for now may be told later.
                    if !refusal.is_permanent() {
                        error = refusal;
                    }
                }
            }
        }
        if accepted { Delivery::Accepted } else { self.judge(&error) }
    }

    fn judge(&self, error: &SmtpError) -> Delivery {
        let secret = self.options.login.as_ref().map_or("", |(_, password)| password.reveal());
        let problem = hidden(line(&chain(error), 300), &[secret]);
        if error.is_permanent() {
            Delivery::Never { problem }
        } else {
            Delivery::Later { problem, retry_after: None }
        }
    }
}

#[async_trait]
impl Channel for Email {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let (mail, transport) = match self.prepare(batch) {
            Ok(prepared) => prepared,
            Err(error) => return Delivery::Never { problem: chain(&error) },
        };
        match tokio::time::timeout(TOTAL, self.send(&transport, &mail)).await {
            Ok(delivery) => delivery,
            Err(_) => {
                let problem =
                    format!("{} did not take the mail within {} s", self.options.host, TOTAL.as_secs());
                Delivery::Later { problem, retry_after: None }
            }
        }
    }
}

fn address(text: &str) -> Result<Mailbox, EmailError> {
    text.parse().map_err(|_| EmailError::Address(text.to_owned()))
}

/// The name of this host, where it is fit for EHLO.
fn hello_name() -> ClientId {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let fit = |name: &String| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
    };
    name.filter(fit).map_or_else(ClientId::default, ClientId::Domain)
}

#[cfg(test)]
mod tests;
