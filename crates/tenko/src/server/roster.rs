//! Who is who: what is expected of each job that something is kept of.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use tenko_core::{Declaration, Job, Slug};
use tenko_store::live::Entry;
use uuid::Uuid;

use super::recent::Recent;
use crate::checker::resolved;
use crate::config::Config;

/// So many jobs that the configuration does not know are remembered, so that what they declared need not be understood anew
/// each time.
const REMEMBERED: usize = 50_000;

/// The jobs of a configuration, and those that declared themselves lately.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) config: Arc<Config>,
    addresses: HashMap<Uuid, Slug>,
    others: Recent<Slug, Other>,
}

/// A job that the configuration does not know, and the digest of what it declared.
#[derive(Clone, Debug)]
struct Other {
    digest: Option<Box<str>>,
    job: Arc<Job>,
}

/// A job, wherever it is kept.
#[derive(Debug)]
pub(super) enum Expected<'a> {
    Configured(&'a Job),
    Other(Arc<Job>),
}

impl Deref for Expected<'_> {
    type Target = Job;

    fn deref(&self) -> &Job {
        match self {
            Self::Configured(job) => job,
            Self::Other(job) => job,
        }
    }
}

impl Roster {
    pub(super) fn new(config: Arc<Config>) -> Self {
        let addressed = config.jobs.iter().filter_map(|(slug, job)| Some((job.uuid?, slug.clone())));
        Self { addresses: addressed.collect(), config, others: Recent::new(REMEMBERED) }
    }

    /// The job that the configuration gives an address. It holds from the first ping on, before the store has heard of it.
    pub(super) fn addressed(&self, address: Uuid) -> Option<&Slug> {
        self.addresses.get(&address)
    }

    pub(super) fn is_configured(&self, slug: &Slug) -> bool {
        self.config.jobs.contains_key(slug)
    }

    /// Whether something is expected of the job, or at least kept of it.
    pub(super) fn is_known(&self, slug: &Slug, entry: &Entry) -> bool {
        let kept = entry.state.is_some() || entry.declaration.is_some();
        self.is_configured(slug) || kept && !self.has_left(slug, entry)
    }

    /// Whether a configuration knew the job, and knows it no longer, and it has not declared itself.
    pub(super) fn has_left(&self, slug: &Slug, entry: &Entry) -> bool {
        let was_configured = entry.state.as_ref().is_some_and(|state| state.configured);
        was_configured && entry.declaration.is_none() && !self.is_configured(slug)
    }

    /// The job as the configuration knows it, or as it declared itself, or as it was merely heard of.
    pub(super) fn expected(&self, slug: &Slug, declaration: Option<&Declaration>) -> Expected<'_> {
        if let Some(configured) = self.config.jobs.get(slug) {
            return Expected::Configured(&configured.job);
        }
        let digest = declaration.map(|declaration| declaration.digest.as_str());
        if let Some(known) = self.others.get(slug).filter(|known| known.digest.as_deref() == digest) {
            return Expected::Other(known.job);
        }
        let mut warnings = Vec::new();
        let job = Arc::new(resolved(&self.config, slug, declaration, &mut warnings));
        for warning in warnings {
            tracing::warn!("{}", crate::printer::one_line(&warning));
        }
        self.others.put(slug.clone(), Other { digest: digest.map(Into::into), job: Arc::clone(&job) });
        Expected::Other(job)
    }
}
