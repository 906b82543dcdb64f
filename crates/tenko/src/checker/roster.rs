//! Who is on the roll: jobs of the configuration, jobs that declared themselves, jobs that were merely heard of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tenko_core::schedule::Schedule;
use tenko_core::{Declaration, Evidence, Job, JobSpec, Roll, Slug};
use tenko_store::StoreError;

use super::Checker;
use crate::config::Config;

/// How many declarations are read at once.
const AT_ONCE: usize = 32;

/// The jobs of one roll call.
#[derive(Debug, Default)]
pub struct Members {
    /// The jobs.
    pub jobs: BTreeMap<Slug, Job>,
    /// Jobs whose declaration is new.
    pub declared: BTreeSet<Slug>,
    /// Declarations that make no sense.
    pub warnings: Vec<String>,
}

impl Checker {
    /// Who is on the roll, after the declarations in new evidence were read.
    pub(super) async fn members(
        &self,
        roll: &mut Roll,
        evidence: &[Evidence],
    ) -> Result<Members, StoreError> {
        let declared = self.read_declarations(roll, evidence).await?;
        let mut members = members(&self.config, roll, evidence);
        members.declared = declared;
        Ok(members)
    }

    /// Reads the declarations that are not known yet: the newest of each job.
    async fn read_declarations(
        &self,
        roll: &mut Roll,
        evidence: &[Evidence],
    ) -> Result<BTreeSet<Slug>, StoreError> {
        let mut newest: HashMap<&Slug, (&Evidence, &Declaration)> = HashMap::new();
        for piece in evidence {
            let Some(declaration) = &piece.declaration else { continue };
            let entry = newest.entry(&piece.job).or_insert((piece, declaration));
            if entry.0.effective_at() <= piece.effective_at() {
                *entry = (piece, declaration);
            }
        }
        for (slug, known) in &roll.declarations {
            if newest.get(slug).is_some_and(|(_, declaration)| declaration.digest == known.digest) {
                newest.remove(slug);
            }
        }
        let reading = newest.into_values().map(|(piece, declaration)| self.in_full(piece, declaration));
        let mut reading = stream::iter(reading).buffer_unordered(AT_ONCE);
        let mut declared = BTreeSet::new();
        while let Some((slug, declaration)) = reading.try_next().await? {
            if let Some(declaration) = declaration.filter(|declaration| declaration.spec.is_some()) {
                roll.declarations.insert(slug.clone(), declaration);
                declared.insert(slug.clone());
            }
        }
        Ok(declared)
    }

    /// A declaration of which perhaps only the digest is known.
    async fn in_full<'a>(
        &self,
        piece: &'a Evidence,
        declaration: &Declaration,
    ) -> Result<(&'a Slug, Option<Declaration>), StoreError> {
        let full = match declaration.spec {
            Some(_) => Some(declaration.clone()),
            None => self.store.read(piece).await?.declaration,
        };
        Ok((&piece.job, full))
    }
}

/// Who is on the roll. The configuration comes before what a job says of itself.
pub fn members(config: &Config, roll: &Roll, evidence: &[Evidence]) -> Members {
    let mut warnings = Vec::new();
    let configured = config.jobs.iter().map(|(slug, configured)| (slug.clone(), configured.job.clone()));
    let declared = roll.declarations.iter().filter_map(|(slug, declaration)| {
        let spec = declaration.spec.as_ref().filter(|_| !config.jobs.contains_key(slug))?;
        Some((slug.clone(), declared(config, slug, spec, &mut warnings)))
    });
    let mut jobs: BTreeMap<Slug, Job> = configured.chain(declared).collect();
    // Most have a job: to go through those is quicker than to look up each.
    let mut others: HashSet<&Slug> = evidence.iter().map(|piece| &piece.job).collect();
    others.extend(roll.states.iter().filter(|(_, state)| !state.configured).map(|(slug, _)| slug));
    for slug in jobs.keys() {
        others.remove(slug);
    }
    jobs.extend(others.into_iter().map(|slug| (slug.clone(), merely_heard(config, slug))));
    Members { jobs, warnings, ..Members::default() }
}

/// A job as the configuration knows it, or as it declared itself, or as it was merely heard of. What its declaration can't mean
/// is among the warnings.
#[cfg(feature = "server")]
pub(crate) fn resolved(
    config: &Config,
    slug: &Slug,
    declaration: Option<&Declaration>,
    warnings: &mut Vec<String>,
) -> Job {
    if let Some(configured) = config.jobs.get(slug) {
        return configured.job.clone();
    }
    match declaration.and_then(|declaration| declaration.spec.as_ref()) {
        Some(spec) => declared(config, slug, spec, warnings),
        None => merely_heard(config, slug),
    }
}

/// A job as it declared itself; one that declares what can't be is merely heard of.
fn declared(config: &Config, slug: &Slug, spec: &JobSpec, warnings: &mut Vec<String>) -> Job {
    match spec.resolve(slug.clone(), &config.time_zone, Some(&config.defaults)) {
        Ok(mut job) => {
            if spec.notify.is_none() {
                job.channels.clone_from(&config.notify);
            }
            job.channels.retain(|channel| {
                let known = config.channels.contains_key(channel);
                if !known {
                    warnings
                        .push(format!("job {slug} wants to tell channel {channel}, which is not configured"));
                }
                known
            });
            job
        }
        Err(errors) => {
            let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
            warnings.push(format!("job {slug} declares what can't be: {}", problems.join("; ")));
            merely_heard(config, slug)
        }
    }
}

/// A job without a schedule is judged by what it reports.
fn merely_heard(config: &Config, slug: &Slug) -> Job {
    let mut job = Job::new(slug.clone(), Schedule::Unscheduled { tz: config.time_zone.clone() });
    job.channels.clone_from(&config.notify);
    job
}

/// Marks which jobs the configuration knows: if it knows them no longer, they are dropped.
pub(super) fn mark_configured(roll: &mut Roll, config: &Config) {
    for (slug, state) in &mut roll.states {
        state.configured = config.jobs.contains_key(slug);
    }
}
