//! An S3 server inside the process, for tests: real requests, real signatures, and faults on demand.
//!
//! It listens on a free port of the loopback interface, keeps objects in memory, checks `SigV4`, and lets each access
//! key do what [`Key`] says. It honours `If-None-Match: *`, pages lists by a thousand keys, and keeps times as whole
//! seconds, as S3 does.

mod backend;
mod faults;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::DATE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub use faults::{Ask, Fault};

use backend::{Backend, Gate, KnownKeys, Stored};
use faults::Plan;

/// The bucket that is there from the start.
pub const BUCKET: &str = "tenko-test";

/// Who asks, and so what is granted. The secret is the access key with `-secret` behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// May do everything.
    Admin,
    /// May only create objects under `evidence/`, whatever the prefix of the store.
    Writer,
    /// May get and list, and nothing else.
    Reader,
    /// May get, and nothing else: a missing object is 403 for it.
    Getter,
    /// May list, and nothing else.
    Lister,
    /// What a roll call needs: get, list, and create under `roll/`; remove nothing.
    Checker,
}

impl Key {
    const ALL: [Self; 6] =
        [Self::Admin, Self::Writer, Self::Reader, Self::Getter, Self::Lister, Self::Checker];

    /// The access key.
    pub fn id(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Writer => "WRITER",
            Self::Reader => "READER",
            Self::Getter => "GETTER",
            Self::Lister => "LISTER",
            Self::Checker => "CHECKER",
        }
    }

    /// The secret key.
    pub fn secret(self) -> String {
        format!("{}-secret", self.id())
    }

    fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.id() == id)
    }
}

/// The server. It ends when this is dropped.
#[derive(Debug)]
pub struct TestS3 {
    address: SocketAddr,
    backend: Backend,
    plan: Arc<Plan>,
    accepting: JoinHandle<()>,
}

impl TestS3 {
    /// Starts a server with one empty bucket, [`BUCKET`].
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let plan = Arc::new(Plan::default());
        let backend = Backend::new(Arc::clone(&plan));
        backend.create_bucket(BUCKET);
        let mut builder = S3ServiceBuilder::new(backend.clone());
        builder.set_auth(KnownKeys);
        builder.set_access(Gate { backend: backend.clone() });
        let accepting = tokio::spawn(accept(listener, builder.build(), Arc::clone(&plan)));
        Self { address, backend, plan, accepting }
    }

    /// The URL of a store in [`BUCKET`] under a prefix, which may be empty.
    pub fn url(&self, prefix: &str) -> String {
        self.url_of(BUCKET, prefix)
    }

    /// The URL of a store in any bucket.
    pub fn url_of(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint={}&region=us-east-1&allow_http=true", self.endpoint())
    }

    /// The address of the server as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The environment that holds the credentials of a key, and nothing else.
    pub fn env(&self, key: Key) -> BTreeMap<String, String> {
        let pairs = [("AWS_ACCESS_KEY_ID", key.id().to_owned()), ("AWS_SECRET_ACCESS_KEY", key.secret())];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Opens a store in [`BUCKET`] with the credentials of a key.
    ///
    /// # Errors
    /// As [`crate::open::open`].
    pub async fn open(&self, prefix: &str, key: Key) -> crate::Result<crate::SharedStore> {
        let options = crate::open::OpenOptions { env: Some(self.env(key)), per_request: None };
        crate::open::open(&self.url(prefix), &options).await
    }

    /// How many requests of a kind arrived, served or not.
    pub fn count(&self, ask: Ask) -> u64 {
        self.plan.count(ask)
    }

    /// Forgets what was counted.
    pub fn reset_counts(&self) {
        self.plan.reset_counts();
    }

    /// Does something to the next `times` requests of a kind.
    pub fn inject(&self, ask: Ask, times: u64, fault: Fault) {
        self.plan.add(ask, times, fault);
    }

    /// Withdraws all faults that did not happen yet.
    pub fn heal(&self) {
        self.plan.heal();
    }

    /// Makes the server overwrite what it was asked to create only if there was none, and say that all is well.
    pub fn ignore_conditions(&self, ignore: bool) {
        self.plan.ignore_conditions(ignore);
    }

    /// Sets the clock of the server so many seconds ahead.
    pub fn skew_clock(&self, seconds: i64) {
        self.plan.skew_clock(seconds);
    }

    /// The access keys in the signatures of all requests so far, in order, without repetitions in a row.
    pub fn access_keys_seen(&self) -> Vec<String> {
        self.backend.access_keys_seen()
    }

    /// Puts an object into [`BUCKET`] past all checks.
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.backend.put(BUCKET, key, Stored::new(body.into(), self.plan.now()));
    }

    /// The content of an object in [`BUCKET`].
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.backend.get(BUCKET, key)
    }

    /// All keys in [`BUCKET`], sorted.
    pub fn keys(&self) -> Vec<String> {
        self.backend.keys(BUCKET)
    }

    /// Removes an object from [`BUCKET`] past all checks.
    pub fn remove(&self, key: &str) {
        self.backend.remove(BUCKET, key);
    }
}

impl Drop for TestS3 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: S3Service, plan: Arc<Plan>) {
    // The connections end with the server.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        connections.spawn(serve(stream, service.clone(), Arc::clone(&plan)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, service: S3Service, plan: Arc<Plan>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, plan) = (service.clone(), Arc::clone(&plan));
        async move { answer(request, &service, &plan).await }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    // A connection that ends in the middle is what some tests are about.
    drop(connection.await);
}

/// The connection is to be cut.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct Cut;

async fn answer(
    request: Request<Incoming>,
    service: &S3Service,
    plan: &Plan,
) -> Result<Response<s3s::Body>, Cut> {
    let ask = Ask::of(request.method(), request.uri());
    plan.note(ask);
    let fault = plan.take(ask);
    match fault {
        Some(Fault::Status(status)) => return Ok(refusal(status)),
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Cut) => return Err(Cut),
        Some(Fault::ServeThenCut) | None => {}
    }
    let served = service.call(request.map(s3s::Body::from)).await;
    if matches!(fault, Some(Fault::ServeThenCut)) {
        return Err(Cut);
    }
    let mut served = served.map_err(|_| Cut)?;
    let now = jiff::Timestamp::try_from(plan.now()).ok();
    let date = now.and_then(|now| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok());
    served.headers_mut().extend(date.and_then(|date| Some((DATE, date.parse().ok()?))));
    Ok(served)
}

fn refusal(status: u16) -> Response<s3s::Body> {
    let body =
        format!("<Error><Code>{}</Code><Message>on purpose</Message></Error>", faults::code_of(status));
    let answer: Result<_, Infallible> = Ok(Response::new(s3s::Body::from(body)));
    let Ok(mut answer) = answer;
    *answer.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer
}
