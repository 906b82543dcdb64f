//! Where a request goes: a ping straight to its work, everything else through a router.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper::{Request, Response, StatusCode};
use hyper_util::service::TowerToHyperService;

use super::body::Timed;
use super::figures::Figures;
use super::options::Options;
use super::ping::desk::Desk;
use super::rate::Rates;
use super::server::App;
use super::tls::Certificate;
use super::trace::Trace;
use super::{adapters, health, pages, ping};

/// An answer: one that is there at once, or one of the router's.
pub(super) type Answer = Response<Either<Full<Bytes>, AxumBody>>;

/// From where a connection comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Its address, if it has one.
    pub(super) address: Option<IpAddr>,
    /// Whether it speaks TLS with us.
    pub(super) tls: bool,
}

/// All that connections share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) options: Options,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) figures: Arc<Figures>,
    pub(super) rates: Arc<Rates>,
    desk: Arc<Desk>,
    router: TowerToHyperService<Router>,
}

impl Site {
    pub(super) fn new(
        options: Options,
        app: App,
        certificate: Option<Arc<Certificate>>,
        figures: Arc<Figures>,
    ) -> Self {
        let rates = Arc::new(Rates::new(&options));
        let desk = Arc::new(Desk::new(&options, Arc::clone(&rates), app.hears, app.keys));
        let mut router = app.routes.merge(health::routes(app.ready));
        if options.adapters {
            router = router.merge(adapters::routes(&desk));
        }
        let router = TowerToHyperService::new(router.fallback(pages::not_found));
        Self { options, certificate, figures, rates, desk, router }
    }

    /// Whether what comes from this address was forwarded for somebody else.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.desk.senders.trusts(address)
    }

    pub(super) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let trace = Trace::begin(&request, peer.address, |address| self.trusts(address));
        let mut answer = match self.ping(&request) {
            Some(to) => ping::answer(&self.desk, peer, to, request).await.map(Either::Left),
            None if !request.uri().path().starts_with('/') => {
                pages::plain(StatusCode::BAD_REQUEST, "the request names no path\n").map(Either::Left)
            }
            None => Box::pin(self.routed(peer, request)).await,
        };
        if let Some(trace) = trace {
            trace.end(&mut answer);
        }
        self.figures.answered(answer.status());
        Ok(answer)
    }

    /// Whether this is a ping, and of which form.
    fn ping(&self, request: &Request<Incoming>) -> Option<ping::Found> {
        let path = request.uri().path();
        match path.strip_prefix("/ping/") {
            Some(rest) => Some(ping::Found::under_ping(rest)),
            None if self.options.ping_at_root => {
                ping::Found::at_root(path.strip_prefix('/')?, &self.desk.keys)
            }
            None => None,
        }
    }

    async fn routed(&self, peer: Peer, mut request: Request<Incoming>) -> Answer {
        request.extensions_mut().insert(peer);
        let request = request.map(|body| AxumBody::new(Timed::new(body, self.options.times.body)));
        match self.router.call(request).await {
            Ok(answer) => answer.map(Either::Right),
            Err(never) => match never {},
        }
    }
}
