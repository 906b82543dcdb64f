//! Bodies by template.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};

use crate::notify::form::Form;

/// How many steps a template may take.
const FUEL: u64 = 200_000;
/// The longest body that a template may give, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A template gives no body.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// It is not understood, names what there is not, or takes too many steps.
    #[error("the body template fails in line {line}: {problem}")]
    Fails { line: usize, problem: String },
    /// The body is longer than anybody would read.
    #[error("the body template gives {0} bytes, {MAX_BODY} are allowed")]
    TooLong(usize),
    /// Most likely a value without the filter `tojson`.
    #[error("the body template gives no valid JSON; write values as {{{{ message.title | tojson }}}}")]
    NotJson(#[source] serde_json::Error),
}

/// Fills a minijinja template with the members of a form. A member that is not there is empty, or `null` by `tojson`:
/// an alarm that lacks a fact is better than none; only a member of what is not there is an error. Nothing is escaped but by `tojson`; where JSON is promised,
/// the result has to be JSON.
pub(super) fn fill(template: &str, form: &Form<'_>, content_type: &str) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    let body = environment.render_str(template, Serde(form)).map_err(|error| fails(&error))?;
    if body.len() > MAX_BODY {
        return Err(TemplateError::TooLong(body.len()));
    }
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" || media_type.ends_with("+json") {
        serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(TemplateError::NotJson)?;
    }
    Ok(body)
}

fn fails(error: &minijinja::Error) -> TemplateError {
    let problem = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError::Fails { line: error.line().unwrap_or(1), problem }
}
