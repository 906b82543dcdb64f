//! Credentials of a role for whoever signed in with `aws sso login`.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use object_store::aws::AwsCredential;
use reqwest::Certificate;
use serde::Deserialize;
use url::Url;

use super::aws_domain;
use super::provider::{Failure, Given, read_json};
use crate::object::client;

/// Somebody who signed in.
pub(super) struct SsoSession {
    pub(super) start_url: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) role: String,
    pub(super) cache: PathBuf,
    /// What the profile is called, for messages.
    pub(super) profile: String,
    /// Where to ask instead of AWS.
    pub(super) endpoint: Option<String>,
}

/// What `aws sso login` leaves in its cache.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedIn {
    start_url: String,
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleAnswer {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: i64,
}

impl SsoSession {
    /// `GetRoleCredentials` (<https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html>).
    pub(super) async fn ask(&self, trusted: Option<&[Certificate]>) -> Result<Given, Failure> {
        let token = self.token()?;
        let client = client(trusted)?.https_only(true).build()?;
        let answer = client.get(self.url()?).header("x-amz-sso_bearer_token", token).send().await?;
        match answer.status().as_u16() {
            200 => {}
            401 => return Err(self.signed_out()),
            403 => {
                return Err(format!(
                    "AWS does not give role {} of account {} to whoever is signed in",
                    self.role, self.account
                )
                .into());
            }
            status => {
                return Err(format!("AWS gave no credential for role {}: HTTP {status}", self.role).into());
            }
        }
        let RoleAnswer { role_credentials: given } = read_json(&answer.bytes().await?, "AWS")?;
        let credential = AwsCredential {
            key_id: given.access_key_id,
            secret_key: given.secret_access_key,
            token: Some(given.session_token),
        };
        Ok(Given {
            credential: Arc::new(credential),
            until: Timestamp::from_millisecond(given.expiration).ok(),
        })
    }

    fn url(&self) -> Result<Url, url::ParseError> {
        let suffix = aws_domain(&self.region);
        let server = self.endpoint.clone();
        let server = server.unwrap_or_else(|| format!("https://portal.sso.{}.{suffix}", self.region));
        let mut url = Url::parse(&format!("{}/federation/credentials", server.trim_end_matches('/')))?;
        url.query_pairs_mut().append_pair("role_name", &self.role).append_pair("account_id", &self.account);
        Ok(url)
    }

    fn signed_out(&self) -> Failure {
        format!("nobody is signed in for this credential: run aws sso login --profile {}", self.profile)
            .into()
    }

    /// The token of the newest sign-in that has not ended.
    fn token(&self) -> Result<String, Failure> {
        let now = Timestamp::now();
        let files = std::fs::read_dir(&self.cache).into_iter().flatten().flatten();
        let read = |file: std::fs::DirEntry| {
            serde_json::from_slice::<SignedIn>(&std::fs::read(file.path()).ok()?).ok()
        };
        let ours = files.filter_map(read).filter(|one| one.start_url == self.start_url);
        let valid = ours.filter_map(|one| Some((moment(&one.expires_at)?, one.access_token)));
        let newest = valid.filter(|(end, _)| *end > now).max_by_key(|(end, _)| *end);
        newest.map(|(_, token)| token).ok_or_else(|| self.signed_out())
    }
}

/// Old versions of the CLI wrote `2026-11-24T05:00:00UTC`.
fn moment(text: &str) -> Option<Timestamp> {
    text.replace("UTC", "Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(cache: &std::path::Path) -> SsoSession {
        let text = |text: &str| text.to_owned();
        SsoSession {
            start_url: text("https://acme.awsapps.com/start"),
            region: text("eu-central-1"),
            account: text("123456789012"),
            role: text("Reader"),
            cache: cache.to_owned(),
            profile: text("dev"),
            endpoint: None,
        }
    }

    #[test]
    fn the_newest_valid_sign_in_counts() {
        let cache = tempfile::tempdir().unwrap();
        let write = |name: &str, url: &str, token: &str, end: &str| {
            let text =
                format!(r#"{{"startUrl":"{url}","accessToken":"{token}","expiresAt":"{end}","region":"x"}}"#);
            std::fs::write(cache.path().join(name), text).unwrap();
        };
        std::fs::write(cache.path().join("botocore-client-id.json"), r#"{"clientId":"x"}"#).unwrap();
        write("a.json", "https://acme.awsapps.com/start", "old", "2020-01-01T00:00:00Z");
        assert!(session(cache.path()).token().is_err());
        write("b.json", "https://other.awsapps.com/start", "foreign", "2199-01-01T00:00:00Z");
        write("c.json", "https://acme.awsapps.com/start", "good", "2198-01-01T00:00:00UTC");
        assert_eq!(session(cache.path()).token().unwrap(), "good");
    }

    #[test]
    fn aws_in_china_has_another_address() {
        let cache = tempfile::tempdir().unwrap();
        let mut session = session(cache.path());
        let expected = "https://portal.sso.eu-central-1.amazonaws.com/federation/credentials?role_name=Reader&account_id=123456789012";
        assert_eq!(session.url().unwrap().as_str(), expected);
        session.region = "cn-north-1".to_owned();
        assert_eq!(session.url().unwrap().host_str(), Some("portal.sso.cn-north-1.amazonaws.com.cn"));
    }
}
