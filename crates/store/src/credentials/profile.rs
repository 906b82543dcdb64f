//! Profiles of `~/.aws/config` and `~/.aws/credentials`, as the AWS CLI reads them.

use std::path::PathBuf;
use std::sync::Arc;

use ini::{Ini, ParseOption, Properties};
use object_store::aws::AwsCredentialProvider;
use reqwest::Certificate;

use super::Environment;
use super::provider::{Source, Timed};
use super::sso::SsoSession;
use crate::Result;
use crate::error::{ErrorKind, StoreError};

/// Variables that show that credentials come from elsewhere. They win over a profile that nobody named.
const ELSEWHERE: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// What a profile says.
#[derive(Debug)]
pub(super) struct Profile {
    region: Option<String>,
    ca_bundle: Option<String>,
    source: Option<Source>,
}

impl Profile {
    /// The region it names.
    pub(super) fn region(&self) -> Option<String> {
        self.region.clone()
    }

    /// The file with the certificates that it trusts.
    pub(super) fn ca_bundle(&self) -> Option<String> {
        self.ca_bundle.clone()
    }

    /// What gives its credentials; `None` if they come from elsewhere.
    pub(super) fn into_provider(self, trusted: Option<Vec<Certificate>>) -> Option<AwsCredentialProvider> {
        self.source.map(|source| Arc::new(Timed::new(source, trusted)) as AwsCredentialProvider)
    }
}

/// The profile that `named` names, or `AWS_PROFILE`, or that is called `default`; `None` if there is none.
pub(super) fn profile(env: &Environment, named: Option<String>) -> Result<Option<Profile>> {
    let asked_for = named.is_some();
    let name = named.or_else(|| env.get("AWS_PROFILE"));
    let files = Files::read(env)?;
    let wanted = name.as_deref().unwrap_or("default");
    let Some(mut found) = files.profile(wanted) else {
        return match name {
            Some(name) => Err(failed(&name).because("neither ~/.aws/config nor ~/.aws/credentials has it")),
            None => Ok(None),
        };
    };
    found.env = env.clone();
    let elsewhere = !asked_for && ELSEWHERE.iter().any(|name| env.get(name).is_some());
    let source = if elsewhere { None } else { found.source(wanted, &files, name.is_some())? };
    Ok(Some(Profile { region: found.get("region"), ca_bundle: found.get("ca_bundle"), source }))
}

fn failed(name: &str) -> StoreError {
    StoreError::new(ErrorKind::Config, format!("can't use the AWS profile {name:?}"))
}

/// Both files, as far as they exist.
struct Files {
    config: Option<Ini>,
    credentials: Option<Ini>,
}

impl Files {
    fn read(env: &Environment) -> Result<Self> {
        Ok(Self {
            config: read(env, "AWS_CONFIG_FILE", "config")?,
            credentials: read(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?,
        })
    }

    fn profile(&self, name: &str) -> Option<Settings> {
        let section = if name == "default" { "default".to_owned() } else { format!("profile {name}") };
        let config = self.config.as_ref().and_then(|file| {
            file.section(Some(&section)).or_else(|| file.section(Some(format!("profile {name}"))))
        });
        let credentials = self.credentials.as_ref().and_then(|file| file.section(Some(name)));
        if config.is_none() && credentials.is_none() {
            return None;
        }
        Some(Settings {
            env: Environment::default(),
            config: config.cloned().unwrap_or_default(),
            credentials: credentials.cloned().unwrap_or_default(),
        })
    }

    fn sso_session(&self, name: &str) -> Option<&Properties> {
        self.config.as_ref()?.section(Some(format!("sso-session {name}")))
    }
}

fn read(env: &Environment, variable: &str, name: &str) -> Result<Option<Ini>> {
    let path = env.get(variable).map(PathBuf::from).or_else(|| Some(env.home()?.join(".aws").join(name)));
    let Some(path) = path else { return Ok(None) };
    let failed = || StoreError::new(ErrorKind::Config, format!("can't read {}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed().because(error)),
    };
    // Secret keys may contain what other kinds of INI take for quotes or escapes.
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    Ini::load_from_str_opt(&text, options).map(Some).map_err(|error| failed().because(error))
}

/// The settings of one profile.
struct Settings {
    env: Environment,
    config: Properties,
    credentials: Properties,
}

impl Settings {
    /// The file of credentials wins, as with the AWS CLI.
    fn get(&self, name: &str) -> Option<String> {
        self.credentials.get(name).or_else(|| self.config.get(name)).map(str::to_owned)
    }

    fn source(&self, profile: &str, files: &Files, asked_for: bool) -> Result<Option<Source>> {
        if let (Some(key_id), Some(secret_key)) =
            (self.get("aws_access_key_id"), self.get("aws_secret_access_key"))
        {
            return Ok(Some(Source::keys(key_id, secret_key, self.get("aws_session_token"))));
        }
        if let Some(command) = self.get("credential_process") {
            return Ok(Some(Source::Process { command }));
        }
        if let Some(account) = self.get("sso_account_id") {
            return self.sso(profile, files, account).map(Some);
        }
        if self.get("role_arn").is_some() && asked_for {
            return Err(failed(profile).because("it assumes another role").hint(format!(
                "let the AWS CLI do that: credential_process = aws configure export-credentials --profile {profile}"
            )));
        }
        Ok(None)
    }

    fn sso(&self, profile: &str, files: &Files, account: String) -> Result<Source> {
        let session = self.get("sso_session").and_then(|name| files.sso_session(&name));
        let of_session = |name: &str| session.and_then(|session| session.get(name)).map(str::to_owned);
        let setting = |name: &str| self.get(name).or_else(|| of_session(name));
        let missing = |name: &str| failed(profile).because(format!("it does not say {name}"));
        let Some(cache) = self.env.home().map(|home| home.join(".aws/sso/cache")) else {
            return Err(missing("where HOME is"));
        };
        Ok(Source::Sso(SsoSession {
            start_url: setting("sso_start_url").ok_or_else(|| missing("sso_start_url"))?,
            region: setting("sso_region").ok_or_else(|| missing("sso_region"))?,
            role: setting("sso_role_name").ok_or_else(|| missing("sso_role_name"))?,
            account,
            cache,
            profile: profile.to_owned(),
            endpoint: self.env.get("AWS_ENDPOINT_URL_SSO"),
        }))
    }
}
