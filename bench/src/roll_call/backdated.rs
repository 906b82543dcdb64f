//! A store in which evidence arrived when it happened, so that days can be called one after the other within seconds.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tenko_core::roll::{Changes, Cursor, Roll};
use tenko_core::{Evidence, Slug};
use tenko_store::{Appended, Commit, Facts, News, Result, SharedStore, Snapshot, Store};

#[derive(Debug)]
pub(super) struct Backdated(SharedStore);

impl Backdated {
    pub(super) fn shared(store: SharedStore) -> SharedStore {
        Arc::new(Self(store))
    }
}

fn backdate(piece: &mut Evidence) {
    let arrived = piece.at + SignedDuration::from_secs(1);
    piece.received_at = piece.received_at.map(|received| received.min(arrived));
}

#[async_trait]
impl Store for Backdated {
    fn url(&self) -> String {
        self.0.url()
    }

    async fn append(&self, evidence: &[Evidence]) -> Result<Vec<Appended>> {
        self.0.append(evidence).await
    }

    async fn news(&self, since: &Cursor, now: Timestamp) -> Result<News> {
        let mut news = self.0.news(since, now).await?;
        news.evidence.iter_mut().for_each(backdate);
        Ok(news)
    }

    fn may_overlook(&self) -> bool {
        self.0.may_overlook()
    }

    async fn between(&self, job: Option<&Slug>, from: Timestamp, to: Timestamp) -> Result<Vec<Evidence>> {
        let mut evidence = self.0.between(job, from, to).await?;
        evidence.iter_mut().for_each(backdate);
        Ok(evidence)
    }

    async fn read(&self, evidence: &Evidence) -> Result<Evidence> {
        self.0.read(evidence).await
    }

    async fn load(&self) -> Result<Snapshot> {
        self.0.load().await
    }

    async fn commit(&self, base: u64, roll: &Roll, changes: &Changes) -> Result<Commit> {
        self.0.commit(base, roll, changes).await
    }

    async fn facts(&self, job: &Slug, limit: usize) -> Result<Facts> {
        self.0.facts(job, limit).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.0.prune(before).await
    }
}
