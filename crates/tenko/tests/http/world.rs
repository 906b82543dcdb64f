//! A server that listens, with somebody scripted who hears the pings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use tenko::http::{App, Figures, KeyHash, Keys, Options, Ready, Server};
use tenko::server::intake::{Addressee, Heard, Hears, Ping, Refusal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The address of the job `nightly`.
pub(crate) const ADDRESS: &str = "0b0e7a52-3c5f-4b6e-9d1a-7f2c8e4d6a10";
/// A ping key that is known.
pub(crate) const KEY: &str = "k3yk3yk3yk3yk3yk3yk3y0";
/// A run.
pub(crate) const RUN: &str = "7d1ba3ae-2a5b-4f43-8d5e-0c1f5a0b9d11";

/// Knows the jobs `nightly` (at [`ADDRESS`]), `start` and `core_api`, and remembers what it hears.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    heard: Mutex<Vec<Ping>>,
    refusals: Mutex<VecDeque<Refusal>>,
    unready: Mutex<Option<String>>,
}

impl Scripted {
    pub(crate) fn refuse_next(&self, refusal: Refusal) {
        self.refusals.lock().unwrap().push_back(refusal);
    }

    pub(crate) fn be_unready(&self, why: &str) {
        *self.unready.lock().unwrap() = Some(why.to_owned());
    }

    /// What it heard since it was asked last.
    pub(crate) fn heard(&self) -> Vec<Ping> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// The one ping that it heard since it was asked last.
    pub(crate) fn one(&self) -> Ping {
        let [ping] = <[Ping; 1]>::try_from(self.heard()).expect("not one ping was heard");
        ping
    }
}

fn is_known(to: &Addressee) -> bool {
    match to {
        Addressee::Address(address) => *address == Uuid::try_parse(ADDRESS).unwrap(),
        Addressee::Job(slug) => ["nightly", "start", "core_api", "nightly-staging"].contains(&slug.as_str()),
    }
}

#[async_trait]
impl Hears for Scripted {
    async fn hear(&self, ping: Ping) -> Result<Heard, Refusal> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop_front() {
            return Err(refusal);
        }
        let (known, create) = (is_known(&ping.to), ping.create);
        if known || create {
            self.heard.lock().unwrap().push(ping);
        }
        Ok(match (known, create) {
            (true, _) => Heard::Recorded,
            (false, true) => Heard::Created,
            (false, false) => Heard::Unknown,
        })
    }

    async fn knows(&self, to: &Addressee) -> Result<bool, Refusal> {
        Ok(is_known(to))
    }
}

impl Ready for Scripted {
    fn ready(&self) -> Result<(), String> {
        self.unready.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A server that listens.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) hears: Arc<Scripted>,
    pub(crate) figures: Arc<Figures>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other options.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Options::default() };
        change(&mut options);
        let hears = Arc::new(Scripted::default());
        let app = App {
            hears: Arc::<Scripted>::clone(&hears),
            keys: Arc::new(Keys::new([KeyHash::of("another"), KeyHash::of(KEY)])),
            ready: Arc::<Scripted>::clone(&hears),
            routes: Router::new(),
        };
        let server = Server::bind(options, app).await.unwrap();
        let (address, figures) = (server.local_addr().unwrap(), server.figures());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move { server.serve(async { drop(stopped.await) }).await });
        Self { address, hears, figures, stop: Some(stop), served }
    }

    /// Tells the server to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(self) {
        self.served.await.unwrap();
    }
}
