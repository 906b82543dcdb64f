//! `tenko aws presign`: a URL by which a host without credentials leaves evidence.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tenko_core::{Evidence, Job, Kind, RunId, Slug, format};
use tenko_store::layout::EvidenceKey;
use tenko_store::open::{self, OpenOptions, Upload};
use uuid::Uuid;

use super::place;
use crate::cli::Common;
use crate::command::{Setup, in_runtime};
use crate::config::{ConfiguredJob, PlainObject};
use crate::error::CommandError;
use crate::{printer, words};

/// S3 accepts no longer ones.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 7);
/// A key that says two moments needs them so far apart.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const USUAL: SignedDuration = SignedDuration::from_hours(1);

/// Print a signed URL by which a host without credentials leaves evidence, once
///
/// The evidence is a success. It counts from the moment of this command on, or answers the due that --due names, and is
/// found by the first roll call after it arrived. Of a job that is judged by a plain object, the URL is that of the object.
#[derive(Debug, Args)]
pub(super) struct Presign {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// For how long the URL can be used, at most 7d; with temporary credentials no longer than those [default: 1h, or the
    /// deadline of the due]
    #[arg(long, env = "TENKO_EXPIRES", value_name = "LENGTH")]
    expires: Option<String>,
    /// Which due it answers: next, or a time (RFC 3339, or civil time in the job's zone) [default: of a plain object next,
    /// otherwise none]
    #[arg(long, env = "TENKO_DUE", value_name = "TIME")]
    due: Option<String>,
    /// Print JSON
    #[arg(long, env = "TENKO_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

/// What may be done, and until when.
#[derive(Debug, Serialize)]
struct Signed {
    job: Slug,
    method: &'static str,
    url: String,
    headers: BTreeMap<&'static str, &'static str>,
    /// What to send; anything, if `None`.
    body: Option<String>,
    key: String,
    due: Option<Timestamp>,
    expires_at: Timestamp,
}

impl Presign {
    /// Prints it.
    pub(super) fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let now = Timestamp::now();
        let signed = in_runtime(self.sign(&setup, now))?;
        if self.json {
            printer::print_json(&signed)?;
        } else {
            printer::print(&signed.as_curl())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn sign(&self, setup: &Setup, now: Timestamp) -> Result<Signed, CommandError> {
        let configured = setup.config.jobs.get(self.job.as_str());
        match configured.and_then(|configured| Some((configured, configured.object.as_ref()?))) {
            Some((configured, object)) => self.sign_object(configured, object, now).await,
            None => self.sign_evidence(setup, configured, now).await,
        }
    }

    async fn sign_object(
        &self,
        configured: &ConfiguredJob,
        object: &PlainObject,
        now: Timestamp,
    ) -> Result<Signed, CommandError> {
        let job = &configured.job;
        let due = match (&self.due, object.is_dated()) {
            (Some(text), _) => Some(due_of(job, text, now)?),
            (None, true) => Some(next_due(job, now)?),
            (None, false) => job.schedule.next_due(now, now),
        };
        let keys = object.keys(due.unwrap_or(now), job.schedule.time_zone());
        let Some(key) = keys.exact().map(str::to_owned) else {
            let problem = format!("the object of {} may have any of several keys: {keys}", job.slug);
            return Err(CommandError::usage(problem).hint(
                "name one key in the configuration, or let the host choose one and sign it with the AWS CLI",
            ));
        };
        let valid_for = self.valid_for(job, due, now)?;
        let url = sign(&object.url(), &key, Upload::Overwrite, valid_for).await?;
        let expires_at = now.checked_add(valid_for).unwrap_or(now);
        Ok(Signed {
            job: job.slug.clone(),
            method: "PUT",
            url,
            headers: BTreeMap::new(),
            body: None,
            key,
            due,
            expires_at,
        })
    }

    async fn sign_evidence(
        &self,
        setup: &Setup,
        configured: Option<&ConfiguredJob>,
        now: Timestamp,
    ) -> Result<Signed, CommandError> {
        place::store(setup)?;
        let slug = Slug::new(&self.job).map_err(CommandError::usage)?;
        let job = configured.map(|configured| &configured.job);
        let due = match (&self.due, job) {
            (None, _) => None,
            (Some(text), Some(job)) => Some(due_of(job, text, now)?),
            (Some(_), None) => {
                return Err(place::not_configured(&self.job, &setup.config)
                    .hint("--due is for jobs of which the schedule is known"));
            }
        };
        let valid_for = match job {
            Some(job) => self.valid_for(job, due, now)?,
            None => self.length()?.unwrap_or(USUAL),
        };
        let expires_at = now.checked_add(valid_for).unwrap_or(now);
        let evidence = Evidence::new(slug.clone(), RunId(Uuid::now_v7()), Kind::Success, due.unwrap_or(now));
        // The key begins with the last moment at which it can arrive: whenever it does, it lies before no roll call that
        // has been, and the next one finds it.
        let key = EvidenceKey::new(&evidence, expires_at).to_string();
        let url = sign(&setup.store_url, &key, Upload::Create, valid_for).await?;
        let body =
            String::from_utf8(format::write_evidence(&evidence)).map_err(CommandError::could_not_tell)?;
        let headers = BTreeMap::from([("If-None-Match", "*")]);
        remark_on_dues(job, due, now, expires_at);
        Ok(Signed { job: slug, method: "PUT", url, headers, body: Some(body), key, due, expires_at })
    }

    fn length(&self) -> Result<Option<SignedDuration>, CommandError> {
        let Some(text) = &self.expires else { return Ok(None) };
        let length = words::parse_length("--expires", text)?;
        if (SHORTEST..=LONGEST).contains(&length) {
            return Ok(Some(length));
        }
        Err(CommandError::usage(format!("--expires {text} is not between a minute and seven days"))
            .hint("S3 accepts signed URLs for at most seven days"))
    }

    /// Until the deadline of the due, unless somebody says otherwise: what comes later did not come in time.
    fn valid_for(
        &self,
        job: &Job,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<SignedDuration, CommandError> {
        let deadline = due.and_then(|due| due.checked_add(job.limits.grace).ok());
        let left = deadline.map(|deadline| deadline.duration_since(now));
        if let Some(length) = self.length()? {
            if self.due.is_some() && left.is_some_and(|left| length > left) {
                printer::remark(
                    "note: the URL outlives the deadline; what arrives after it still counts for the due, as if it had come in time",
                );
            }
            return Ok(length);
        }
        match left {
            None => Ok(USUAL),
            Some(left) if left > LONGEST => Err(CommandError::usage(format!(
                "the deadline of {} is {} away, and S3 accepts signed URLs for at most seven days",
                job.slug,
                words::length(left)
            ))
            .hint("run this command later, or say --expires")),
            Some(left) if left < SHORTEST => {
                Err(CommandError::usage(format!("the deadline of this due of {} has passed", job.slug))
                    .hint("say --expires 1h if it shall be answered all the same"))
            }
            Some(left) => Ok(left),
        }
    }
}

async fn sign(
    url: &str,
    key: &str,
    upload: Upload,
    valid_for: SignedDuration,
) -> Result<String, CommandError> {
    let valid_for = Duration::from_secs(valid_for.as_secs().unsigned_abs());
    let signed = open::presign(url, key, upload, valid_for, &OpenOptions::default()).await?;
    Ok(signed.into())
}

fn next_due(job: &Job, now: Timestamp) -> Result<Timestamp, CommandError> {
    job.schedule.next_due(now, now).ok_or_else(|| {
        CommandError::usage(format!("{} is not due any more", job.slug))
            .hint("name a moment: --due 2026-11-24T05:00:00")
    })
}

/// The due that was meant; a moment that is none is refused, because evidence for it would answer another one.
fn due_of(job: &Job, text: &str, now: Timestamp) -> Result<Timestamp, CommandError> {
    if text == "next" {
        return next_due(job, now);
    }
    let zone = job.schedule.time_zone();
    let said = words::parse_moment(text, zone)?;
    let before = said.checked_sub(SignedDuration::from_secs(1)).unwrap_or(said);
    let due = job.schedule.next_due(now.min(before), before);
    match due {
        Some(due) if due == said => Ok(due),
        Some(due) => {
            Err(CommandError::usage(format!("{} is not due at {}", job.slug, words::moment(said, zone)))
                .hint(format!("the next due after it is {}", words::moment(due, zone))))
        }
        None => Err(CommandError::usage(format!("{} is not due at {}", job.slug, words::moment(said, zone)))),
    }
}

/// Evidence without a due counts from now on, and so answers no due that is still to come.
fn remark_on_dues(job: Option<&Job>, due: Option<Timestamp>, now: Timestamp, until: Timestamp) {
    let Some(job) = job else { return };
    let next = job.schedule.next_due(now, now).filter(|next| due.is_none() && *next <= until);
    if let Some(next) = next {
        let shown = words::moment(next, job.schedule.time_zone());
        printer::remark(&format!(
            "note: this counts as a success of now, which does not answer the due of {shown}; for that one say --due next"
        ));
    }
}

impl Signed {
    /// A line of shell. The URL has no quotation marks in it, nor has the body.
    fn as_curl(&self) -> String {
        let mut line = "curl --fail --silent --show-error --request PUT".to_owned();
        for (name, value) in &self.headers {
            line.push_str(&format!(" --header '{name}: {value}'"));
        }
        match &self.body {
            Some(body) => line.push_str(&format!(" --data-binary '{body}'")),
            None => line.push_str(" --upload-file FILE"),
        }
        format!("{line} '{}'\n", self.url.replace('\'', "%27"))
    }
}
