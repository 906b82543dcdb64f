//! Everything that is shown of a server at one moment.

use std::fmt::Error;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;
use tenko_core::{JobState, Verdict};

use super::Told;
use super::families::{Families, float};
use super::jobs::States;
use crate::checker::Clock as _;
use crate::http::Snapshot;

/// What is shown.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) told: Told,
    pub(super) jobs: Arc<States>,
    pub(super) figures: Option<Snapshot>,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut families = Families(encoder);
        families.info("build", "The program", [("version", env!("CARGO_PKG_VERSION"))])?;
        self.jobs(&mut families)?;
        self.pings(&mut families)?;
        self.notices(&mut families)?;
        self.node(&mut families)?;
        self.http(&mut families)
    }
}

impl Page {
    fn jobs(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let census = self.told.status.census().jobs;
        let verdicts =
            [Verdict::New, Verdict::Up, Verdict::Late, Verdict::Down, Verdict::Paused, Verdict::Unknown];
        let names = verdicts.map(|verdict| (verdict, verdict.to_string()));
        let counted = names.iter().filter(|_| !census.is_empty()).map(|(verdict, name)| {
            ([("verdict", name.as_str())], float(census.get(verdict).copied().unwrap_or(0)))
        });
        families.gauges("jobs", "Jobs by verdict", None, counted)?;
        let of_each = |value: fn(&JobState) -> Option<f64>| {
            self.jobs.iter().filter_map(move |(slug, state)| Some(([("job", slug.as_str())], value(state)?)))
        };
        let up = of_each(|state| Some(if state.stored_verdict() == Verdict::Down { 0.0 } else { 1.0 }));
        families.gauges("job_up", "Whether a job is not down", None, up)?;
        let running = of_each(|state| Some(float(u64::try_from(state.running.len()).unwrap_or(0))));
        families.gauges("job_running", "Runs of a job under way", None, running)?;
        let success = of_each(|state| state.last_success.as_ref().map(|heard| seconds(heard.at)));
        families.gauges(
            "job_last_success_timestamp",
            "When a job succeeded last",
            Some(&Unit::Seconds),
            success,
        )?;
        let took = of_each(|state| state.tail.last()?.runtime().map(|length| length.as_secs_f64()));
        families.gauges("job_last_run_duration", "How long its last run took", Some(&Unit::Seconds), took)
    }

    fn pings(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let status = &self.told.status;
        let pings = &status.pings;
        let kinds = [
            ("start", &pings.start),
            ("success", &pings.success),
            ("fail", &pings.fail),
            ("log", &pings.log),
            ("ignored", &pings.ignored),
        ];
        let heard = kinds.map(|(kind, counter)| ([("kind", kind)], counter.get()));
        families.counters("pings", "Pings that were stored, by what they said", heard)?;
        let refused = [("busy", &status.busy), ("store", &status.unstored), ("unknown", &status.unknown)];
        let refused = refused.map(|(reason, counter)| ([("reason", reason)], counter.get()));
        families.counters("pings_refused", "Pings that were not stored, and why", refused)?;
        families.gauge("queue_length", "Pings that wait to be stored", None, float(status.waiting.get()))?;
        let (sizes, commits) = (&status.batch_sizes, &status.commits);
        families.histogram("batch_pings", "Pings that were stored in one transaction", None, sizes)?;
        families.histogram("commit", "How long such a transaction took", Some(&Unit::Seconds), commits)
    }

    fn notices(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let status = &self.told.status;
        families.counter("flips", "Changes of verdict that were decided here", status.flips.get())?;
        let unjudged = "Times that a job could not be judged because of a mistake in Tenko";
        families.counter("unjudged", unjudged, status.unjudged.get())?;
        let lag = &status.notice_lag;
        families.histogram(
            "notice_lag",
            "How long notices waited to be accepted",
            Some(&Unit::Seconds),
            lag,
        )?;
        let dead = status.census().dead;
        let dead = dead.iter().map(|(channel, count)| ([("channel", channel.as_str())], float(*count)));
        families.gauges(
            "notices_dead",
            "Notices that could not be delivered, until they are removed",
            None,
            dead,
        )?;
        let channels = status.channels();
        let results = channels.iter().flat_map(|(name, told)| {
            let results =
                [("accepted", told.accepted), ("put_off", told.put_off), ("given_up", told.given_up)];
            results.map(|(result, count)| ([("channel", name.as_str()), ("result", result)], count))
        });
        families.counters("notices", "What became of notices, by channel", results)
    }

    fn node(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let (status, now) = (&self.told.status, self.told.clock.now());
        let moments = [
            (
                "attended_age",
                "How long ago this node noted in the store that it is there",
                status.attended_at(),
            ),
            ("deadlines_age", "How long ago deadlines were looked at", status.looked_at()),
        ];
        for (name, help, moment) in moments {
            if let Some(moment) = moment {
                let age = now.duration_since(moment).as_secs_f64().max(0.0);
                families.gauge(name, help, Some(&Unit::Seconds), age)?;
            }
        }
        Ok(())
    }

    fn http(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let Some(figures) = &self.figures else { return Ok(()) };
        families.gauge("http_connections", "Connections that are open", None, float(figures.open))?;
        let ends = [
            ("accepted", figures.accepted),
            ("refused", figures.refused),
            ("overdue", figures.overdue),
            ("accept_error", figures.accept_errors),
        ];
        let ends = ends.map(|(result, count)| ([("result", result)], count));
        families.counters("http_connection_results", "Connections, by what became of them", ends)?;
        let classes = ["2xx", "3xx", "4xx", "5xx"].into_iter().zip(figures.answers);
        let answers = classes.map(|(class, count)| ([("status", class)], count));
        families.counters("http_answers", "Answers by the first digit of their status", answers)?;
        families.counter("http_ambiguous", "Requests that could be read in two ways", figures.ambiguous)
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
