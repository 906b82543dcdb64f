//! What a command can fail with, and the one printer of errors.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use tenko_store::{ErrorKind, StoreError};

use crate::printer;

/// What follows from an error: the exit code (DESIGN: 2 usage or configuration, 3 could not tell).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The call or the configuration is wrong; the user can correct it.
    Usage,
    /// Nothing could be found out or done; it may work later.
    CouldNotTell,
    /// The reader of our output went away, which is no error.
    BrokenPipe,
}

/// A command failed.
#[derive(Debug)]
pub struct CommandError {
    /// What follows from it.
    pub kind: Kind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl CommandError {
    /// A mistake that the user can correct.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Usage, error: error.into(), hints: Vec::new() }
    }

    /// Something that may work later.
    pub fn could_not_tell(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::CouldNotTell, error: error.into(), hints: Vec::new() }
    }

    /// Adds what helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code that goes with it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Usage => 2,
            Kind::CouldNotTell => 3,
            Kind::BrokenPipe => 0,
        })
    }

    /// The error as it is printed: one sentence, the chain of causes once, the hints.
    pub fn render(&self) -> String {
        // Some of it may be from outside.
        let message = printer::harmless(&chain(self.error.as_ref()));
        // A configuration says this itself before each of its errors.
        let word = if message.starts_with("error: ") { "" } else { "error: " };
        let mut text = format!("{word}{message}\n");
        for hint in &self.hints {
            let _ = writeln!(text, "hint: {}", printer::harmless(hint));
        }
        text
    }
}

/// The message of an error and of its causes, each once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.ends_with(&message) {
            let _ = write!(text, ": {message}");
        }
        source = cause.source();
    }
    text
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Config => Kind::Usage,
            _ => Kind::CouldNotTell,
        };
        let upgrade = (error.kind() == ErrorKind::Newer)
            .then_some("upgrade Tenko on this machine; nothing was changed");
        let hints = error.help().or(upgrade).map(str::to_owned).into_iter().collect();
        Self { kind, error: Box::new(error), hints }
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::CouldNotTell,
        };
        Self { kind, error: Box::new(error), hints: Vec::new() }
    }
}
