//! A server with everything in it: the store, an engine, and the doors at which pings come in.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tenko_store::SharedStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hearing::Hearing;
use crate::aws::secrets;
use crate::checker::Clock as _;
use crate::command::Setup;
use crate::config::{Config, ListenAt, MailOptions, ServerOptions};
use crate::error::CommandError;
use crate::http::{
    self, App, Certificate, KeyHash, Limits, Listen, Options, RateLimit, Ready, Server, Times,
};
use crate::mail_in::{self, MailIn};
use crate::metrics::{self, Now, Source, Told};
use crate::notify::Channels;
use crate::server::intake::Hears;
use crate::server::{Engine, EngineError, EngineOptions, LONGEST_SILENCE};
use crate::{printer, words};

/// How often it is looked for keys that were made or revoked.
const LOOK_FOR_KEYS: Duration = Duration::from_secs(2);
/// How long an engine still hears pings after another one has taken over.
const HANDING_OVER: Duration = Duration::from_millis(200);
/// What keys of pings are for.
const PING: &str = "ping";

/// A server at work.
pub(super) struct House {
    store: SharedStore,
    engine: Option<Engine>,
    hearing: Arc<Hearing>,
    keys: Arc<http::Keys>,
    readiness: Arc<Readiness>,
    certificate: Option<Arc<Certificate>>,
    stop: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    key_watch: JoinHandle<()>,
    config: Arc<Config>,
    words: String,
}

impl House {
    /// Opens the store, begins to keep deadlines, then to hear pings.
    pub(super) async fn open(setup: &Setup) -> Result<Self, CommandError> {
        let store = setup.open_store().await?;
        let config = secrets::fetched(&setup.config).await?;
        let engine = start(&config, &store).await?;
        let readiness = Arc::new(Readiness::of(&engine, &config));
        let hearing = Arc::new(Hearing::new(engine.hears()));
        let known = hashes(&config, &engine);
        let keys = Arc::new(http::Keys::new(known.iter().copied()));
        let figures = Arc::new(OnceLock::new());
        let routes = metrics::routes(Source {
            now: Arc::<Readiness>::clone(&readiness),
            figures: Arc::clone(&figures),
            store: Arc::clone(&store),
        });
        let app = App {
            hears: Arc::<Hearing>::clone(&hearing),
            keys: Arc::clone(&keys),
            ready: Arc::<Readiness>::clone(&readiness),
            routes,
        };
        let server = Server::bind(options(&config.server), app).await.map_err(no_door)?;
        drop(figures.set(server.figures()));
        let mail = match &config.server.mail {
            Some(mail) => {
                let hears = Arc::<Hearing>::clone(&hearing);
                Some(mail_door(mail, &config, hears, Arc::clone(&keys), server.rates()).await?)
            }
            None => None,
        };
        let words = said(&server, &store, &config, known.is_empty());
        let certificate = server.certificate();
        let (stop, stopped) = watch::channel(false);
        let mut doors = vec![tokio::spawn(server.serve(told(stopped.clone())))];
        if let Some(mail) = mail {
            doors.push(tokio::spawn(mail.serve(told(stopped))));
        }
        let key_watch = tokio::spawn(watch_keys(engine.keys(), Arc::clone(&keys), Arc::clone(&config)));
        let engine = Some(engine);
        Ok(Self {
            store,
            engine,
            hearing,
            keys,
            readiness,
            certificate,
            stop,
            doors,
            key_watch,
            config,
            words,
        })
    }

    /// Works by another configuration from now on. What is heard meanwhile is heard by the one or the other.
    pub(super) async fn furnish(&mut self, setup: &Setup) -> Result<(), CommandError> {
        if setup.config.server.tls != self.config.server.tls
            || setup.config.server.listen != self.config.server.listen
        {
            printer::remark(
                "warning: where the server listens, and its certificate's place, change with a new start only",
            );
        }
        let config = secrets::fetched(&setup.config).await?;
        if let Some(certificate) = &self.certificate {
            certificate.reload().map_err(no_door)?;
        }
        let engine = start(&config, &self.store).await?;
        self.hearing.replace(engine.hears());
        self.keys.replace(hashes(&config, &engine));
        self.readiness.replace(&engine, &config);
        self.key_watch.abort();
        self.key_watch = tokio::spawn(watch_keys(engine.keys(), Arc::clone(&self.keys), Arc::clone(&config)));
        self.config = config;
        if let Some(before) = self.engine.replace(engine) {
            // For those who are just handing over a ping.
            tokio::time::sleep(HANDING_OVER).await;
            before.stop().await;
        }
        Ok(())
    }

    /// Whether pings can be heard; if not, why.
    pub(super) fn ready(&self) -> Result<(), String> {
        self.readiness.ready()
    }

    /// Whether it still moves, be the store there or not; if not, what does not. Never returns if nothing moves at all.
    pub(super) async fn alive(&self) -> Result<(), String> {
        // Somebody of those who do all the work has to come to this. That it panics is not possible.
        drop(tokio::spawn(std::future::ready(())).await);
        match self.engine.as_ref().and_then(|engine| engine.hanging(Instant::now())) {
            Some(part) => Err(format!("{part} hangs: this is a mistake in Tenko itself, please report it")),
            None => Ok(()),
        }
    }

    /// What is served where, in one line.
    pub(super) fn in_words(&self) -> String {
        self.words.clone()
    }

    /// Returns when it can't go on.
    pub(super) async fn failed(&mut self) -> CommandError {
        let Some(engine) = &self.engine else { return std::future::pending().await };
        CommandError::could_not_tell(engine.failed().await)
    }

    /// Ends when what is under way is done, or has taken too long.
    pub(super) async fn close(&mut self) {
        self.key_watch.abort();
        self.stop.send_replace(true);
        for door in self.doors.drain(..) {
            // If it panicked, that was said.
            drop(door.await);
        }
        if let Some(engine) = self.engine.take() {
            let stopped = tokio::time::timeout(self.config.server.shutdown_timeout, engine.stop()).await;
            if stopped.is_err() {
                tracing::warn!("what was under way has taken too long and is given up");
            }
        }
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // That nobody can say it any more means it too.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn start(config: &Arc<Config>, store: &SharedStore) -> Result<Engine, CommandError> {
    let server = &config.server;
    let channels = Channels::open(&config.channels);
    let usual = EngineOptions::new(Arc::clone(config), Arc::clone(store), channels);
    let at = server.listen.first().map(ToString::to_string).unwrap_or_default();
    let options = EngineOptions {
        name: format!("{} {at}", usual.name).trim().to_owned(),
        created_jobs_limit: server.created_jobs_limit,
        retention: server.retention,
        ..usual
    };
    Engine::start(options).await.map_err(|error| match error {
        EngineError::NotLive { .. } => CommandError::usage(error).hint(
            "a server needs a store of its own, sqlite:///PATH or postgres://...; jobs that leave evidence in a bucket go under [sources]",
        ),
        error => CommandError::could_not_tell(error),
    })
}

fn hashes(config: &Config, engine: &Engine) -> Vec<KeyHash> {
    all_hashes(config, &engine.keys())
}

fn all_hashes(config: &Config, kept: &crate::server::Keys) -> Vec<KeyHash> {
    let configured = config.server.ping_keys.values().map(|key| KeyHash::of(key.reveal()));
    configured.chain(kept.hashes(PING).into_iter().map(KeyHash)).collect()
}

async fn watch_keys(kept: Arc<crate::server::Keys>, keys: Arc<http::Keys>, config: Arc<Config>) {
    loop {
        tokio::time::sleep(LOOK_FOR_KEYS).await;
        keys.replace(all_hashes(&config, &kept));
    }
}

fn options(server: &ServerOptions) -> Options {
    let listen = |at: &ListenAt| match at {
        ListenAt::Tcp(address) => Listen::Tcp(*address),
        ListenAt::Unix(path) => Listen::Unix(path.clone()),
    };
    let usual = Options::default();
    Options {
        listen: server.listen.iter().map(listen).collect(),
        tls: server
            .tls
            .as_ref()
            .map(|files| http::TlsFiles { certificate: files.certificate.clone(), key: files.key.clone() }),
        trusted: server.trusted_proxies.iter().filter_map(|prefix| prefix.to_string().parse().ok()).collect(),
        ping_at_root: server.ping_at_root,
        body_limit: server.body_limit,
        times: Times {
            header: server.header_timeout,
            body: server.body_timeout,
            idle: server.idle_timeout,
            drain: server.shutdown_timeout,
            ..usual.times
        },
        limits: Limits {
            connections: server.max_connections,
            connections_per_address: server.max_connections_per_address,
            ..usual.limits
        },
        rate: server.rate_limit.map(RateLimit::evenly),
        key_rate: server.key_rate_limit.map(RateLimit::evenly),
        ..usual
    }
}

fn no_door(error: http::HttpError) -> CommandError {
    let in_use =
        matches!(&error, http::HttpError::Listen { why, .. } if why.kind() == std::io::ErrorKind::AddrInUse);
    let error = CommandError::usage(error);
    if in_use {
        error.hint("another server listens there; choose another address with --listen")
    } else {
        error
    }
}

async fn mail_door(
    mail: &MailOptions,
    config: &Config,
    hears: Arc<dyn Hears>,
    keys: Arc<http::Keys>,
    rates: Arc<http::Rates>,
) -> Result<MailIn, CommandError> {
    let options = mail_in::Options {
        drain: config.server.shutdown_timeout,
        ..mail_in::Options::new(mail.listen, &mail.domain)
    };
    let bound = MailIn::bind(options, hears, keys, rates)
        .await
        .map_err(|error| CommandError::usage(format!("can't listen for mail at {}: {error}", mail.listen)))?;
    printer::remark(&format!("serving pings by e-mail at {}", bound.local_addr()));
    Ok(bound)
}

/// Says on standard error what is served where, and gives it in short.
fn said(server: &Server, store: &SharedStore, config: &Config, no_key: bool) -> String {
    let protocol = if config.server.tls.is_some() { "https" } else { "http" };
    for bound in server.bound() {
        match bound {
            Listen::Tcp(address) => {
                printer::remark(&format!("serving pings at {protocol}://{address}/ping/"));
            }
            Listen::Unix(_) => printer::remark(&format!("serving pings at {bound}")),
        }
    }
    if config.server.metrics.is_some() {
        printer::remark("serving metrics at /metrics, health at /livez and /readyz");
    }
    let (jobs, channels) = (config.jobs.len(), config.channels.len());
    if no_key {
        printer::remark(
            "no key may stand in ping URLs yet: tenko key add NAME makes one; tenko jobs --urls lists the URLs without",
        );
    }
    let words = format!("keeping {}: {jobs} configured jobs, {channels} channels", store.url());
    printer::remark(&words);
    words
}

/// What is known of the engine that works now.
#[derive(Debug)]
pub(super) struct Readiness(RwLock<Told>);

impl Readiness {
    fn of(engine: &Engine, config: &Arc<Config>) -> Self {
        Self(RwLock::new(state_of(engine, config)))
    }

    fn replace(&self, engine: &Engine, config: &Arc<Config>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state_of(engine, config);
    }
}

fn state_of(engine: &Engine, config: &Arc<Config>) -> Told {
    Told { status: engine.status(), clock: engine.clock(), config: Arc::clone(config) }
}

impl Now for Readiness {
    fn told(&self) -> Told {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Ready for Readiness {
    fn ready(&self) -> Result<(), String> {
        let told = self.told();
        let now = told.clock.now();
        let silent = told.status.attended_at().map(|at| now.duration_since(at));
        match silent {
            Some(silent) if silent <= LONGEST_SILENCE => Ok(()),
            Some(silent) => Err(format!("the store has not answered for {}", words::length(silent))),
            None => Err("the store has not answered yet".into()),
        }
    }
}
