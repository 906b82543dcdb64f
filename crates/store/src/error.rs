//! What can go wrong with a store, by what the caller can do about it.

use std::error::Error;

/// What the caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The URL or its options are wrong: correct them.
    Config,
    /// Credentials are missing or wrong, or a right is missing: grant it.
    Denied,
    /// The bucket, directory or database does not exist: create it.
    Missing,
    /// It may work later: network, time-out, 5xx, locked.
    Unavailable,
    /// There is no room left.
    Full,
    /// A newer Tenko wrote it: upgrade.
    Newer,
    /// What is stored is damaged.
    Corrupt,
    /// The server can't do what is needed, as when it ignores conditional writes.
    Unfit,
}

/// A store could not do what was asked. Says what was asked and of what; [`Error::source`] says why.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StoreError {
    kind: ErrorKind,
    doing: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error about `doing`, which names the thing, such as `can't list s3://bucket/prefix`.
    pub fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), hint: None, source: None }
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What helps, for people.
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the same call may work a moment later.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }

    /// The same error for somebody else who waited for the same thing.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn again(&self) -> Self {
        let copy = Self { kind: self.kind, doing: self.doing.clone(), hint: self.hint.clone(), source: None };
        match &self.source {
            Some(source) => copy.because(source.to_string()),
            None => copy,
        }
    }
}
