//! What pings Healthchecks pings Tenko, with nothing but another host in its URL.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::home::{Home, KEY};
use crate::node::Node;

/// The address of the job `backup`.
const ADDRESS: &str = "0b0e7a52-3c5f-4b6e-9d1a-7f2c8e4d6a10";
/// The id of a run.
const RUN: &str = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";

/// A node that expects the job `backup`.
struct Host {
    home: Home,
    node: Node,
}

impl Host {
    fn new() -> Self {
        let home = Home::sqlite();
        home.configure(&format!("[jobs.backup]\nevery = \"1d\"\nuuid = \"{ADDRESS}\"\n"));
        let node = home.serve();
        Self { home, node }
    }

    /// What stands in front of the address or the key.
    fn url(&self) -> String {
        format!("http://{}/ping", self.node.http)
    }

    /// What is stored of a job, oldest first: kind, with exit code and output, if there are any.
    fn stored(&self, job: &str) -> Vec<String> {
        self.entries(job).iter().map(in_short).collect()
    }

    fn entries(&self, job: &str) -> Vec<Value> {
        let log = self.home.ok(&["log", job, "--json"]);
        let entries: Vec<Value> = serde_json::from_str(&log).unwrap();
        entries.into_iter().filter(|entry| entry["what"] == "evidence").collect()
    }
}

fn in_short(entry: &Value) -> String {
    let kind = entry["kind"].as_str().unwrap();
    let exit = &entry["exit"]["code"];
    let exit = if exit.is_null() { String::new() } else { format!(" {exit}") };
    let output = entry["report"]["output"]["head"].as_str().unwrap_or_default();
    format!("{kind}{exit} {output:?}")
}

/// A program from a place that `scripts/peers` fills, with its arguments.
fn program(path: PathBuf, args: &[&str]) -> Output {
    Command::new(path).args(args).stdin(Stdio::null()).output().unwrap()
}

fn peer(name: &str) -> PathBuf {
    tenko_store::testkit_peers::peer(name)
}

fn has_worked(output: &Output) {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{out}{err}");
}

/// As the documentation of Healthchecks has it, in a shell.
#[test]
#[ignore = "needs curl"]
fn curl_as_healthchecks_documents_it() {
    let host = Host::new();
    let shell = |line: &str| {
        let curl = "curl -fsS -m 10 --retry 5";
        let line = line.replace("PING", curl).replace("URL", &host.url()).replace("KEY", KEY);
        let line = line.replace("UUID", ADDRESS).replace("RUN", RUN);
        program("/bin/sh".into(), &["-c", &line])
    };
    for line in [
        "PING -o /dev/null URL/UUID",
        "PING -o /dev/null URL/UUID/start?rid=RUN && PING -o /dev/null URL/UUID?rid=RUN",
        "m=$(echo it works); PING --data-raw \"$m\" URL/UUID",
        "m=$(ls /nowhere-at-all 2>/dev/null; echo no); PING --data-raw \"$m\" URL/UUID/fail",
        "(exit 7); PING -o /dev/null --retry 5 URL/UUID/$?",
        "(exit 0); PING -o /dev/null URL/KEY/backup/$?",
        "PING --data-raw 'half way' URL/KEY/backup/log",
        "PING -X POST --data-binary @/etc/hostname -o /dev/null URL/KEY/other?create=1",
    ] {
        has_worked(&shell(line));
    }
    let expected = [
        "success \"\"",
        "start \"\"",
        "success \"\"",
        "success \"it works\"",
        "fail \"no\"",
        "fail 7 \"\"",
        "success \"\"",
        "log \"half way\"",
    ];
    assert_eq!(host.stored("backup"), expected);
    let runs = host.entries("backup");
    assert!([1, 2].iter().all(|&number| runs[number]["run"] == RUN), "{runs:#?}");
    let host_name = std::fs::read_to_string("/etc/hostname").unwrap();
    assert_eq!(host.stored("other"), [format!("success {host_name:?}")]);
    assert_eq!(shell("PING URL/KEY/unknown").status.code(), Some(22), "404 is an error to curl");
    assert_eq!(String::from_utf8(shell("PING URL/UUID").stdout).unwrap(), "OK");
}

const PYTHON: &str = r#"
import asyncio, sys
from healthchecks_io import AsyncClient, CheckNotFoundError, CheckTrap, Client
url, key, uuid = sys.argv[1:]
client = Client(ping_key=key, ping_url=url)
assert client.start_ping(uuid=uuid, data="off it goes") == (True, "OK")
assert client.success_ping(uuid=uuid, data="done") == (True, "OK")
assert client.fail_ping(slug="backup", data="not done") == (True, "OK")
assert client.exit_code_ping(0, slug="backup", data="zero") == (True, "OK")
assert client.exit_code_ping(3, uuid=uuid, data="three") == (True, "OK")
with CheckTrap(client, slug="backup") as trap:
    trap.add_log("in a trap")
with CheckTrap(client, uuid=uuid, suppress_exceptions=True):
    raise ValueError("out of tape")
try:
    client.success_ping(slug="unknown")
    raise SystemExit("an unknown job was pinged")
except CheckNotFoundError:
    pass
async def later():
    async with CheckTrap(AsyncClient(ping_key=key, ping_url=url), uuid=uuid) as trap:
        trap.add_log("later")
asyncio.run(later())
"#;

#[test]
#[ignore = "needs healthchecks-io from PyPI"]
fn healthchecks_io_of_pypi() {
    let host = Host::new();
    let url = format!("{}/", host.url());
    has_worked(&program(peer("python"), &["-c", PYTHON, &url, KEY, ADDRESS]));
    let mut stored = host.stored("backup");
    let trapped = stored.remove(8);
    assert!(trapped.starts_with("fail \"out of tape"), "{trapped}");
    let expected = [
        "start \"off it goes\"",
        "success \"done\"",
        "fail \"not done\"",
        "success \"zero\"",
        "fail 3 \"three\"",
        "start \"\"",
        "success \"in a trap\"",
        "start \"\"",
        "start \"\"",
        "success \"later\"",
    ];
    assert_eq!(stored, expected);
}

const NODE: &str = r#"
const { HealthChecksPingClient } = require('healthchecks-io-client');
const [baseUrl, uuid] = process.argv.slice(1);
(async () => {
  const client = new HealthChecksPingClient({ uuid, baseUrl, returnResponse: true });
  for (const answer of [await client.start(), await client.success(), await client.success('done'), await client.fail(), await client.fail('not done')]) {
    if (answer !== 'OK') throw new Error(answer);
  }
  const stranger = new HealthChecksPingClient({ uuid: '00000000-0000-4000-8000-000000000000', baseUrl });
  await stranger.success().then(() => { throw new Error('an unknown job was pinged'); }, (error) => {
    if (error.statusCode !== 404) throw error;
  });
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
#[ignore = "needs healthchecks-io-client from npm"]
fn healthchecks_io_client_of_npm() {
    let host = Host::new();
    let modules = peer("").join("../../peers-node/node_modules");
    let mut node = Command::new("node");
    node.args(["-e", NODE, &host.url(), ADDRESS]).env("NODE_PATH", modules).stdin(Stdio::null());
    has_worked(&node.output().unwrap());
    let expected = ["start \"\"", "success \"\"", "success \"done\"", "fail \"\"", "fail \"not done\""];
    assert_eq!(host.stored("backup"), expected);
}

#[test]
#[ignore = "needs the crate healthchecks"]
fn healthchecks_of_crates_io() {
    let host = Host::new();
    has_worked(&program(peer("healthchecks-rs"), &[&host.url(), ADDRESS, RUN]));
    let expected = ["start \"\"", "success \"\"", "start \"\"", "fail \"\"", "fail \"what it printed\""];
    assert_eq!(host.stored("backup"), expected);
    let runs: Vec<Value> = host.entries("backup").into_iter().map(|mut entry| entry["run"].take()).collect();
    assert!(runs[..2].iter().all(|run| run == RUN), "{runs:?}");
    assert_eq!(runs[2], runs[3], "the failure ends the run that had begun");
}

/// A repository that borgmatic backs up, with the hook for Healthchecks.
struct Borgmatic {
    dir: tempfile::TempDir,
}

impl Borgmatic {
    fn with(hook: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("source")).unwrap();
        std::fs::write(dir.path().join("source/file"), "to be kept").unwrap();
        let place = dir.path().display();
        let text = format!(
            "source_directories:\n  - {place}/source\nsource_directories_must_exist: true\nrepositories:\n  - path: {place}/repository\n\
             encryption_passphrase: none\nrelocated_repo_access_is_ok: true\nhealthchecks:\n{hook}"
        );
        std::fs::write(dir.path().join("borgmatic.yaml"), text).unwrap();
        Self { dir }
    }

    fn run(&self, args: &[&str]) -> Output {
        let config = self.dir.path().join("borgmatic.yaml");
        let mut command = Command::new(peer("borgmatic"));
        command.arg("--config").arg(config).args(args).stdin(Stdio::null()).env("HOME", self.dir.path());
        command.output().unwrap()
    }
}

#[test]
#[ignore = "needs borgmatic and borg"]
fn borgmatic_tells_of_its_backups() {
    let host = Host::new();
    let hook = format!("  ping_url: {}/{ADDRESS}\n  send_logs: true\n", host.url());
    let borgmatic = Borgmatic::with(&hook);
    has_worked(&borgmatic.run(&["repo-create", "--encryption", "repokey"]));
    has_worked(&borgmatic.run(&["create"]));
    std::fs::remove_dir_all(borgmatic.dir.path().join("source")).unwrap();
    assert!(!borgmatic.run(&["create"]).status.success());
    let entries = host.entries("backup");
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["start", "log", "success", "start", "log", "fail"]);
    let failed = &entries[5];
    assert!(failed["report"]["output"]["head"].as_str().unwrap().contains("source"), "{failed:#}");
    assert_eq!(failed["report"]["via"]["agent"], "borgmatic");
}

#[test]
#[ignore = "needs borgmatic and borg"]
fn borgmatic_creates_its_job() {
    let host = Host::new();
    let hook = format!(
        "  ping_url: {}/{KEY}/borg\n  create_slug: true\n  states: [start, finish, fail]\n",
        host.url()
    );
    let borgmatic = Borgmatic::with(&hook);
    has_worked(&borgmatic.run(&["repo-create", "--encryption", "repokey"]));
    has_worked(&borgmatic.run(&["create"]));
    assert_eq!(host.stored("borg"), ["start \"\"", "success \"\""]);
}
