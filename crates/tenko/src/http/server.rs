//! The server: it accepts connections as long as there is room, and drains when it is told to stop.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::connection;
use super::connections::{Connections, Order};
use super::dispatch::Site;
use super::figures::{Figures, count};
use super::health::Ready;
use super::keys::Keys;
use super::listen::{Bound, Listen, Listener};
use super::options::Options;
use super::rate::Rates;
use super::tls::Certificate;
use crate::server::intake::Hears;

/// How often it is looked for connections that take too long.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked for a new certificate.
const LOOK_FOR_CERTIFICATE: Duration = Duration::from_secs(60);
/// How long nothing is accepted after that failed, as it does when the process has no more open files.
const REST: Duration = Duration::from_millis(50);
/// Open files that are left to everything else.
const RESERVED_FILES: u64 = 64;
/// Connections that are told at a time that there is no room.
const REFUSED_AT_ONCE: usize = 16;

/// What the HTTP server serves.
#[derive(Clone, Debug)]
pub struct App {
    /// Who hears pings.
    pub hears: Arc<dyn Hears>,
    /// The ping keys that are known.
    pub keys: Arc<Keys>,
    /// Whether the server is ready to hear pings.
    pub ready: Arc<dyn Ready>,
    /// What else there is: metrics, an API, pages. It must not claim `/ping`, `/livez` and `/readyz`.
    pub routes: Router,
}

/// The server can't listen.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Somebody else listens there, or it is not allowed.
    #[error("can't listen at {at}")]
    Listen {
        /// The address.
        at: Listen,
        /// What the system says.
        #[source]
        why: io::Error,
    },
    /// The certificate or its key is no use.
    #[error("can't use {} for TLS", file.display())]
    Tls {
        /// Which of the two files.
        file: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// There is no address to listen at.
    #[error("there is no address to listen at")]
    Nowhere,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    bound: Vec<Bound>,
    site: Arc<Site>,
    connections: Arc<Connections>,
}

impl Server {
    /// Begins to listen at all addresses. Nobody is answered before [`serve`](Self::serve).
    ///
    /// # Errors
    /// If one of them can't be listened at, or the certificate can't be used.
    #[expect(clippy::unused_async, reason = "listening needs the runtime that it is called in")]
    pub async fn bind(options: Options, app: App) -> Result<Self, HttpError> {
        if options.listen.is_empty() {
            return Err(HttpError::Nowhere);
        }
        let certificate = options.tls.as_ref().map(Certificate::read).transpose()?.map(Arc::new);
        let (mut listeners, mut bound) = (Vec::new(), Vec::new());
        for at in &options.listen {
            let failed = |why| HttpError::Listen { at: at.clone(), why };
            let listener = Listener::bind(at).map_err(failed)?;
            bound.push(listener.bound().map_err(failed)?);
            listeners.push(listener);
        }
        let figures = Arc::new(Figures::default());
        let most = room(options.limits.connections);
        let connections =
            Connections::new(most, options.limits.connections_per_address, Arc::clone(&figures));
        let site = Arc::new(Site::new(options, app, certificate, figures));
        Ok(Self { listeners, bound, site, connections })
    }

    /// Where it listens, in the order of the options.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// The first TCP address at which it listens, with its port.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.bound.iter().find_map(|bound| match bound {
            Listen::Tcp(address) => Some(*address),
            Listen::Unix(_) => None,
        })
    }

    /// What it counts.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.site.figures)
    }

    /// How often pings may come, for other doors through which they come.
    pub fn rates(&self) -> Arc<Rates> {
        Arc::clone(&self.site.rates)
    }

    /// Its certificate, for whoever wants it read again.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.site.certificate.clone()
    }

    /// Serves until `stop` is there. Then nothing more is accepted, requests under way are finished, connections without one
    /// are closed, and it returns: at the latest after `times.drain`, when what is left is cut off.
    ///
    /// A failure to accept a connection is no reason to end.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let mut tasks = JoinSet::new();
        let refusing = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
        for listener in self.listeners {
            let door = Door {
                listener,
                site: Arc::clone(&self.site),
                connections: Arc::clone(&self.connections),
                refusing: Arc::clone(&refusing),
            };
            tasks.spawn(door.keep());
        }
        let mut watch = JoinSet::new();
        let connections = Arc::clone(&self.connections);
        watch.spawn(async move { end_overdue(&connections).await });
        if let Some(certificate) = self.site.certificate.clone() {
            tasks.spawn(async move { renew(&certificate).await });
        }
        stop.await;
        tasks.shutdown().await;
        self.connections.tell(Order::Finish);
        if timeout(self.site.options.times.drain, self.connections.none_left()).await.is_err() {
            tracing::warn!("connections were cut off because they did not finish in time");
            self.connections.tell(Order::End);
            self.connections.none_left().await;
        }
        watch.shutdown().await;
    }
}

/// How many connections there is room for.
fn room(wanted: usize) -> usize {
    let files = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    let files = files.map_or(1024, |(soft, _)| soft);
    // Where few files are allowed, half of them are for connections.
    let most = files.saturating_sub(RESERVED_FILES).max(files / 2);
    usize::try_from(most).map_or(wanted, |most| most.min(wanted))
}

async fn end_overdue(connections: &Connections) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        connections.end_overdue();
    }
}

async fn renew(certificate: &Certificate) {
    loop {
        sleep(LOOK_FOR_CERTIFICATE).await;
        match certificate.reload_if_written() {
            Ok(false) => {}
            Ok(true) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the certificate stays as it was");
            }
        }
    }
}

/// One address at which connections come in.
struct Door {
    listener: Listener,
    site: Arc<Site>,
    connections: Arc<Connections>,
    refusing: Arc<Semaphore>,
}

impl Door {
    async fn keep(self) {
        let mut failing = false;
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    failing = false;
                    count(&self.site.figures.accepted);
                    self.let_in(stream, from);
                }
                Err(why) if is_of_one_connection(&why) => {}
                Err(why) => {
                    count(&self.site.figures.accept_errors);
                    if !failing {
                        tracing::error!(%why, "can't accept connections for the moment");
                    }
                    failing = true;
                    sleep(REST).await;
                }
            }
        }
    }

    fn let_in(&self, stream: super::listen::Stream, from: Option<std::net::IpAddr>) {
        let counted = from.filter(|from| !self.site.trusts(*from));
        if let Some(place) = self.connections.place(counted) {
            tokio::spawn(connection::serve(Arc::clone(&self.site), stream, from, place));
            return;
        }
        count(&self.site.figures.refused);
        if let Ok(turn) = Arc::clone(&self.refusing).try_acquire_owned() {
            let tls = self.site.certificate.is_some();
            tokio::spawn(async move {
                connection::refuse(stream, tls).await;
                drop(turn);
            });
        }
    }
}

/// Whether one connection broke before it was accepted, which says nothing of the next.
fn is_of_one_connection(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(why.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
