//! Where the server listens, how many it lets in, and how it stops.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tenko::http::{App, Keys, Listen, Options, Server, TlsFiles};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::client::{Client, ask, get};
use crate::world::{ADDRESS, Scripted, World};

fn app() -> App {
    let hears = Arc::new(Scripted::default());
    let ready = Arc::<Scripted>::clone(&hears);
    App { hears, keys: Arc::new(Keys::default()), ready, routes: Router::new() }
}

fn at(listen: &[&str]) -> Options {
    Options { listen: listen.iter().map(|at| at.parse().unwrap()).collect(), ..Options::default() }
}

#[tokio::test]
async fn several_addresses_and_unix_sockets_are_served_at_once() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("tenko.sock");
    // Somebody was there before, and died.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let unix = format!("unix:{}", socket.display());
    let server = Server::bind(at(&["127.0.0.1:0", "[::1]:0", &unix]), app()).await.unwrap();
    let bound = server.bound().to_vec();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.serve(async { drop(stopped.await) }));
    for bound in &bound {
        let answer = match bound {
            Listen::Tcp(address) => get(*address, "/livez").await.body,
            Listen::Unix(path) => over_unix(path).await,
        };
        assert!(answer.ends_with("alive\n"), "{bound}: {answer}");
    }
    stop.send(()).unwrap();
    served.await.unwrap();
    assert!(!socket.exists());
}

async fn over_unix(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = Server::bind(at(&["127.0.0.1:0"]), app()).await.unwrap();
    let taken = first.local_addr().unwrap().to_string();
    let error = Server::bind(at(&[&taken]), app()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't listen at {taken}"));
    let place = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}/a.sock", place.path().display());
    let _first = Server::bind(at(&[&unix]), app()).await.unwrap();
    let error = Server::bind(at(&[&unix]), app()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't listen at {unix}"));
    let error = Server::bind(at(&[]), app()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no address to listen at");
}

#[tokio::test]
async fn when_it_stops_it_finishes_what_is_under_way_and_closes_the_rest() {
    let mut world = World::new().await;
    let mut silent = Client::connect(world.address).await;
    let mut idle = Client::connect(world.address).await;
    idle.send("GET /livez HTTP/1.1\r\n\r\n").await;
    idle.answer().await.unwrap();
    let mut busy = Client::connect(world.address).await;
    busy.send(format!("POST /ping/{ADDRESS} HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf ")).await;
    sleep(Duration::from_millis(100)).await;
    world.stop();
    assert_eq!((silent.rest().await, idle.rest().await), (String::new(), String::new()));
    assert!(TcpStream::connect(world.address).await.is_err());
    busy.send("done").await;
    let answer = busy.answer().await.unwrap();
    assert_eq!(answer.said(), (200, "OK"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(busy.rest().await, "");
    assert_eq!(world.hears.one().text.as_deref(), Some("half done"));
    timeout(Duration::from_secs(5), world.stopped()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let mut world = World::with(|options| options.times.drain = Duration::from_millis(300)).await;
    let mut busy = Client::connect(world.address).await;
    busy.send(format!("POST /ping/{ADDRESS} HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf ")).await;
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    world.stop();
    timeout(Duration::from_secs(5), world.stopped()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn above_the_limit_of_an_address_the_answer_is_503_until_there_is_room() {
    let world = World::with(|options| options.limits.connections_per_address = 3).await;
    let mut there = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(world.address).await;
        client.send("GET /livez HTTP/1.1\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        there.push(client);
    }
    let mut more = Client::connect(world.address).await;
    more.send("GET /livez HTTP/1.1\r\n\r\n").await;
    let answer = more.answer().await.unwrap();
    assert_eq!(answer.said(), (503, "too many connections\n"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(more.rest().await, "");
    assert_eq!(world.figures.snapshot().refused, 1);
    there.pop();
    while world.figures.snapshot().open > 2 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(world.address, "/livez").await.status, 200);
}

#[tokio::test]
async fn trusted_proxies_have_no_limit_of_their_own() {
    let world = World::with(|options| {
        options.limits.connections_per_address = 1;
        options.trusted = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut there = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(world.address).await;
        client.send("GET /livez HTTP/1.1\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        there.push(client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_without_open_files_it_goes_on_as_soon_as_there_are_some() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let world = World::new().await;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 128, hard).unwrap();
    // Both ends are in this process: at some point neither of them gets any.
    let mut there = Vec::new();
    for _ in 0..3 {
        while let Ok(stream) = TcpStream::connect(world.address).await {
            there.push(stream);
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(there.len() > 30);
    there.truncate(there.len() - 2);
    sleep(Duration::from_millis(200)).await;
    drop(there);
    let answer = timeout(Duration::from_secs(5), async {
        loop {
            match TcpStream::connect(world.address).await {
                Ok(stream) => break drop(stream),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
        get(world.address, &format!("/ping/{ADDRESS}")).await
    });
    assert_eq!(answer.await.unwrap().status, 200);
    assert!(world.figures.snapshot().accept_errors > 0);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("tls.pem");
    let files = TlsFiles { certificate: file.clone(), key: file.clone() };
    let bind = || Server::bind(Options { tls: Some(files.clone()), ..at(&["127.0.0.1:0"]) }, app());
    let said = format!("can't use {} for TLS", file.display());
    assert_eq!(bind().await.unwrap_err().to_string(), said);
    std::fs::write(&file, "no certificate").unwrap();
    assert_eq!(bind().await.unwrap_err().to_string(), said);
}

/// Where a log is written to.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_of_requests_and_not_of_their_urls() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false);
    let _logged = tracing::subscriber::set_default(subscriber.with_writer(move || log.clone()).finish());
    let world = World::with(|options| options.trusted = vec!["127.0.0.1".parse().unwrap()]).await;
    let answer =
        ask(world.address, "GET", &format!("/ping/{ADDRESS}"), "X-Request-Id: proxy-7\r\n", b"").await;
    assert_eq!(answer.header("x-request-id"), Some("proxy-7"));
    assert_eq!(get(world.address, "/livez").await.header("x-request-id").unwrap().len(), 36);
    let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("request=proxy-7 method=GET") && written.contains("status=200"), "{written}");
    assert!(!written.contains(ADDRESS), "{written}");
}
