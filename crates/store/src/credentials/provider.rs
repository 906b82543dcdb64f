//! What gives credentials: a file, a program, AWS for somebody who signed in, or a server beside the container.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use reqwest::Certificate;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::sso::SsoSession;
use super::unnamed::Agent;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long before they expire credentials are renewed.
const BEFORE_END: SignedDuration = SignedDuration::from_mins(5);
/// How long a program, or AWS, may take to give credentials.
const PATIENCE: Duration = Duration::from_secs(30);
const NOBODY: &str =
    "no credentials were found, and AWS_EC2_METADATA_DISABLED says not to ask the machine for its role";
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
    /// A server beside the container gives them.
    Agent(Agent),
    /// There are none.
    Nobody,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys(_) => "keys",
            Self::Process { .. } => "credential_process",
            Self::Sso(_) => "sso",
            Self::Agent(_) => "container agent",
            Self::Nobody => "nobody",
        })
    }
}

impl Source {
    pub(super) fn keys(key_id: String, secret_key: String, token: Option<String>) -> Self {
        Self::Keys(Arc::new(AwsCredential { key_id, secret_key, token }))
    }

    async fn ask(&self, trusted: Option<&[Certificate]>) -> Result<Given, Failure> {
        match self {
            Self::Keys(keys) => Ok(Given { credential: Arc::clone(keys), until: None }),
            Self::Process { command } => run(command).await,
            Self::Sso(session) => session.ask(trusted).await,
            Self::Agent(agent) => agent.ask(trusted).await,
            Self::Nobody => Err(NOBODY.into()),
        }
    }
}

/// Credentials and their end.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) credential: Arc<AwsCredential>,
    pub(super) until: Option<Timestamp>,
}

impl Given {
    fn lasts(&self) -> bool {
        self.until.is_none_or(|until| until.duration_since(Timestamp::now()) > BEFORE_END)
    }
}

/// A source that is asked only when what it gave has come to its end.
pub(super) struct Timed {
    source: Source,
    trusted: Option<Vec<Certificate>>,
    given: Mutex<Option<Given>>,
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Timed {
    /// `trusted` are the only authorities whose certificates AWS may have, if they are named.
    pub(super) fn new(source: Source, trusted: Option<Vec<Certificate>>) -> Self {
        Self { source, trusted, given: Mutex::new(None) }
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
        let asked = tokio::time::timeout(PATIENCE, self.source.ask(self.trusted.as_deref())).await;
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
pub(super) fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8], whose: &str) -> Result<T, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let provider = Timed::new(Source::Process { command }, None);
            for _ in 0..3 {
                assert_eq!(provider.get_credential().await.unwrap().key_id, "A");
            }
            assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), asked);
        }
    }
}
