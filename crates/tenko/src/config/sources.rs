//! Stores that others write into, which a server reads too; and what a job says about how a server hears of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error as _;

use tenko_core::SourceName;
use toml::de::DeTable;
use uuid::Uuid;

use super::problem::Problem;
use super::read::{self, Reading, Said};
use super::{nearest, shape};

/// The URLs of sources, by their names. `store` is the URL of the store itself.
pub(super) fn sources(
    reading: &mut Reading<'_>,
    top: &DeTable<'_>,
    store: Option<&str>,
) -> BTreeMap<SourceName, String> {
    let mut sources = BTreeMap::new();
    for (name, table) in read::tables(top, "sources") {
        let named = SourceName::new(&name.text).map_err(|error| {
            let hint = error.suggestion().map(|near| format!("write {near}"));
            reading.problems.push(Problem::error(name.span.clone(), error.to_string()).maybe_hint(hint));
        });
        if let (Some(url), Ok(name)) = (url(reading, &name, table, store), named) {
            sources.insert(name, url);
        }
    }
    sources
}

fn url(reading: &mut Reading<'_>, name: &Said, table: &DeTable<'_>, store: Option<&str>) -> Option<String> {
    const HINT: &str = "write s3://BUCKET/PREFIX, gs://..., az://... or file:///DIRECTORY";
    let Some(said) = read::text(table, "url") else {
        let text = format!("source {} has no place", shape::quoted(&name.text));
        reading.error(name.span.clone(), text, format!("url is missing: {HINT}"));
        return None;
    };
    let problem = match tenko_store::open::check_url(&said.text) {
        Err(error) => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        Ok(()) if said.text.starts_with("memory:") => "nobody else can write into it".into(),
        Ok(()) if store == Some(said.text.as_str()) => "this is the store itself".into(),
        Ok(()) => return Some(said.text),
    };
    let problem: String = problem.chars().filter(|c| !c.is_control()).collect();
    reading.error(said.span, problem, HINT);
    None
}

/// The source in which a job leaves its evidence, if it says one. `known` are all sources, those with errors too.
pub(super) fn of_job(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    known: &BTreeSet<String>,
) -> Option<SourceName> {
    let said = read::text(table, "source")?;
    if !known.contains(&said.text) {
        let hint = nearest::hint(&said.text, known.iter().map(String::as_str));
        let hint = hint.unwrap_or_else(|| format!("add a table [sources.{}]", said.text));
        reading.error(said.span, format!("there is no source {}", shape::quoted(&said.text)), hint);
        return None;
    }
    if table.contains_key("object") {
        let text = "a job is judged by an object, or by what lies in a source";
        reading.error(said.span, text, "remove object or source");
        return None;
    }
    SourceName::new(&said.text).ok()
}

/// The address under which a job is pinged, if it says one. `taken` are those of the jobs that were read before.
pub(super) fn address(
    reading: &mut Reading<'_>,
    table: &DeTable<'_>,
    job: &str,
    taken: &RefCell<HashMap<Uuid, String>>,
) -> Option<Uuid> {
    let said = read::text(table, "uuid")?;
    let Ok(uuid) = said.text.parse::<Uuid>() else {
        let hint = "write it as it stands in the ping URL: 5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
        reading.error(said.span, format!("{} is not a UUID", shape::quoted(&said.text)), hint);
        return None;
    };
    if let Some(other) = taken.borrow_mut().insert(uuid, job.to_owned()) {
        let text = format!("job {} has this address too", shape::quoted(&other));
        reading.error(said.span, text, "each job has its own; leave it out, and the server gives it one");
        return None;
    }
    Some(uuid)
}
