//! What is wrong with a schedule, where in its text, and what may have been meant.

use std::{fmt, ops::Range};

/// The part of a [`ScheduleSpec`](super::ScheduleSpec) that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `every`
    Every,
    /// `cron`, by position in the list
    Cron(usize),
    /// `on_calendar`, by position in the list
    OnCalendar(usize),
    /// `tz`
    Tz,
    /// several of them together
    Whole,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Every => "every",
            Self::Cron(_) => "cron",
            Self::OnCalendar(_) => "on_calendar",
            Self::Tz => "tz",
            Self::Whole => "schedule",
        })
    }
}

/// Describes why a text is not a duration, an expression or a zone. `Display` is the problem alone, naming the offending part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ParseError {
    input: String,
    span: Range<usize>,
    problem: String,
    hint: Option<String>,
}

impl ParseError {
    pub(super) fn new(input: &str, flaw: Flaw) -> Self {
        let span = on_boundaries(input, flaw.span);
        Self { input: input.to_owned(), span, problem: flaw.problem, hint: flaw.hint }
    }

    /// The whole text that was read.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The offending bytes of [`input`](Self::input): within it, on character boundaries, possibly empty.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The problem, without the hint.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What to write instead, if that can be said.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Describes why a [`ScheduleSpec`](super::ScheduleSpec) has no meaning. `Display` is the problem alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ScheduleError {
    field: Field,
    error: ParseError,
}

impl ScheduleError {
    pub(super) fn new(field: Field, input: &str, flaw: Flaw) -> Self {
        Self { field, error: ParseError::new(input, flaw) }
    }

    /// The field whose text is wrong.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The whole text of that field (empty when the field is [`Field::Whole`]).
    pub fn input(&self) -> &str {
        self.error.input()
    }

    /// The offending bytes of [`input`](Self::input): within it, on character boundaries, possibly empty.
    pub fn span(&self) -> Range<usize> {
        self.error.span()
    }

    /// The problem, without the hint.
    pub fn problem(&self) -> &str {
        self.error.problem()
    }

    /// What to write instead, if that can be said.
    pub fn hint(&self) -> Option<&str> {
        self.error.hint()
    }
}

/// A problem whose text is known to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
    pub(super) hint: Option<String>,
}

impl Flaw {
    pub(super) fn new(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { span, problem: problem.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Quotes a piece of input for a message: bounded, and without control characters.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let dots = if text.chars().nth(LONGEST).is_some() { "..." } else { "" };
    format!("`{shown}{dots}`")
}

fn on_boundaries(input: &str, span: Range<usize>) -> Range<usize> {
    let start = input.floor_char_boundary(span.start);
    let end = input.ceil_char_boundary(span.end).max(start);
    start..end
}
