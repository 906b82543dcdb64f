//! What pings of one job make of it: evidence of its runs, or a job that was not there before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use tenko_core::schedule::ScheduleSpec;
use tenko_core::{Declaration, Evidence, Exit, Job, JobSpec, Kind, RunId, Slug};
use tenko_store::live::Entry;

use super::intake::{Heard, Ping, Said};
use super::judge::{Cause, Sitting};
use super::runs::{Runs, Sign};
use crate::report::declare::digest;

/// A ping of which it is known whom it is about.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) job: Slug,
    pub(super) ping: Ping,
    /// When it arrived.
    pub(super) at: Timestamp,
    /// Different for each ping.
    pub(super) random: u32,
}

/// What became of a ping, if it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) heard: Heard,
    /// What it says.
    pub(super) kind: Kind,
    /// Which piece of evidence of the transaction it became.
    pub(super) piece: Option<usize>,
}

/// Whether pings may create a job, asked when one wants to.
pub(super) type MayCreate<'a> = &'a dyn Fn() -> bool;

impl Sitting {
    /// Hears pings of one job, in the order in which they arrived.
    pub(super) fn hear(
        &mut self,
        slug: &Slug,
        mut entry: Entry,
        pings: &[Arrived],
        may_create: MayCreate<'_>,
    ) -> Vec<Fate> {
        let mut created = false;
        if !self.grounds.roster.is_known(slug, &entry) {
            if !pings.iter().any(|arrived| arrived.ping.create) || !may_create() {
                return vec![Fate { heard: Heard::Unknown, kind: Kind::Log, piece: None }; pings.len()];
            }
            entry = Entry { declaration: Some(created_by_ping()), items: entry.items, state: None };
            created = true;
        }
        let first = self.decided.evidence.len();
        let understood = catch_unwind(AssertUnwindSafe(|| self.as_evidence(slug, &entry, pings)));
        let Ok((mut fates, news)) = understood else { return self.keep_unjudged(slug, pings) };
        for fate in &mut fates {
            fate.piece = fate.piece.map(|piece| piece + first);
        }
        if created {
            // Whoever of them wanted it, the first one finds that it is new.
            if let Some(fate) = fates.first_mut() {
                fate.heard = Heard::Created;
            }
        }
        let cause = Cause { news: &news, anew: created, ..Cause::default() };
        self.judge(slug.clone(), entry, cause);
        self.decided.evidence.extend(news);
        fates
    }

    fn as_evidence(&self, slug: &Slug, entry: &Entry, pings: &[Arrived]) -> (Vec<Fate>, Vec<Evidence>) {
        let job = self.grounds.roster.expected(slug, entry.declaration.as_ref());
        let mut runs = Runs::of(entry.state.as_ref());
        let mut news = Vec::with_capacity(pings.len());
        let fates = pings.iter().map(|arrived| {
            let (kind, heard) = meaning(&job, &arrived.ping);
            let at = arrived.ping.at.unwrap_or(arrived.at);
            let sign = Sign { kind, rid: arrived.ping.rid, at, random: arrived.random };
            let piece = runs.meant_by(sign).map(|run| {
                news.push(self.evidence(arrived, run, kind, at));
                news.len() - 1
            });
            Fate { heard, kind, piece }
        });
        (fates.collect(), news)
    }

    /// Keeps pings that could not be understood, as what their URLs say, so that nothing is lost.
    fn keep_unjudged(&mut self, slug: &Slug, pings: &[Arrived]) -> Vec<Fate> {
        self.unjudged.push(slug.clone());
        let keep = |arrived: &Arrived| {
            let kind = said(&arrived.ping, &[0]);
            self.keep_as_its_own(arrived, kind);
            Fate { heard: Heard::Recorded, kind, piece: Some(self.decided.evidence.len() - 1) }
        };
        pings.iter().map(keep).collect()
    }

    /// Keeps a ping as a run of its own, without judging its job by it.
    pub(super) fn keep_as_its_own(&mut self, arrived: &Arrived, kind: Kind) {
        let at = arrived.ping.at.unwrap_or(arrived.at);
        let run = RunId::made(at, arrived.ping.rid, arrived.random);
        let evidence = self.evidence(arrived, run, kind, at);
        self.decided.evidence.push(evidence);
    }

    fn evidence(&self, arrived: &Arrived, run: RunId, kind: Kind, at: Timestamp) -> Evidence {
        let mut evidence = Evidence::new(arrived.job.clone(), run, kind, at);
        evidence.received_at = Some(self.grounds.now);
        evidence.report = arrived.ping.report.clone();
        evidence.report.rid = arrived.ping.rid.filter(|rid| run.0 != *rid);
        evidence
    }
}

/// What a ping means to its job.
fn meaning(job: &Job, ping: &Ping) -> (Kind, Heard) {
    let said = said(ping, &job.limits.clean_exit);
    let Some(rules) = &job.pings else { return (said, Heard::Recorded) };
    match rules.meaning(said, ping.report.via.as_ref(), ping.text.as_deref()) {
        Some(kind) => (kind, Heard::Recorded),
        None => (Kind::Log, Heard::Ignored),
    }
}

/// What a ping says by its URL.
fn said(ping: &Ping, clean_exit: &[u8]) -> Kind {
    match ping.said {
        Said::Start => Kind::Start,
        Said::Success => Kind::Success,
        Said::Fail(exit) => Kind::Fail(exit),
        Said::Exit(code) if clean_exit.contains(&code) => Kind::Success,
        Said::Exit(code) => Kind::Fail(Some(Exit::Code(code))),
        Said::Log => Kind::Log,
    }
}

/// What is expected of a job that a ping has created.
fn created_by_ping() -> Declaration {
    let schedule =
        ScheduleSpec { every: Some("1d".into()), tz: Some("UTC".into()), ..ScheduleSpec::default() };
    let spec = JobSpec { schedule, grace: Some("1h".into()), ..JobSpec::default() };
    Declaration { digest: digest(&spec), spec: Some(spec.into()) }
}
