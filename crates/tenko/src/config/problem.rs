//! What is wrong with a configuration.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::Source;

/// More than this nobody reads.
const MOST_SHOWN: usize = 50;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

/// One thing to correct, at its place.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) span: Range<usize>,
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn error(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span, text: text.into(), hint: None }
    }

    pub(super) fn warning(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, text) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(super) fn show(&self, source: &Source<'_>) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        source.show(&format!("{word}: {}", self.text), &self.span, self.hint.as_deref())
    }
}

/// The warnings among the problems, in the order of the file, each as a person reads it.
pub(super) fn warnings(problems: &[Problem], source: &Source<'_>) -> Vec<String> {
    let warnings: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Warning).collect();
    let shown = warnings.iter().take(MOST_SHOWN).map(|warning| warning.show(source).trim_end().to_owned());
    let more = warnings.len().saturating_sub(MOST_SHOWN);
    let more = (more > 0).then(|| format!("and {more} more warnings"));
    shown.chain(more).collect()
}

/// All that is wrong with a configuration file. `Display` shows each error with its place, the line and a hint, and
/// never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    path: PathBuf,
    shown: Vec<String>,
    count: usize,
    /// Whether what follows was not looked at.
    rest_unknown: bool,
}

impl ConfigErrors {
    /// An error of the file as a whole: one sentence about it, and what to do.
    pub(super) fn of_file(path: &Path, problem: &str, hint: &str) -> Self {
        let shown = format!("error: {} {problem}\n  = hint: {hint}\n", path.display());
        Self { path: path.to_owned(), shown: vec![shown], count: 1, rest_unknown: false }
    }

    /// The errors among the problems, in the order of the file.
    pub(super) fn among(problems: &[Problem], path: &Path, source: &Source<'_>) -> Option<Self> {
        let errors: Vec<_> = problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        let shown = errors.iter().take(MOST_SHOWN).map(|error| error.show(source)).collect();
        let (path, count) = (path.to_owned(), errors.len());
        (count > 0).then_some(Self { path, shown, count, rest_unknown: false })
    }

    /// Says that these errors keep the rest of the file from being checked.
    #[must_use]
    pub(super) fn before_the_rest(self) -> Self {
        Self { rest_unknown: true, ..self }
    }

    /// How many there are; at least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown.join("\n").trim_end())?;
        if self.count > self.shown.len() {
            write!(f, "\n\nand {} more errors", self.count - self.shown.len())?;
        }
        if self.rest_unknown {
            f.write_str("\n\nthe rest of the file is checked once this is mended")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
