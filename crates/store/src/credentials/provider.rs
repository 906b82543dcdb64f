//! What a profile gives: keys, the answer of a program, or of AWS for somebody who signed in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use serde::Deserialize;
use tokio::sync::Mutex;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long before they expire credentials are renewed.
const BEFORE_END: SignedDuration = SignedDuration::from_mins(5);
/// How long a program, or AWS, may take to give credentials.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// Where credentials come from.
pub(super) enum Source {
    /// They stand in a file.
    Keys(Arc<AwsCredential>),
    /// A program prints them.
    Process {
        /// The program and its arguments.
        command: String,
    },
    /// AWS gives them to whoever signed in with `aws sso login`.
    Sso(SsoSession),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "keys",
            Self::Process { .. } => "credential_process",
            Self::Sso(_) => "sso",
        })
    }
}

impl Source {
    pub(super) fn keys(key_id: String, secret_key: String, token: Option<String>) -> Self {
        Self::Keys(Arc::new(AwsCredential { key_id, secret_key, token }))
    }

    async fn ask(&self) -> Result<Given, Failure> {
        match self {
            Self::Keys(keys) => Ok(Given { credential: Arc::clone(keys), until: None }),
            Self::Process { command } => run(command).await,
            Self::Sso(session) => session.ask().await,
        }
    }
}

/// Credentials and their end.
#[derive(Clone)]
struct Given {
    credential: Arc<AwsCredential>,
    until: Option<Timestamp>,
}

impl Given {
    fn lasts(&self) -> bool {
        self.until.is_none_or(|until| until.duration_since(Timestamp::now()) > BEFORE_END)
    }
}

/// A source that is asked only when what it gave has come to its end.
pub(super) struct Timed {
    source: Source,
    given: Mutex<Option<Given>>,
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Timed {
    pub(super) fn new(source: Source) -> Self {
        Self { source, given: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for Timed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut given = self.given.lock().await;
        if let Some(given) = given.as_ref().filter(|given| given.lasts()) {
            return Ok(Arc::clone(&given.credential));
        }
        let asked = tokio::time::timeout(PATIENCE, self.source.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err("nothing was given in 30 seconds".into()));
        let fresh =
            asked.map_err(|source| object_store::Error::Generic { store: super::FROM_PROFILE, source })?;
        Ok(Arc::clone(&given.insert(fresh).credential))
    }
}

/// What a `credential_process` prints
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<Timestamp>,
}

/// Runs a program as the AWS CLI does: by the shell, with nothing on its standard input.
async fn run(command: &str) -> Result<Given, Failure> {
    let mut child = tokio::process::Command::new("/bin/sh");
    child.arg("-c").arg(command).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output =
        child.output().await.map_err(|error| format!("credential_process can't be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("credential_process failed: {}", output.status).into());
    }
    let printed: Printed = read_json(&output.stdout, "credential_process")?;
    if printed.version != 1 {
        return Err(format!("credential_process speaks version {}, not 1", printed.version).into());
    }
    let credential = AwsCredential {
        key_id: printed.access_key_id,
        secret_key: printed.secret_access_key,
        token: printed.session_token,
    };
    Ok(Given { credential: Arc::new(credential), until: printed.expiration })
}

/// Never shows what it could not read: it may be half a secret.
fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8], whose: &str) -> Result<T, Failure> {
    if bytes.len() > MAX_ANSWER {
        return Err(format!("the credential answer of {whose} is far too long").into());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "the credential answer of {whose} can't be read (line {}, column {})",
            error.line(),
            error.column()
        )
        .into()
    })
}

/// Somebody who signed in.
pub(super) struct SsoSession {
    pub(super) start_url: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) role: String,
    pub(super) cache: PathBuf,
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
    async fn ask(&self) -> Result<Given, Failure> {
        let token = self.token()?;
        let url = format!("https://portal.sso.{}.amazonaws.com/federation/credentials", self.region);
        let mut url = url::Url::parse(&url)?;
        url.query_pairs_mut().append_pair("role_name", &self.role).append_pair("account_id", &self.account);
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(true)
            .build()?;
        let answer = client.get(url).header("x-amz-sso_bearer_token", token).send().await?;
        if !answer.status().is_success() {
            return Err(
                format!("AWS gave no credential for role {}: HTTP {}", self.role, answer.status()).into()
            );
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
        newest
            .map(|(_, token)| token)
            .ok_or_else(|| "nobody is signed in for this credential: run aws sso login".into())
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

    #[tokio::test]
    async fn an_answer_that_can_not_be_read_is_not_shown() {
        let error =
            run("echo '{\"Version\":1,\"SecretAccessKey\":\"hunter2\"}'").await.err().unwrap().to_string();
        assert!(error.contains("can't be read") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_only_when_they_end() {
        let place = tempfile::tempdir().unwrap();
        let count = place.path().join("count");
        for (end, asked) in [("2199-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 3)] {
            drop(std::fs::remove_file(&count));
            let command = format!(
                r#"echo x >> {}; echo '{{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"{end}"}}'"#,
                count.display()
            );
            let provider = Timed::new(Source::Process { command });
            for _ in 0..3 {
                assert_eq!(provider.get_credential().await.unwrap().key_id, "A");
            }
            assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), asked);
        }
    }
}
