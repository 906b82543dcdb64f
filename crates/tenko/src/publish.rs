//! The status page: two objects that each roll call writes where anybody may read them, `index.html` for people and
//! `status.json` for machines. Nothing has to be kept alive to show it.
//!
//! What a page shows of the past it takes from the page before: one GET. Two PUT follow if anything changed, or if the
//! page before is older than `publish.every`. Only for the first page of all is the evidence of the last month listed. So
//! the cost does not depend on how many jobs there are or how long they
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

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tenko_core::Evidence;
use tenko_core::message::Language;
use tenko_store::open::{PlainObjects, Published, open_objects};
use tenko_store::{ErrorKind, StoreError};

use crate::checker::{Checker, Report, time_left};
use crate::config::PublishOptions;

pub use page::render;
pub use status::{JobStatus, Known, Outage, Status, StripDue, status};

/// A roll call waits no longer than this for its page.
const LONGEST: Duration = Duration::from_secs(20);
/// A page before that is longer than this is not read: what was shown of the past is lost.
const MAX_STATUS: usize = 32 << 20;
/// For how many seconds a copy of the page may be shown.
const MAX_AGE: u32 = 60;

const HTML: Published = Published { content_type: "text/html; charset=utf-8", max_age: MAX_AGE };
const JSON: Published = Published { content_type: "application/json", max_age: MAX_AGE };

/// How far back evidence is read for the first page: 30 dues of a daily job.
const MEMORY: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The name of the page.
pub const PAGE: &str = "index.html";
/// The name of the same for machines, and for the next page.
pub const STATUS: &str = "status.json";

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there was no answer in time")]
    Late,
    #[error("the template of the page is wrong")]
    Template(#[source] minijinja::Error),
    #[error("the status can't be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl Checker {
    /// Writes the status page, if one is wanted. That it can't be written is a warning, and no reason for the roll
    /// call to fail. Whoever will be cut off says with `stop` until when there is time.
    pub(crate) async fn publish(&self, report: &mut Report, stop: Option<Instant>) {
        let Some(options) = &self.config.publish else { return };
        let written = tokio::time::timeout(time_left(stop, LONGEST), self.write(options, report)).await;
        if let Err(error) = written.unwrap_or(Err(PublishError::Late)) {
            let shown = tenko_store::open::redact_url(&options.url);
            let warning =
                format!("the status page in {shown} was not written: {}", crate::error::chain(&error));
            report.warnings.push(warning);
        }
    }

    async fn write(&self, options: &PublishOptions, report: &Report) -> Result<(), PublishError> {
        let place = open_objects(&options.url, &self.config.checker.objects).await?;
        let status = |past| status(&self.config, options, report, past);
        match previous(&place).await? {
            Previous::Page(before) => {
                let now = status(Known::Page(&before));
                if is_due(&before, &now, options.every) {
                    write(&place, &now).await?;
                }
            }
            Previous::Hidden => write(&place, &status(Known::Nothing)).await?,
            Previous::None => {
                write(&place, &status(Known::Nothing)).await?;
                // Only now, so that a place that can't be written does not cost this each time.
                if let Some((evidence, since)) = self.remember(report).await? {
                    write(&place, &status(Known::Evidence(&evidence, since))).await?;
                }
            }
        }
        Ok(())
    }

    /// For the first page of all: the evidence of the last month, and since when that is all. Nothing, where the first
    /// roll call of all has just read it, or where reading it takes too long.
    async fn remember(&self, report: &Report) -> Result<Option<(Vec<Evidence>, Timestamp)>, StoreError> {
        if report.heard.called_at.is_none() {
            return Ok(None);
        }
        let from = report.at.checked_sub(MEMORY).unwrap_or(Timestamp::MIN);
        let reading = self.store.between(None, from, Timestamp::MAX);
        let Ok(evidence) = tokio::time::timeout(LONGEST / 2, reading).await else { return Ok(None) };
        let evidence = evidence?;
        let since = evidence.first().map_or(report.at, |first| first.at.max(from));
        Ok(Some((evidence, since)))
    }
}

async fn write(place: &PlainObjects, status: &Status) -> Result<(), PublishError> {
    let html = render(status).map_err(PublishError::Template)?;
    let json = serde_json::to_vec(status).map_err(PublishError::Json)?;
    // The page first: what the next one builds upon has not been shown otherwise.
    place.put(PAGE, Bytes::from(html), HTML).await?;
    place.put(STATUS, Bytes::from(json), JSON).await?;
    Ok(())
}

/// The page before.
enum Previous {
    Page(Box<Status>),
    /// There is none, or none that can be understood.
    None,
    /// It may not be read; perhaps there is none.
    Hidden,
}

async fn previous(place: &PlainObjects) -> Result<Previous, StoreError> {
    match place.read(STATUS, MAX_STATUS).await {
        Ok(found) => {
            let status = found.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            Ok(status.map_or(Previous::None, Previous::Page))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Missing | ErrorKind::Corrupt) => Ok(Previous::None),
        Err(error) if error.kind() == ErrorKind::Denied => Ok(Previous::Hidden),
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
