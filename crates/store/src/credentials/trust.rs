//! Whose certificates are accepted by what is said to AWS, and to servers that speak its protocol.

use std::path::Path;

use reqwest::Certificate;

use super::Environment;
use super::profile::Profile;
use crate::Result;
use crate::error::{ErrorKind, StoreError};

/// The authorities in the file that `AWS_CA_BUNDLE` names, or the profile as `ca_bundle`; `None` if there is no such
/// setting. They take the place of those that the machine trusts, as with the AWS CLI
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>).
pub(super) fn trusted(env: &Environment, profile: Option<&Profile>) -> Result<Option<Vec<Certificate>>> {
    let (path, by) = match (env.get("AWS_CA_BUNDLE"), profile.and_then(Profile::ca_bundle)) {
        (Some(path), _) => (path, "AWS_CA_BUNDLE"),
        (None, Some(path)) => (path, "ca_bundle of the AWS profile"),
        (None, None) => return Ok(None),
    };
    read(Path::new(&path)).map(Some).map_err(|cause| {
        let doing = format!("can't read the certificates in {path}");
        StoreError::new(ErrorKind::Config, doing).because(cause).hint(format!("{by} names this file"))
    })
}

fn read(path: &Path) -> std::result::Result<Vec<Certificate>, Box<dyn std::error::Error + Send + Sync>> {
    let certificates = Certificate::from_pem_bundle(&std::fs::read(path)?)?;
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM".into());
    }
    Ok(certificates)
}
