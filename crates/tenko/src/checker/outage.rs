//! The note on this machine that the store could not be reached: what is in the store can't say so.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenko_core::message::ALL_JOBS;
use tenko_core::notice::{BLIND_TRIES, Facts};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::{ChannelName, Notice, NoticeKind, Slug, notice};
use tenko_store::StoreError;

use super::{Checker, Report};

/// Since when the store could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Which store.
    pub store: String,
    /// Since when.
    pub since: Timestamp,
    /// For how many roll calls.
    pub tries: u32,
    /// What it said last.
    pub problem: String,
    /// Which channels were told.
    #[serde(default)]
    pub told: Vec<ChannelName>,
}

impl Outage {
    /// The note about a store, if there is one. One that can't be read counts as none.
    pub fn read(state_dir: &Path, store: &str) -> Option<Self> {
        let text = fs::read(path(state_dir, store)).ok()?;
        serde_json::from_slice::<Self>(&text).ok().filter(|outage| outage.store == store)
    }

    fn write(&self, state_dir: &Path) -> std::io::Result<()> {
        fs::create_dir_all(state_dir)?;
        let place = path(state_dir, &self.store);
        let draft = place.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&draft, &place)
    }
}

fn path(state_dir: &Path, store: &str) -> PathBuf {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, store.as_bytes());
    state_dir.join(format!("outage-{}.json", id.simple()))
}

impl Checker {
    /// Notes that the store could not be reached, and after some tries tells the channels directly: there is no outbox
    /// to write to.
    pub(super) async fn blinded(&self, known: Option<Outage>, error: &StoreError, now: Timestamp) {
        let Some(dir) = &self.state_dir else { return };
        let problem = crate::error::chain(error);
        let new = Outage {
            store: self.store.url(),
            since: now,
            tries: 0,
            problem: String::new(),
            told: Vec::new(),
        };
        let mut outage = known.unwrap_or(new);
        outage.tries = outage.tries.saturating_add(1);
        outage.problem = problem;
        if outage.tries >= BLIND_TRIES {
            for channel in self.everybody() {
                if !outage.told.contains(&channel)
                    && self.say(&channel, NoticeKind::Unknown, &outage, now).await
                {
                    outage.told.push(channel);
                }
            }
        }
        if let Err(error) = outage.write(dir) {
            tracing::warn!(%error, "can't note that the store is out of reach");
        }
    }

    /// The store can be reached again: whoever was told that it could not is told.
    pub(super) async fn sighted(&self, outage: Option<Outage>, report: &mut Report) {
        let (Some(outage), Some(dir)) = (outage, &self.state_dir) else { return };
        for channel in &outage.told {
            if !self.say(channel, NoticeKind::Known, &outage, report.at).await {
                report.warnings.push(format!("{channel} was not told that the store can be reached again"));
            }
        }
        if let Err(error) = fs::remove_file(path(dir, &outage.store)) {
            tracing::warn!(%error, "can't remove the note that the store was out of reach");
        }
    }

    /// Every channel that some job tells, or the default ones.
    fn everybody(&self) -> Vec<ChannelName> {
        let of_jobs = self.config.jobs.values().flat_map(|configured| &configured.job.channels);
        let mut all: Vec<ChannelName> = self.config.notify.iter().chain(of_jobs).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    async fn say(&self, channel: &ChannelName, kind: NoticeKind, outage: &Outage, now: Timestamp) -> bool {
        let Ok(job) = Slug::new(ALL_JOBS) else { return false };
        let facts = Facts {
            time_zone: self.config.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            down_since: Some(outage.since),
            message: Some(outage.problem.clone()),
            whole_store: true,
            ..Facts::default()
        };
        let id = notice::id(&job, outage.since, kind, channel);
        let at = if kind == NoticeKind::Unknown { outage.since } else { now };
        let notice = Notice { id, channel: channel.clone(), job, kind, at, created_at: now, facts };
        let batch = Batch { channel: channel.clone(), notices: vec![notice] };
        self.channels.deliver(&batch).await == Delivery::Accepted
    }
}
