//! Where credentials for S3 come from.
//!
//! The library that speaks S3 knows the environment, web identity, container and machine roles. What people have on
//! their own machines is added here: the profiles of `~/.aws/config` and `~/.aws/credentials`, with keys, with a
//! `credential_process`, or signed in by `aws sso login`. Profiles that assume another role are left to the AWS CLI:
//! `credential_process = aws configure export-credentials --profile NAME` gives them.

mod profile;
mod provider;
mod sso;
mod trust;
mod unnamed;

use std::collections::BTreeMap;
use std::path::PathBuf;

use object_store::aws::AwsCredentialProvider;
use reqwest::Certificate;

use crate::Result;

/// The variables of an environment. Tests have their own instead of that of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of the process. What is no UTF-8 is nothing that concerns a store.
    pub(crate) fn of_process() -> Self {
        let pairs = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    pub(crate) fn starting_with<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, value)| name.starts_with(start) && !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// What an error is marked with that concerns the credentials of a profile.
pub(crate) const FROM_PROFILE: &str = "AWS profile";

/// What environment and profile say of AWS.
pub(crate) struct Settings {
    /// The region, if one is said.
    pub(crate) region: Option<String>,
    /// The only authorities whose certificates are accepted; those of the machine, if `None`.
    pub(crate) trusted: Option<Vec<Certificate>>,
    /// Who gives credentials; `None` if the library that speaks S3 finds them itself.
    pub(crate) provider: Option<AwsCredentialProvider>,
}

/// Reads them, with the profile of a name or with the usual one. Nothing is asked of AWS yet.
pub(crate) fn settings(env: &Environment, profile: Option<String>) -> Result<Settings> {
    let profile = profile::profile(env, profile)?;
    let trusted = trust::trusted(env, profile.as_ref())?;
    let said = env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION"));
    let region = said.or_else(|| profile.as_ref().and_then(|profile| profile.region()));
    let of_profile = profile.and_then(|profile| profile.into_provider(trusted.clone()));
    let provider = of_profile.or_else(|| unnamed::unnamed(env, trusted.clone()));
    Ok(Settings { region, trusted, provider })
}

/// What the names of AWS end in.
pub(crate) fn aws_domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
