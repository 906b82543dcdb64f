//! A configuration of which some secrets lie elsewhere: it is read again when they are known, so that what is wrong with
//! them has its place in the file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::problem::ConfigErrors;
use super::{Config, Outside, find, parse};
use crate::aws::secrets::Answers;

/// What is needed to read a configuration again.
#[derive(Clone)]
pub struct Pending {
    pub(super) text: String,
    pub(super) path: PathBuf,
    pub(super) exposed: bool,
    pub(super) references: BTreeSet<String>,
}

/// The text may hold secrets.
impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("references", &self.references).finish_non_exhaustive()
    }
}

impl Pending {
    /// What has to be asked for, such as `ssm:/tenko/slack`.
    pub fn references(&self) -> &BTreeSet<String> {
        &self.references
    }

    /// The configuration with these secrets in it; everything else is read from the environment of this process.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn complete(&self, answers: &Answers) -> Result<Config, ConfigErrors> {
        let env = |name: &str| std::env::var(name).ok();
        let outside = Outside { env: &env, read_file: &find::read_secret, exposed: self.exposed };
        let (config, errors) = parse::parse(&self.text, &self.path, &outside, Some(answers));
        errors.map_or(Ok(config), Err)
    }
}
