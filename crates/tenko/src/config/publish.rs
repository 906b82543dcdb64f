//! Where the status page is written.

use std::error::Error as _;

use toml::de::DeTable;

use super::PublishOptions;
use super::read::{self, Reading, Said};

/// The longest title that a page has, in characters.
const LONGEST_TITLE: usize = 200;

/// Where, and how. `store` is the URL of the store, whose objects are no place for a page.
pub(super) fn publish(
    reading: &mut Reading<'_>,
    top: &DeTable<'_>,
    store: Option<&str>,
) -> Option<PublishOptions> {
    if let Some(said) = read::text(top, "publish") {
        let url = url(reading, &said, store)?;
        return Some(PublishOptions { url, title: None, every: PublishOptions::EVERY });
    }
    let table = read::table(top, "publish")?;
    let title = read::text(table, "title").map(|said| said.text.chars().take(LONGEST_TITLE).collect());
    let every = reading.duration(table, "every").unwrap_or(PublishOptions::EVERY);
    let Some(said) = read::text(table, "url") else {
        let span = top.get("publish").map_or(0..0, toml::Spanned::span);
        reading.error(span, "the status page has no place", "write url = \"s3://BUCKET/PREFIX\"");
        return None;
    };
    Some(PublishOptions { url: url(reading, &said, store)?, title, every })
}

fn url(reading: &mut Reading<'_>, said: &Said, store: Option<&str>) -> Option<String> {
    const HINT: &str = "write s3://BUCKET/PREFIX, gs://..., az://... or file:///DIRECTORY";
    let problem = match tenko_store::open::check_url(&said.text) {
        Err(error) => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        Ok(()) if ["sqlite:", "memory:"].iter().any(|scheme| said.text.starts_with(scheme)) => {
            "a page is written into a bucket or a directory".into()
        }
        Ok(()) if store.is_some_and(|store| is_within(&said.text, store)) => {
            "evidence and decisions lie there".into()
        }
        Ok(()) => return Some(said.text.clone()),
    };
    let problem: String = problem.chars().filter(|c| !c.is_control()).collect();
    reading.error(said.span.clone(), problem, HINT);
    None
}

/// Whether a place is one in which a store keeps its objects.
fn is_within(place: &str, store: &str) -> bool {
    let bare = |url: &str| url.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let (place, store) = (bare(place), bare(store));
    ["evidence", "roll", "jobs"].iter().any(|kept| {
        let rest = place.strip_prefix(&format!("{store}/{kept}"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
