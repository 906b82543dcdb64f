//! The mail server of a channel: one URL, or its parts.

use toml::de::DeTable;
use url::Url;

use super::channels::Draft;
use super::problem::Problem;
use super::read::{self, SaidSecret};
use super::shape;
use crate::notify::options::Tls;
use crate::secret::Secret;

/// A mail server.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<(String, Secret)>,
}

/// What the URL of a server says.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
    username: Option<String>,
    password: Option<Secret>,
}

/// Reads the server of an e-mail channel. `None` if it cannot be used.
pub(super) fn server(draft: &mut Draft<'_, '_>, inner: &DeTable<'_>) -> Option<Server> {
    let parts = match inner.contains_key("server") {
        true => from_url(draft, inner),
        false => Some(from_host(draft, inner)),
    };
    let tls_key = read::text(inner, "tls").and_then(|word| tls(&word.text));
    let port_key = read::number(inner, "port", 1, 65535).and_then(|port| u16::try_from(port).ok());
    let username = read::text(inner, "username").map(|said| said.text);
    let password = draft.secret(inner, "password", "email.password");
    let parts = parts?;
    let tls = tls_key.or(parts.tls).unwrap_or(Tls::StartTls);
    let login = login(
        draft,
        inner,
        username.or(parts.username),
        password.map(|said| said.secret).or(parts.password),
    )?;
    warn_of_clear_text(draft, inner, tls, login.is_some());
    Some(Server { host: parts.host?, port: port_key.or(parts.port).unwrap_or(default_port(tls)), tls, login })
}

fn default_port(tls: Tls) -> u16 {
    match tls {
        Tls::None => 25,
        Tls::StartTls => 587,
        Tls::Implicit => 465,
    }
}

fn tls(word: &str) -> Option<Tls> {
    match word {
        "none" => Some(Tls::None),
        "starttls" => Some(Tls::StartTls),
        "implicit" => Some(Tls::Implicit),
        _ => None,
    }
}

fn from_host(draft: &mut Draft<'_, '_>, inner: &DeTable<'_>) -> Parts {
    if !inner.contains_key("host") {
        draft.missing("email", "server");
    }
    let host = read::text(inner, "host").filter(|said| {
        let valid = url::Host::parse(&said.text).is_ok() || said.text.parse::<std::net::Ipv6Addr>().is_ok();
        if !valid {
            let text = format!("{} is not the name of a host", shape::quoted(&said.text));
            draft.reading.error(
                said.span.clone(),
                text,
                "write smtp.example.org; the port has a key of its own",
            );
        }
        valid
    });
    Parts { host: host.map(|said| said.text), ..Parts::default() }
}

fn from_url(draft: &mut Draft<'_, '_>, inner: &DeTable<'_>) -> Option<Parts> {
    if let Some((key, _)) = ["host", "port", "username"].iter().find_map(|key| inner.get_key_value(*key)) {
        let text = format!("{} is said by server as well", key.get_ref());
        draft.reading.error(key.span(), text, "keep server, or host and what belongs to it");
        return None;
    }
    let said = draft.secret(inner, "server", "email.server")?;
    if said.pending {
        return Some(unknown_yet(inner, &said));
    }
    let parts = Url::parse(said.secret.reveal()).ok().and_then(|url| of_url(&url));
    if parts.is_none() {
        let hint = "write smtp://USER@HOST:587 or smtps://USER@HOST:465";
        draft.reading.error(said.span, "this is not the URL of a mail server", hint);
    }
    parts
}

/// Stands for what is not known yet; a password beside it belongs to a name in it.
fn unknown_yet(inner: &DeTable<'_>, said: &SaidSecret) -> Parts {
    let username = inner.contains_key("password").then(String::new);
    Parts { host: said.reference.clone(), username, ..Parts::default() }
}

fn of_url(url: &Url) -> Option<Parts> {
    let tls = match url.scheme() {
        "smtp" => Tls::StartTls,
        "smtps" => Tls::Implicit,
        _ => return None,
    };
    let plain_path = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| plain_path && !host.is_empty())?;
    Some(Parts {
        host: Some(host.trim_matches(['[', ']']).to_owned()),
        port: url.port(),
        tls: Some(tls),
        username: Some(decoded(url.username())?).filter(|name| !name.is_empty()),
        password: url.password().map(|password| decoded(password).map(Secret::new)).unwrap_or_default(),
    })
}

/// Undoes the percent-encoding of RFC 3986.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let coded = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = coded
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// Name and password are both given or both not. The outer `None` is an error.
#[expect(clippy::option_option, reason = "no login is an answer, and so is a wrong one")]
fn login(
    draft: &mut Draft<'_, '_>,
    inner: &DeTable<'_>,
    username: Option<String>,
    password: Option<Secret>,
) -> Option<Option<(String, Secret)>> {
    match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => Some(Some((username, password))),
        (None, Some(_)) => {
            draft.missing("email", "username");
            None
        }
        (Some(_), None) => {
            // A password that could not be read has been reported.
            if !inner.contains_key("password") {
                draft.missing("email", "password");
            }
            None
        }
    }
}

fn warn_of_clear_text(draft: &mut Draft<'_, '_>, inner: &DeTable<'_>, tls: Tls, login: bool) {
    let Some(value) = inner.get("tls").filter(|_| login && tls == Tls::None) else { return };
    let problem = Problem::warning(value.span(), "the password crosses the network in clear text");
    draft.reading.problems.push(problem.hint("write tls = \"starttls\" or \"implicit\""));
}
