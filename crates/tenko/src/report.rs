//! How a process on this machine gets its evidence away: to a store, or to any Healthchecks-compatible URL; and where
//! it is kept when that does not work.

pub mod declare;
pub mod healthchecks;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tenko_core::notice::{self, Facts};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::{Evidence, NoticeKind};
use tenko_store::StoreError;
use tenko_store::open::{self, Here, OpenOptions};
use tenko_store::spool::Spool;

use crate::config::Config;
use crate::notify::Channels;
use crate::printer;
use healthchecks::{PingError, Pinger};

/// The most evidence from the spool that is sent along with new evidence.
const ALONG: usize = 100;

/// Where evidence goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A store.
    Store(String),
    /// A Healthchecks-compatible URL.
    Healthchecks(url::Url),
    /// Whatever the configuration says, once it can be read.
    Configured,
}

/// Stands in the spool for [`Destination::Configured`].
pub const CONFIGURED: &str = "configured:";

impl Destination {
    /// Of a URL: `http` and `https` are pinged, everything else is a store.
    pub fn of(url: &str) -> Self {
        match url::Url::parse(url) {
            _ if url == CONFIGURED => Self::Configured,
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Self::Healthchecks(parsed),
            _ => Self::Store(url.to_owned()),
        }
    }

    /// The URL in full, for the spool.
    pub fn url(&self) -> &str {
        match self {
            Self::Store(url) => url,
            Self::Healthchecks(url) => url.as_str(),
            Self::Configured => CONFIGURED,
        }
    }

    /// The URL as it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Store(url) => open::redact_url(url),
            Self::Healthchecks(url) => healthchecks::shown(url),
            Self::Configured => "the configured store".to_owned(),
        }
    }
}

/// Evidence could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The URL did not take it.
    #[error(transparent)]
    Ping(#[from] PingError),
    /// There was no answer in time.
    #[error("no answer from {0} in time")]
    Late(String),
    /// Nobody knows where it should go.
    #[error("the configuration does not say which store to use, because it can't be read")]
    NoConfiguration,
    /// No runtime could be started.
    #[error("can't wait for the network")]
    Runtime(#[source] std::io::Error),
}

impl SendError {
    /// Whether it makes no sense to send the same evidence there again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Ping(error) if error.is_final())
    }
}

/// What became of evidence that was handed over.
#[derive(Debug)]
pub enum Fate {
    /// It is stored.
    Stored,
    /// It is in the spool, and will be sent later.
    Spooled(SendError),
    /// It was refused for good, and is given up: to keep it would not help.
    Refused(SendError),
    /// It is lost: the spool did not take it either.
    Lost(SendError, std::io::Error),
}

/// Gets evidence away.
#[derive(Debug)]
pub struct Courier {
    destination: Destination,
    spool: PathBuf,
    pinger: Option<Pinger>,
    is_configured: bool,
    opened: Option<tenko_store::Result<Here>>,
}

impl Courier {
    /// To `destination`, with the spool below `state_dir`.
    pub fn new(destination: Destination, state_dir: &std::path::Path) -> Self {
        if destination.url() == "memory:" {
            printer::remark(
                "note: memory: keeps no evidence beyond this process; name a store with --store, or leave it to the job's object",
            );
        }
        let spool = state_dir.join("spool");
        Self { destination, spool, pinger: None, is_configured: false, opened: None }
    }

    /// To the store that the configuration names, if `is` so: what waited while that could not be read goes along.
    #[must_use]
    pub fn configured(self, is: bool) -> Self {
        Self { is_configured: is, ..self }
    }

    /// Opens a store on this machine, so that the evidence which is sent next need not wait for that.
    pub fn open(&mut self) {
        if let Destination::Store(url) = &self.destination {
            self.opened = open::open_here(url);
        }
    }

    /// Where it goes.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Sends evidence, and waits until it is durable there or `until` has come.
    pub fn send(&mut self, evidence: &[Evidence], until: Instant) -> Result<(), SendError> {
        if let Destination::Store(url) = &self.destination
            && let Some(opened) = self.opened.take().or_else(|| open::open_here(url))
        {
            return Ok(opened.and_then(|here| here.append(evidence)).map(drop)?);
        }
        let late = || SendError::Late(self.destination.shown());
        let left = until.saturating_duration_since(Instant::now());
        let late_error = late();
        block_on(async { tokio::time::timeout(left, self.send_over_network(evidence, left)).await })?
            .unwrap_or(Err(late_error))
    }

    async fn send_over_network(&mut self, evidence: &[Evidence], left: Duration) -> Result<(), SendError> {
        match &self.destination {
            Destination::Store(url) => {
                let options = OpenOptions { per_request: Some(left), ..OpenOptions::default() };
                open::open(url, &options).await?.append(evidence).await?;
            }
            Destination::Configured => return Err(SendError::NoConfiguration),
            Destination::Healthchecks(url) => {
                let pinger = self.pinger.get_or_insert_with(Pinger::default);
                for piece in evidence {
                    pinger.ping(url, piece, Instant::now() + left).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends evidence, or keeps it in the spool.
    pub fn deliver(&mut self, evidence: &[Evidence], until: Instant) -> Fate {
        let Err(error) = self.send(evidence, until) else {
            self.send_along(until);
            return Fate::Stored;
        };
        if error.is_final() {
            return Fate::Refused(error);
        }
        match self.keep(evidence) {
            Ok(()) => Fate::Spooled(error),
            Err(full) => Fate::Lost(error, full),
        }
    }

    /// Keeps evidence in the spool. Says so if older evidence had to give way.
    pub fn keep(&self, evidence: &[Evidence]) -> std::io::Result<()> {
        let spool = Spool::for_store(&self.spool, self.destination.url())?;
        // A start that is sent later by ping would count as a start of now.
        let to_url = matches!(self.destination, Destination::Healthchecks(_));
        let mut gave_way = 0;
        for piece in evidence.iter().filter(|piece| !to_url || piece.kind.is_end()) {
            gave_way += spool.put(piece)?;
        }
        if gave_way > 0 {
            let shown = self.destination.shown();
            printer::remark(&format!(
                "tenko: {gave_way} older, for {shown}, had to give way on disk and are lost"
            ));
        }
        Ok(())
    }

    /// Whether nothing waits in the spool for this destination.
    pub fn spool_is_empty(&self) -> bool {
        match Spool::existing(&self.spool, self.destination.url()) {
            Ok(Some(spool)) => spool.pending().map_or(true, |pending| pending.is_empty()),
            _ => true,
        }
    }

    /// When the destination can be reached, what waits for it goes along, as far as time allows.
    fn send_along(&mut self, until: Instant) {
        let own = self.destination.url().to_owned();
        self.send_spool(&own, until);
        if self.is_configured {
            self.send_spool(CONFIGURED, until);
        }
    }

    fn send_spool(&mut self, url: &str, until: Instant) {
        let Ok(Some(spool)) = Spool::existing(&self.spool, url) else { return };
        let mut emptying = Emptying::default();
        let sent =
            spool.drain(ALONG, |evidence| Instant::now() < until && emptying.send(self, evidence, until));
        if let Err(error) = sent {
            tracing::warn!(%error, "can't empty the spool");
        }
        emptying.remark(&self.destination);
    }
}

/// How it goes with what waited.
#[derive(Debug, Default)]
pub struct Emptying {
    /// How much was refused for good, and is given up.
    pub given_up: usize,
    /// Why the last was.
    refusal: Option<SendError>,
    /// Why the rest stays.
    pub problem: Option<SendError>,
}

impl Emptying {
    /// Sends one piece; says whether it need not be kept any longer.
    pub fn send(&mut self, courier: &mut Courier, evidence: &Evidence, until: Instant) -> bool {
        match courier.send(std::slice::from_ref(evidence), until) {
            Ok(()) => true,
            Err(error) if error.is_final() => {
                self.given_up += 1;
                self.refusal = Some(error);
                true
            }
            Err(error) => {
                self.problem = Some(error);
                false
            }
        }
    }

    /// Says what was given up, which is once: it is gone then.
    pub fn remark(&self, destination: &Destination) {
        let Some(refusal) = &self.refusal else { return };
        let (count, shown) = (self.given_up, destination.shown());
        let why = crate::error::chain(refusal);
        printer::remark(&format!(
            "tenko: {count} older, for {shown}, will never be accepted and are given up: {why}"
        ));
    }
}

/// Waits on this thread, which has no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, SendError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SendError::Runtime)?;
    Ok(runtime.block_on(work))
}

/// Tells the channels that a job ran and its evidence could not be stored (the founding case's own rule). Says who
/// was told.
pub async fn tell_unstored(config: &Config, evidence: &Evidence, problem: &str) -> Vec<String> {
    let config = match crate::aws::secrets::fetched(&Arc::new(config.clone())).await {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!("nobody can be told: {}", error.render().trim_end());
            return Vec::new();
        }
    };
    let configured = config.jobs.get(&evidence.job).map(|configured| &configured.job.channels);
    let channels = Channels::open(&config.channels);
    let mut told = Vec::new();
    for channel in configured.unwrap_or(&config.notify) {
        let facts = Facts {
            time_zone: config.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            message: Some(problem.to_owned()),
            up_since: (evidence.kind == tenko_core::Kind::Success).then_some(evidence.at),
            ..Facts::default()
        };
        let kind = NoticeKind::Unstored;
        let notice = tenko_core::Notice {
            id: notice::id(&evidence.job, evidence.at, kind, channel),
            channel: channel.clone(),
            job: evidence.job.clone(),
            kind,
            at: evidence.at,
            created_at: Timestamp::now(),
            facts: facts.with_evidence(evidence),
        };
        let batch = Batch { channel: channel.clone(), notices: vec![notice] };
        if channels.deliver(&batch).await == Delivery::Accepted {
            told.push(channel.to_string());
        }
    }
    told
}
