//! The contract of pings, row by row: asked over HTTP, and looked for in the store.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use tenko::http::{App, KeyHash, Keys, Options, Ready, Server};
use tenko_core::job::PingRules;
use tenko_core::{Evidence, RunId, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::world::{Served, World, slug};

/// The address of the job `nightly`.
const ADDRESS: &str = "0b0e7a52-3c5f-4b6e-9d1a-7f2c8e4d6a10";
/// A ping key that is known.
const KEY: &str = "k3yk3yk3yk3yk3yk3yk3y0";
/// A run, and an address that nobody has.
const RUN: &str = "7d1ba3ae-2a5b-4f43-8d5e-0c1f5a0b9d11";

/// A request; its answer; what is kept because of it; and the verdict about the job `nightly` after it. `U` stands for the
/// address, `K` for the key, `R` for the run, in the path.
type Row = (&'static str, &'static str, u16, &'static str, Option<&'static str>, Verdict);

const BAD_URL: &str = "invalid url format";
const BAD_RID: &str = "invalid uuid format";
const NONE: &str = "not found";

/// By the address of a job.
const BY_ADDRESS: &[Row] = &[
    ("GET", "U/log", 200, "OK", Some("nightly log"), Verdict::New),
    ("GET", "U/start", 200, "OK", Some("nightly start"), Verdict::New),
    ("GET", "U", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "U/", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "U/fail", 200, "OK", Some("nightly fail"), Verdict::Down),
    ("GET", "U/fail", 200, "OK", Some("nightly fail"), Verdict::Down),
    ("GET", "U/log", 200, "OK", Some("nightly log"), Verdict::Down),
    ("GET", "U/0", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "U/1", 200, "OK", Some("nightly fail-1"), Verdict::Down),
    ("GET", "U/00", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "U/255", 200, "OK", Some("nightly fail-255"), Verdict::Down),
    ("HEAD", "U", 200, "", Some("nightly success"), Verdict::Up),
    ("POST", "U/fail", 200, "OK", Some("nightly fail"), Verdict::Down),
    ("PUT", "U", 200, "OK", Some("nightly success"), Verdict::Up),
    ("DELETE", "U/7", 200, "OK", Some("nightly fail-7"), Verdict::Down),
    ("OPTIONS", "U", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "U/256", 400, BAD_URL, None, Verdict::Up),
    ("GET", "U/99999999999999999999", 400, BAD_URL, None, Verdict::Up),
    ("GET", "U/256?rid=x", 400, BAD_URL, None, Verdict::Up),
    ("GET", "U?rid=x", 400, BAD_RID, None, Verdict::Up),
    ("POST", "U/start?rid=", 400, BAD_RID, None, Verdict::Up),
    ("GET", "R", 404, NONE, None, Verdict::Up),
    ("GET", "R/start", 404, NONE, None, Verdict::Up),
    ("GET", "R/256", 404, NONE, None, Verdict::Up),
    ("GET", "R?rid=x", 404, NONE, None, Verdict::Up),
    ("GET", "R?create=1", 404, NONE, None, Verdict::Up),
    ("GET", "U/stop", 404, NONE, None, Verdict::Up),
    ("GET", "U/start/", 404, NONE, None, Verdict::Up),
    ("GET", "0B0E7A52-3C5F-4B6E-9D1A-7F2C8E4D6A10", 404, NONE, None, Verdict::Up),
    ("GET", "0b0e7a523c5f4b6e9d1a7f2c8e4d6a10", 404, NONE, None, Verdict::Up),
];

/// By a key and the name of a job. One job may be created, and no other.
const BY_NAME: &[Row] = &[
    ("GET", "K/nightly/log", 200, "OK", Some("nightly log"), Verdict::New),
    ("GET", "K/nightly/start", 200, "OK", Some("nightly start"), Verdict::New),
    ("GET", "K/nightly", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "K/nightly/fail", 200, "OK", Some("nightly fail"), Verdict::Down),
    ("GET", "K/nightly/0", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "K/nightly/255", 200, "OK", Some("nightly fail-255"), Verdict::Down),
    ("POST", "K/nightly", 200, "OK", Some("nightly success"), Verdict::Up),
    ("HEAD", "K/nightly/3", 200, "", Some("nightly fail-3"), Verdict::Down),
    ("GET", "K/nightly?create=1", 200, "OK", Some("nightly success"), Verdict::Up),
    ("GET", "K/start", 200, "OK", Some("start success"), Verdict::Up),
    ("GET", "K/start/start", 200, "OK", Some("start start"), Verdict::Up),
    ("GET", "K/nightly/", 404, NONE, None, Verdict::Up),
    ("GET", "K/nightly/stop", 404, NONE, None, Verdict::Up),
    ("GET", "K/nightly/256", 400, BAD_URL, None, Verdict::Up),
    ("GET", "K/nightly?rid=x", 400, BAD_RID, None, Verdict::Up),
    ("GET", "K/Nightly", 400, BAD_URL, None, Verdict::Up),
    ("GET", "wrong/Nightly", 400, BAD_URL, None, Verdict::Up),
    ("GET", "wrong/nightly", 404, NONE, None, Verdict::Up),
    ("GET", "wrong/nightly/256", 404, NONE, None, Verdict::Up),
    ("GET", "wrong/other?create=1", 404, NONE, None, Verdict::Up),
    ("GET", "K/other", 404, NONE, None, Verdict::Up),
    ("GET", "K/other/256", 404, NONE, None, Verdict::Up),
    ("GET", "K/other?rid=x", 404, NONE, None, Verdict::Up),
    ("GET", "K/other?create=true", 404, NONE, None, Verdict::Up),
    ("GET", "K/other?create=", 404, NONE, None, Verdict::Up),
    ("GET", "K/other/fail?create=1", 201, "Created", Some("other fail"), Verdict::Up),
    ("GET", "K/other?create=1", 200, "OK", Some("other success"), Verdict::Up),
    ("GET", "K/other/256", 400, BAD_URL, None, Verdict::Up),
    ("GET", "K/other?rid=x", 400, BAD_RID, None, Verdict::Up),
    ("GET", "K/one-too-many?create=1", 404, NONE, None, Verdict::Up),
    ("GET", "K/posted", 200, "OK", Some("posted log"), Verdict::Up),
    ("POST", "K/posted", 200, "OK", Some("posted success"), Verdict::Up),
    ("GET", "U/nightly", 404, NONE, None, Verdict::Up),
];

#[tokio::test]
async fn every_row_of_the_contract_by_address() {
    each_row(BY_ADDRESS).await;
}

#[tokio::test]
async fn every_row_of_the_contract_by_name() {
    each_row(BY_NAME).await;
}

async fn each_row(rows: &[Row]) {
    let door = Door::open().await;
    let mut before: Vec<RunAndKind> = Vec::new();
    for (method, path, status, body, kept, verdict) in rows {
        let answer = door.ask(method, path, "").await;
        assert_eq!((answer.status, &*answer.body), (*status, *body), "{method} {path}");
        let now = door.kept().await;
        let new: Vec<String> =
            now.iter().filter(|piece| !before.contains(&known_by(piece))).map(in_short).collect();
        assert_eq!(
            new.iter().map(String::as_str).collect::<Vec<_>>(),
            Vec::from_iter(*kept),
            "{method} {path}"
        );
        assert_eq!(door.served.verdict("nightly").await, *verdict, "{method} {path}");
        before = now.iter().map(known_by).collect();
    }
    door.close().await;
}

#[tokio::test]
async fn a_run_is_known_by_its_rid_and_what_it_says_is_kept() {
    let door = Door::open().await;
    let rid = RunId(Uuid::try_parse(RUN).unwrap());
    assert_eq!(door.ask("GET", "K/nightly/start?rid=R", "").await.status, 200);
    assert_eq!(door.served.state("nightly").await.running[0].run, rid);
    // Another run ends meanwhile.
    assert_eq!(door.ask("GET", "K/nightly?rid=0b0e7a52-3c5f-4b6e-9d1a-7f2c8e4d6a10", "").await.status, 200);
    assert_eq!(door.served.state("nightly").await.running.len(), 1);
    let answer = door.ask("POST", "U/3?rid=R", "disk full").await;
    assert_eq!((answer.status, &*answer.body), (200, "OK"));
    assert!(answer.head.contains("ping-body-limit: "), "{}", answer.head);
    assert!(answer.head.contains("access-control-allow-origin: *"), "{}", answer.head);
    assert!(door.served.state("nightly").await.running.is_empty());
    let ended = door.kept().await.into_iter().find(|piece| piece.run == rid && piece.kind.word() == "fail");
    let ended = door.served.store.read(&ended.unwrap()).await.unwrap();
    assert_eq!(ended.report.output.unwrap().head, "disk full");
    assert_eq!(ended.report.via.unwrap().method, "POST");
    door.close().await;
}

type RunAndKind = (RunId, String);

fn known_by(piece: &Evidence) -> RunAndKind {
    (piece.run, piece.kind.to_string())
}

fn in_short(piece: &Evidence) -> String {
    format!("{} {}", piece.job, piece.kind)
}

#[derive(Debug)]
struct Always;

impl Ready for Always {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A node behind a server that listens.
struct Door {
    _world: World,
    served: Served,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ends: JoinHandle<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Door {
    async fn open() -> Self {
        let posted = |job: &mut tenko_core::Job| {
            job.pings = Some(PingRules { only_post: true, ..PingRules::default() });
        };
        let mut world = World::at("05:00").expect("nightly", "0 5 * * *").expect("start", "0 5 * * *");
        world = world.expect_with("posted", "0 5 * * *", posted);
        world.created_jobs_limit = 1;
        if let Some(configured) = world.config.jobs.get_mut(&slug("nightly")) {
            configured.uuid = Some(Uuid::try_parse(ADDRESS).unwrap());
        }
        let served = world.serve().await;
        let options = Options { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Options::default() };
        let keys = Arc::new(Keys::new([KeyHash::of(KEY)]));
        let (hears, ready) = (served.engine.hears(), Arc::new(Always));
        let server = Server::bind(options, App { hears, keys, ready, routes: Router::new() }).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ends = tokio::spawn(async move { server.serve(async { drop(stopped.await) }).await });
        Self { _world: world, served, address, stop, ends }
    }

    async fn close(self) {
        self.stop.send(()).unwrap();
        self.ends.await.unwrap();
        self.served.engine.stop().await;
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = path.replace('U', ADDRESS).replace("K/", &format!("{KEY}/"));
        let path = path.replace("rid=R", &format!("rid={RUN}"));
        let path = path.strip_prefix('R').map_or(path.clone(), |rest| format!("{RUN}{rest}"));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{method} /ping/{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n");
        let length = body.len();
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        self.served.later();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// All evidence there is.
    async fn kept(&self) -> Vec<Evidence> {
        self.served.store.between(None, Timestamp::MIN, Timestamp::MAX).await.unwrap()
    }
}
