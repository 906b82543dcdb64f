//! The channels of a configuration.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use reqwest::header::{HeaderName, HeaderValue};
use tenko_core::ChannelName;
use tenko_core::message::Language;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::problem::Problem;
use super::read::{self, Reading, Said, SaidSecret};
use super::{References, mail, shape};
use crate::notify::options::{
    ChannelConfig, ChannelOptions, CommandOptions, EmailOptions, SlackOptions, WebhookOptions,
};
use crate::secret::Secret;

const KINDS: [&str; 4] = ["slack", "email", "webhook", "command"];
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// A channel that is being read.
pub(super) struct Draft<'r, 'a> {
    pub(super) reading: &'r mut Reading<'a>,
    pub(super) references: &'r mut References,
    pub(super) name: &'r Said,
}

pub(super) fn language(table: &DeTable<'_>) -> Option<Language> {
    match read::text(table, "language")?.text.as_str() {
        "en" => Some(Language::En),
        "ja" => Some(Language::Ja),
        _ => None,
    }
}

impl Draft<'_, '_> {
    /// Reads one channel. `None` if it cannot be used.
    pub(super) fn channel(
        &mut self,
        table: &DeTable<'_>,
        default_language: Language,
    ) -> Option<ChannelConfig> {
        let name = ChannelName::new(&self.name.text).map_err(|error| {
            let hint = error.suggestion().map(|near| format!("write {near}"));
            let problem = Problem::error(self.name.span.clone(), error.to_string());
            self.reading.problems.push(problem.maybe_hint(hint));
        });
        let options = self.options(table);
        let language = language(table).unwrap_or(default_language);
        let digest = read::flag(table, "digest").unwrap_or(true);
        Some(ChannelConfig { name: name.ok()?, language, digest, options: options? })
    }

    fn options(&mut self, table: &DeTable<'_>) -> Option<ChannelOptions> {
        let kind = self.kind(table)?;
        if let Some((key, _)) = table.get_key_value("timeout").filter(|_| kind != "command") {
            let text = format!("timeout has no meaning for {kind}");
            self.reading.error(key.span(), text, "only commands have one; remove it");
        }
        match kind {
            "slack" => self.slack(table).map(ChannelOptions::Slack),
            "email" => self.email(table).map(ChannelOptions::Email),
            "webhook" => self.webhook(table).map(ChannelOptions::Webhook),
            _ => self.command(table).map(ChannelOptions::Command),
        }
    }

    fn kind(&mut self, table: &DeTable<'_>) -> Option<&'static str> {
        let given: Vec<_> = KINDS.into_iter().filter(|kind| table.contains_key(*kind)).collect();
        if let [kind] = given.as_slice() {
            return Some(kind);
        }
        let (shown, hint) =
            (shape::quoted(&self.name.text), "give it one of slack, email, webhook and command");
        match given.last().and_then(|last| table.get_key_value(*last)) {
            None => {
                let text = format!("channel {shown} leads nowhere");
                self.reading.error(self.name.span.clone(), text, hint);
            }
            Some((last, _)) => {
                let text = format!("channel {shown} is several at once: {}", given.join(", "));
                self.reading.error(
                    last.span(),
                    text,
                    "make a channel for each, and name all of them in notify",
                );
            }
        }
        None
    }

    fn slack(&mut self, table: &DeTable<'_>) -> Option<SlackOptions> {
        self.url_of(table, "slack").map(|url| SlackOptions { url })
    }

    /// The URL of a channel that is one, or a table with one.
    fn url_of(&mut self, table: &DeTable<'_>, kind: &str) -> Option<Secret> {
        let said = match read::table(table, kind) {
            Some(inner) => self.required_secret(inner, kind, "url", &format!("{kind}.url")),
            None => self.secret(table, kind, kind),
        }?;
        http_url(self.reading, &said).then_some(said.secret)
    }

    fn webhook(&mut self, table: &DeTable<'_>) -> Option<WebhookOptions> {
        let url = self.url_of(table, "webhook");
        let empty = DeTable::new();
        let inner = read::table(table, "webhook").unwrap_or(&empty);
        let headers = self.headers(inner);
        let signing_key = self.signing_key(inner);
        let body = self.body(inner);
        let content_type = self.content_type(inner);
        Some(WebhookOptions {
            url: url?,
            headers: headers?,
            signing_key: signing_key?,
            body: body?,
            content_type: content_type?,
        })
    }

    fn headers(&mut self, inner: &DeTable<'_>) -> Option<Vec<(String, Secret)>> {
        let Some(table) = read::table(inner, "headers") else { return Some(Vec::new()) };
        let mut headers = Some(Vec::new());
        for (key, value) in table {
            let name = key.get_ref().to_string();
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                let text = format!("{} is not the name of a header", shape::quoted(&name));
                self.reading.error(
                    key.span(),
                    text,
                    "names are letters, digits and hyphens, such as X-Api-Key",
                );
                headers = None;
            }
            let value = read::said(value)
                .and_then(|said| self.said_secret(&said, &format!("webhook.headers.{name}")));
            match value {
                Some(said) if HeaderValue::from_str(said.secret.reveal()).is_ok() => {
                    headers = headers.map(|mut headers| {
                        headers.push((name, said.secret));
                        headers
                    });
                }
                Some(said) => {
                    let text = format!("the value of {} cannot be sent in a header", shape::quoted(&name));
                    self.reading.error(said.span, text, "it must be one line of ASCII text");
                    headers = None;
                }
                None => headers = None,
            }
        }
        headers
    }

    fn signing_key(&mut self, inner: &DeTable<'_>) -> Option<Option<Secret>> {
        if !inner.contains_key("signing_key") {
            return Some(None);
        }
        let said = self.secret(inner, "signing_key", "webhook.signing_key")?;
        let encoded = said.secret.reveal().strip_prefix("whsec_");
        if encoded.is_some_and(|encoded| encoded.is_empty() || STANDARD.decode(encoded).is_err()) {
            let hint = "copy it once more, or take a text without that prefix";
            self.reading.error(said.span, "what follows whsec_ is not Base64", hint);
            return None;
        }
        Some(Some(said.secret))
    }

    fn body(&mut self, inner: &DeTable<'_>) -> Option<Option<String>> {
        let Some(said) = read::text(inner, "body") else { return Some(None) };
        let environment = minijinja::Environment::new();
        if let Err(error) = environment.template_from_str(&said.text) {
            let line = error.line().map_or_else(String::new, |line| format!(" in its line {line}"));
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            let span =
                error.range().map_or_else(|| said.span.clone(), |range| self.reading.part(&said, &range));
            let hint = "templates are written as in Jinja: {{ job }}";
            self.reading.error(span, format!("the template is wrong{line}: {detail}"), hint);
            return None;
        }
        Some(Some(said.text))
    }

    fn content_type(&mut self, inner: &DeTable<'_>) -> Option<String> {
        let Some(said) = read::text(inner, "content_type") else { return Some("application/json".into()) };
        let is_type =
            said.text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
        if is_type && HeaderValue::from_str(&said.text).is_ok() {
            return Some(said.text);
        }
        let text = format!("{} is not a media type", shape::quoted(&said.text));
        self.reading.error(said.span, text, "write it as text/plain or application/json");
        None
    }

    fn command(&mut self, table: &DeTable<'_>) -> Option<CommandOptions> {
        let timeout = match table.contains_key("timeout") {
            true => self.reading.duration(table, "timeout").map(|timeout| timeout.unsigned_abs()),
            false => Some(COMMAND_TIME),
        };
        let value = table.get("command")?;
        let DeValue::Array(list) = value.get_ref() else { return None };
        let command: Vec<String> =
            list.iter().map(|text| text.get_ref().as_str().map(str::to_owned)).collect::<Option<_>>()?;
        let empty = command.first().is_none_or(|program| program.trim().is_empty());
        if empty || command.iter().any(|argument| argument.contains('\0')) {
            let hint = "write [\"/usr/local/bin/page\", \"--urgent\"]";
            self.reading.error(value.span(), "it names no program that could be started", hint);
            return None;
        }
        Some(CommandOptions { command, timeout: timeout? })
    }

    fn email(&mut self, table: &DeTable<'_>) -> Option<EmailOptions> {
        let inner = read::table(table, "email")?;
        let to = self.recipients(inner);
        let from = self.required(inner, "email", "from").filter(|from| self.is_address(from));
        let server = mail::server(self, inner);
        let ca_file = read::text(inner, "ca_file").map(|said| said.text.into());
        let server = server?;
        Some(EmailOptions {
            from: from?.text,
            to: to?,
            host: server.host,
            port: server.port,
            tls: server.tls,
            ca_file,
            login: server.login,
        })
    }

    fn recipients(&mut self, inner: &DeTable<'_>) -> Option<Vec<String>> {
        let Some(to) = read::texts(inner, "to").filter(|to| !to.is_empty()) else {
            if inner
                .get("to")
                .is_none_or(|to| to.get_ref().as_array().is_some_and(|list| list.iter().len() == 0))
            {
                self.missing("email", "to");
            }
            return None;
        };
        let valid = to.iter().filter(|to| self.is_address(to)).count();
        (valid == to.len()).then(|| to.into_iter().map(|to| to.text).collect())
    }

    fn is_address(&mut self, said: &Said) -> bool {
        let valid = said.text.parse::<Mailbox>().is_ok();
        if !valid {
            let text = format!("{} is not an address", shape::quoted(&said.text));
            self.reading.error(said.span.clone(), text, "write ops@example.org or \"Ops <ops@example.org>\"");
        }
        valid
    }

    fn required(&mut self, inner: &DeTable<'_>, kind: &str, key: &str) -> Option<Said> {
        if !inner.contains_key(key) {
            self.missing(kind, key);
        }
        read::text(inner, key)
    }

    pub(super) fn missing(&mut self, kind: &str, key: &str) {
        let text = format!("channel {} lacks {kind}.{key}", shape::quoted(&self.name.text));
        self.reading.error(
            self.name.span.clone(),
            text,
            format!("write {kind}.{key} = \"...\" in [channels.{}]", self.name.text),
        );
    }

    fn required_secret(
        &mut self,
        inner: &DeTable<'_>,
        kind: &str,
        key: &str,
        path: &str,
    ) -> Option<SaidSecret> {
        if !inner.contains_key(key) {
            self.missing(kind, key);
        }
        self.secret(inner, key, path)
    }

    pub(super) fn secret(&mut self, table: &DeTable<'_>, key: &str, path: &str) -> Option<SaidSecret> {
        let said = read::text(table, key)?;
        self.said_secret(&said, path)
    }

    fn said_secret(&mut self, said: &Said, path: &str) -> Option<SaidSecret> {
        let secret = self.reading.resolve_secret(said)?;
        if let Some(reference) = &secret.reference {
            self.references.insert(format!("channels.{}.{path}", self.name.text), reference.clone());
        }
        Some(secret)
    }
}

/// Whether a secret is a URL that can be asked for; if not, that is reported, without the secret.
pub(super) fn http_url(reading: &mut Reading<'_>, said: &SaidSecret) -> bool {
    if said.pending {
        return true;
    }
    let problem = match Url::parse(said.secret.reveal()) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => return true,
        Ok(url) if !matches!(url.scheme(), "https" | "http") => {
            "is not a URL that begins with https:// or http://"
        }
        Ok(_) | Err(_) => "is not a URL",
    };
    let what = said
        .reference
        .as_ref()
        .map_or_else(|| "this".to_owned(), |reference| format!("what {reference} holds"));
    let hint = match said.reference {
        Some(_) => "it must be https://HOST/PATH, without quotation marks",
        None => "write \"https://HOST/PATH\", or \"env:NAME\"",
    };
    reading.error(said.span.clone(), format!("{what} {problem}"), hint);
    false
}
