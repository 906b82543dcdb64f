//! PostgreSQL for tests: databases in the cluster that the test run shares, and servers of a test's own that can be stopped,
//! killed and frozen.
//!
//! `$TENKO_PEERS_POSTGRES` is the URL of a database in the shared cluster, which `scripts/postgres start` prints. All
//! functions panic if what they need is not there: a test that can't meet its peer has not passed.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User, chown};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::testkit_peers::free_ports;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const RUNS: &str = "the runtime of a test's thread starts";

/// A database of a test's own. It is dropped with this.
#[derive(Debug)]
pub struct Database {
    of: String,
    name: String,
}

impl Database {
    /// Makes one in the shared cluster.
    ///
    /// # Panics
    /// If `TENKO_PEERS_POSTGRES` is not set.
    pub async fn create() -> Self {
        let url = std::env::var("TENKO_PEERS_POSTGRES");
        Self::create_at(&url.expect("TENKO_PEERS_POSTGRES is what `scripts/postgres start` prints")).await
    }

    /// Makes one beside the database that a URL names.
    ///
    /// # Panics
    /// If that can't be done.
    pub async fn create_at(of: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        execute(of, &format!("create database {name}")).await;
        Self { of: of.to_owned(), name }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let (server, _) = self.of.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something to it, past the store.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn execute(&self, sql: &str) {
        execute(&self.url(), sql).await;
    }

    /// Ends all connections to it, whatever they are doing.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn cut_connections(&self) {
        let sql =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        execute(&self.of, &sql).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (of, sql) = (self.of.clone(), format!("drop database if exists {} with (force)", self.name));
        // Where the server is gone, so is the database.
        let work = async move {
            let mut connection = PgConnection::connect(&of).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
        };
        let dropping = std::thread::spawn(|| runtime().block_on(work));
        drop(dropping.join());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect(RUNS)
}

/// Runs statements at a URL.
///
/// # Panics
/// If the database refuses.
pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the test's own connection is accepted");
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(connection.close().await);
}

/// A server with a cluster of its own, for tests that do something to it. It ends with this.
#[derive(Debug)]
pub struct Server {
    place: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
    settings: Vec<String>,
}

impl Server {
    /// Starts one, with more settings, such as `max_connections=10`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(settings: &[&str]) -> Self {
        // The path of a socket has to be short.
        let place = tempfile::Builder::new().prefix("tenko-pg-").tempdir_in("/tmp");
        let place = place.expect("a temporary directory can be made");
        if let Some(owner) = owner() {
            chown(place.path(), Some(owner.uid), Some(owner.gid)).expect("root may give a directory away");
        }
        let data = place.path().join("data");
        let mut initdb = program("initdb");
        initdb.args(["--username=tenko", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
        let done = initdb.arg("--pgdata").arg(&data).current_dir("/").output().expect("initdb starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let [port] = free_ports();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { place, port, process: None, settings };
        server.start_again();
        server
    }

    /// Starts it again after it was stopped.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&mut self) {
        let directory = self.place.path();
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
        postgres.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        postgres.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        let log = fs::File::create(directory.join("log")).expect("the directory is ours");
        postgres.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(postgres.spawn().expect("postgres starts"));
        self.wait_until_it_serves();
    }

    fn wait_until_it_serves(&self) {
        let until = Instant::now() + PATIENCE;
        let file = self.place.path().join("data/postmaster.pid");
        let serves = || {
            fs::read_to_string(&file).is_ok_and(|text| text.lines().nth(7).map(str::trim) == Some("ready"))
        };
        while !serves() {
            assert!(Instant::now() < until, "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let log = fs::File::open(self.place.path().join("log"));
        drop(log.and_then(|mut log| log.read_to_string(&mut text)));
        text
    }

    /// The URL of a database in it, over loopback.
    pub fn url(&self) -> String {
        format!("postgres://tenko@127.0.0.1:{}/postgres", self.port)
    }

    /// The same over its socket.
    pub fn socket_url(&self) -> String {
        let directory = self.place.path().display();
        format!("postgres:///postgres?user=tenko&port={}&host={directory}", self.port)
    }

    /// The directory in which it keeps everything.
    pub fn directory(&self) -> &Path {
        self.place.path()
    }

    /// Stops it as a crash does: at once, without a word to the disk.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop_immediately(&mut self) {
        self.pid().into_iter().for_each(|process| send(process, Signal::SIGQUIT));
        if let Some(mut process) = self.process.take() {
            process.wait().expect("a child can be waited for");
        }
    }

    /// Freezes it and everybody who works for it: connections stay open, and nobody answers.
    pub fn freeze(&self) {
        self.everybody().for_each(|process| send(process, Signal::SIGSTOP));
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.everybody().for_each(|process| send(process, Signal::SIGCONT));
    }

    fn pid(&self) -> Option<Pid> {
        self.process.as_ref().and_then(|process| i32::try_from(process.id()).ok()).map(Pid::from_raw)
    }

    fn everybody(&self) -> impl Iterator<Item = Pid> + use<> {
        let first = self.pid();
        let children = first.map(|pid| format!("/proc/{pid}/task/{pid}/children"));
        let children = children.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let children: Vec<_> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        first.into_iter().chain(children.into_iter().map(Pid::from_raw))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thaw();
        self.stop_immediately();
    }
}

/// A process that is gone needs no signal.
fn send(process: Pid, signal: Signal) {
    kill(process, signal).unwrap_or(());
}

/// PostgreSQL refuses to run as root: then as this user.
fn owner() -> Option<User> {
    Uid::effective()
        .is_root()
        .then(|| User::from_name("postgres").ok().flatten().expect("Debian's package made the user postgres"))
}

fn program(name: &str) -> Command {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("scripts/peers installs PostgreSQL")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    let mut command = Command::new(versions.pop().unwrap_or_else(|| panic!("{name} is not installed")));
    if let Some(owner) = owner() {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    command
}
