//! What a `postgres://` URL says.

use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::{ErrorKind, Result, StoreError};

/// What may stand behind the question mark: what `sqlx` understands.
const OPTIONS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];
const SCHEMA: &str = "schema";
/// The schema of the tables if the URL names none.
const DEFAULT_SCHEMA: &str = "tenko";
/// The longest name that PostgreSQL keeps whole.
const LONGEST_NAME: usize = 63;

/// Where the database is, and in which schema of it the tables are.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(super) options: PgConnectOptions,
    pub(super) schema: String,
    /// Without credentials.
    pub(super) shown: String,
}

impl Address {
    /// Understands a URL, and asks nobody.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with what is wrong.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let shown = crate::open::redact_url(url);
        let wrong = || StoreError::new(ErrorKind::Config, format!("{shown:?} is no URL of a store"));
        let spelling = "in a password, /, ?, # and @ are written %2F, %3F, %23 and %40";
        let mut parsed = Url::parse(url).map_err(|error| wrong().because(error).hint(spelling))?;
        if shown == crate::open::UNCLEAR {
            return Err(wrong().because("it is not clear where its password ends").hint(spelling));
        }
        let mut schema = DEFAULT_SCHEMA.to_owned();
        let mut rest = Vec::new();
        for (key, value) in parsed.query_pairs() {
            match &*key {
                SCHEMA if is_name(&value) => schema = value.into_owned(),
                SCHEMA => return Err(wrong().because("a schema is a word of a-z, 0-9 and _, such as tenko")),
                known if is_option(known) => rest.push((key.into_owned(), value.into_owned())),
                unknown => {
                    let list = format!("it may be {SCHEMA}, {}", OPTIONS.join(", "));
                    return Err(wrong().because(format!("{unknown:?} is no option of it")).hint(list));
                }
            }
        }
        match rest.is_empty() {
            true => parsed.set_query(None),
            false => drop(parsed.query_pairs_mut().clear().extend_pairs(rest)),
        }
        let options = PgConnectOptions::from_str(parsed.as_str()).map_err(|error| wrong().because(error))?;
        let named = options.get_application_name().is_some();
        let options = if named { options } else { options.application_name("tenko") };
        Ok(Self { options: options.disable_statement_logging(), schema, shown })
    }
}

fn is_option(key: &str) -> bool {
    OPTIONS.contains(&key) || key.starts_with("options[") && key.ends_with(']')
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let goes_on = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    begins && text.len() <= LONGEST_NAME && text.bytes().all(goes_on) && !text.starts_with("pg_")
}
