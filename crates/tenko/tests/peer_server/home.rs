//! Where nodes live: a directory with their configuration, the store that they keep, and whom they tell.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tenko_core::Slug;
use tenko_core::state::Flip;
use tenko_core::{Evidence, Verdict};
use tenko_store::SharedStore;
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_postgres::{self, Database};

use crate::node::Node;
use crate::receiver::Receiver;
use crate::small_disk::Disk;

/// A key that every node knows.
pub(crate) const KEY: &str = "gt0bh4bkrm5fapcm0bqwbx";

/// A directory, a store, and a receiver.
pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) receiver: Receiver,
    pub(crate) store: String,
    database: Option<Database>,
    runtime: tokio::runtime::Runtime,
}

impl Home {
    /// One that keeps a SQLite file.
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = format!("sqlite://{}", dir.path().join("tenko.db").display());
        Self::with(dir, store, None)
    }

    /// One that keeps a SQLite file on a disk of its own, of a size as `mount` understands it.
    pub(crate) fn on_disk(size: &str) -> (Self, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::at(&dir.path().join("disk"), size);
        let store = format!("sqlite://{}", disk.path.join("tenko.db").display());
        (Self::with(dir, store, None), disk)
    }

    /// One that keeps a database in the cluster of the test run.
    pub(crate) fn postgres() -> Self {
        let database = runtime().block_on(Database::create());
        let url = database.url();
        Self::with(tempfile::tempdir().unwrap(), url, Some(database))
    }

    /// One that keeps a database at a URL.
    pub(crate) fn at(url: String) -> Self {
        Self::with(tempfile::tempdir().unwrap(), url, None)
    }

    fn with(dir: tempfile::TempDir, store: String, database: Option<Database>) -> Self {
        let home = Self { dir, receiver: Receiver::new(), store, database, runtime: runtime() };
        home.configure("");
        home
    }

    /// `jobs` are tables of the configuration.
    pub(crate) fn configure(&self, jobs: &str) {
        let text = format!(
            "notify = [\"ops\"]\n[server]\nlisten = \"127.0.0.1:0\"\nping_keys = {{ main = \"env:KEY\" }}\n\
             [channels.ops]\nwebhook = \"{}\"\n{jobs}",
            self.receiver.url()
        );
        std::fs::write(self.path("tenko.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(args).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.env("KEY", KEY).env("TENKO_STORE", &self.store);
        command.env("TENKO_STATE_DIR", self.path("state"));
        command
    }

    /// Starts a node and waits until it serves.
    pub(crate) fn serve(&self) -> Node {
        Node::start(self.command(&["serve"]))
    }

    /// Starts a node that reaches the store at another URL.
    pub(crate) fn serve_by(&self, url: &str) -> Node {
        let mut command = self.command(&["serve"]);
        command.env("TENKO_STORE", url);
        Node::start(command)
    }

    /// Standard output of a command that has to succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends all connections to the database.
    pub(crate) fn cut_connections(&self) {
        self.runtime.block_on(self.database.as_ref().unwrap().cut_connections());
    }

    fn open(&self) -> SharedStore {
        self.runtime.block_on(open(&self.store, &OpenOptions::default())).unwrap()
    }

    /// All that the store keeps, as somebody finds it who comes later.
    pub(crate) fn kept(&self) -> Kept {
        let store = self.open();
        self.runtime.block_on(async {
            let (from, to) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
            let mut evidence = store.between(None, from, to).await.unwrap();
            // Which id a run was given that has another one, only its report says.
            for piece in evidence.iter_mut().filter(|piece| piece.run.0.get_version_num() == 8) {
                *piece = store.read(piece).await.unwrap();
            }
            let names: BTreeSet<Slug> = evidence.iter().map(|piece| piece.job.clone()).collect();
            let names: Vec<Slug> = names.into_iter().collect();
            let entries = store.live().unwrap().entries(&names).await.unwrap();
            let mut jobs = Vec::new();
            for (name, entry) in names.into_iter().zip(entries) {
                let passes = self.passes(&name).await;
                let verdict = entry.state.as_ref().map(|state| state.stored_verdict());
                let waiting = entry.items.len();
                jobs.push(JobKept { name, verdict, passes, waiting });
            }
            Kept { evidence, jobs }
        })
    }

    /// The flips of a job in the order in which they were decided, those of one decision together. That is not always the order of
    /// their moments: evidence that was delivered late flips when it arrives.
    async fn passes(&self, job: &Slug) -> Vec<Vec<Flip>> {
        let select = |schema: &str, decision: &str| {
            let flips = format!("{schema}flips f join {schema}jobs on id = job");
            format!("select {decision} || ' ' || flip from {flips} where slug = '{job}' order by seq")
        };
        let texts = match self.file() {
            // Senders wait for their answers, so that each has a decision of its own.
            Some(file) => rows(&file, &select("", "seq")),
            None => testkit_postgres::texts(&self.store, &select("tenko.", "f.xmin::text")).await,
        };
        let flips: Vec<_> = texts.iter().map(|text| text.split_once(' ').unwrap()).collect();
        let parse = |(_, flip): &(&str, &str)| serde_json::from_str(flip).unwrap();
        flips.chunk_by(|one, other| one.0 == other.0).map(|pass| pass.iter().map(parse).collect()).collect()
    }

    /// The SQLite file, if it keeps one.
    fn file(&self) -> Option<rusqlite::Connection> {
        let path = self.store.strip_prefix("sqlite://")?;
        Some(rusqlite::Connection::open(path).unwrap())
    }

    /// Ends the claims of nodes that are dead, which otherwise last two minutes. No node may be running.
    pub(crate) fn end_claims(&self) {
        let sql = "set ready_at = 0 where ready_at is not null";
        match self.file() {
            Some(file) => {
                file.execute(&format!("update outbox {sql}"), []).unwrap();
            }
            None => {
                let sql = format!("update tenko.outbox {sql}");
                self.runtime.block_on(testkit_postgres::execute(&self.store, &sql));
            }
        }
    }
}

fn rows(file: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut select = file.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a store keeps.
pub(crate) struct Kept {
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) jobs: Vec<JobKept>,
}

/// What a store keeps of a job.
pub(crate) struct JobKept {
    pub(crate) name: Slug,
    pub(crate) verdict: Option<Verdict>,
    /// Flips as they were decided, those of one decision together.
    pub(crate) passes: Vec<Vec<Flip>>,
    /// Notices that nobody has accepted yet.
    pub(crate) waiting: usize,
}

impl JobKept {
    /// All flips, as they were decided.
    pub(crate) fn flips(&self) -> impl Iterator<Item = &Flip> {
        self.passes.iter().flatten()
    }
}
