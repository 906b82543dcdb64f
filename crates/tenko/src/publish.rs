//! The status page: two objects that each roll call writes where anybody may read them, `index.html` for people and
//! `status.json` for machines. Nothing has to be kept alive to show it.
//!
//! What a page shows of the past it takes from the page before: one GET. Two PUT follow if anything changed, or if the
//! page before is older than `publish.every`. So the cost does not depend on how many jobs there are or how long they
//! have been known, and a page that is too old shows that nobody calls the roll.
//!
//! The page may be public. It names jobs, their descriptions and schedules, and what became of them; never what they
//! printed, where they ran, who is told, or what a store said.

mod page;
mod status;
mod strip;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use tenko_core::message::Language;
use tenko_store::open::{PlainObjects, Published, open_objects};
use tenko_store::{ErrorKind, StoreError};

use crate::checker::{Checker, Report};
use crate::config::PublishOptions;

pub use page::render;
pub use status::{JobStatus, Outage, Status, StripDue, status};

/// A roll call waits no longer than this for its page.
const LONGEST: Duration = Duration::from_secs(20);
/// A page before that is longer than this is not read: what was shown of the past is lost.
const MAX_STATUS: usize = 32 << 20;
/// For how many seconds a copy of the page may be shown.
const MAX_AGE: u32 = 60;

const HTML: Published = Published { content_type: "text/html; charset=utf-8", max_age: MAX_AGE };
const JSON: Published = Published { content_type: "application/json", max_age: MAX_AGE };

/// The name of the page.
pub const PAGE: &str = "index.html";
/// The name of the same for machines, and for the next page.
pub const STATUS: &str = "status.json";

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there was no answer within {} s", LONGEST.as_secs())]
    Late,
    #[error("the template of the page is wrong")]
    Template(#[source] minijinja::Error),
    #[error("the status can't be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl Checker {
    /// Writes the status page, if one is wanted. That it can't be written is a warning, and no reason for the roll
    /// call to fail.
    pub(crate) async fn publish(&self, report: &mut Report) {
        let Some(options) = &self.config.publish else { return };
        let written = tokio::time::timeout(LONGEST, self.write(options, report)).await;
        if let Err(error) = written.unwrap_or(Err(PublishError::Late)) {
            let shown = tenko_store::open::redact_url(&options.url);
            let warning =
                format!("the status page in {shown} was not written: {}", crate::error::chain(&error));
            report.warnings.push(warning);
        }
    }

    async fn write(&self, options: &PublishOptions, report: &Report) -> Result<(), PublishError> {
        let place = open_objects(&options.url, &self.config.checker.objects).await?;
        let before = previous(&place).await?;
        let status = status(&self.config, options, report, before.as_ref());
        if before.as_ref().is_some_and(|before| !is_due(before, &status, options.every)) {
            return Ok(());
        }
        let html = render(&status).map_err(PublishError::Template)?;
        let json = serde_json::to_vec(&status).map_err(PublishError::Json)?;
        // The page first: what the next one builds upon has not been shown otherwise.
        place.put(PAGE, Bytes::from(html), HTML).await?;
        place.put(STATUS, Bytes::from(json), JSON).await?;
        Ok(())
    }
}

/// The page before, if there is one that can be understood. Whoever may write but not read begins anew each time.
async fn previous(place: &PlainObjects) -> Result<Option<Status>, StoreError> {
    match place.read(STATUS, MAX_STATUS).await {
        Ok(found) => Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Corrupt) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether a page has to be written: it shows something else than the one before, or that is too old.
fn is_due(before: &Status, now: &Status, every: SignedDuration) -> bool {
    let age = now.called_at.duration_since(before.called_at);
    age >= every || age.is_negative() || !before.shows_the_same(now)
}

/// The language as HTML names it.
fn tag(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Ja => "ja",
    }
}
