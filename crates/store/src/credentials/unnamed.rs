//! Credentials that belong to no profile, and that the library which speaks S3 does not know.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use reqwest::Certificate;
use serde::Deserialize;
use url::{Host, Url};

use super::Environment;
use super::provider::{Failure, Given, Source, Timed, read_json};
use crate::object::client;

/// Who gives containers credentials on Amazon ECS and EKS, beside the machine itself
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// A provider for what nobody else provides; `None` where the library finds credentials itself, or asks the machine.
pub(super) fn unnamed(env: &Environment, trusted: Option<Vec<Certificate>>) -> Option<AwsCredentialProvider> {
    let said = |name: &str| env.get(name).is_some();
    let source = match env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        _ if ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].into_iter().any(said) => return None,
        _ if said("AWS_WEB_IDENTITY_TOKEN_FILE") && said("AWS_ROLE_ARN") => return None,
        _ if said("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") => return None,
        Some(_) if said("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") => return None,
        Some(url) => Source::Agent(Agent { url, token: env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN") }),
        None if env
            .get("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|said| said.eq_ignore_ascii_case("true")) =>
        {
            Source::Nobody
        }
        None => return None,
    };
    Some(Arc::new(Timed::new(source, trusted)))
}

/// A server that gives credentials to whoever has its token.
pub(super) struct Agent {
    url: String,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentAnswer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<Timestamp>,
}

impl Agent {
    pub(super) async fn ask(&self, trusted: Option<&[Certificate]>) -> Result<Given, Failure> {
        let url = Url::parse(&self.url)?;
        if !is_harmless(&url) {
            let problem = "AWS_CONTAINER_CREDENTIALS_FULL_URI names a server elsewhere, and not by https";
            return Err(problem.into());
        }
        let mut request = client(trusted)?.build()?.get(url);
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(format!("the container agent gave no credential: HTTP {}", answer.status()).into());
        }
        let given: AgentAnswer = read_json(&answer.bytes().await?, "the container agent")?;
        let credential = AwsCredential {
            key_id: given.access_key_id,
            secret_key: given.secret_access_key,
            token: given.token,
        };
        Ok(Given { credential: Arc::new(credential), until: given.expiration })
    }
}

/// Without TLS a token may only go to this machine, or to an agent of AWS.
fn is_harmless(url: &Url) -> bool {
    let address: IpAddr = match url.host() {
        _ if url.scheme() == "https" => return true,
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain("localhost")) => return true,
        Some(Host::Domain(_)) | None => return false,
    };
    address.is_loopback() || AGENTS.iter().any(|agent| agent.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_only_to_this_machine_to_aws_or_by_tls() {
        for (url, harmless) in [
            ("http://127.0.0.1:1338/x", true),
            ("http://[::1]/x", true),
            ("http://localhost/x", true),
            ("http://169.254.170.2/x", true),
            ("http://169.254.170.23/x", true),
            ("http://[fd00:ec2::23]/x", true),
            ("https://agent.example/x", true),
            ("http://agent.example/x", false),
            ("http://169.254.169.254/x", false),
        ] {
            assert_eq!(is_harmless(&Url::parse(url).unwrap()), harmless, "{url}");
        }
    }
}
