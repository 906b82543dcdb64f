//! AWS on loopback: emulators from a virtualenv, and boto3 to speak to them.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "part of tests, where a panic is the report")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tenko_store::testkit_peers::free_ports;

pub(crate) const REGION: &str = "ap-northeast-1";
/// How long an emulator may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program of the virtualenv.
pub(crate) fn peer(name: &str) -> PathBuf {
    let place = std::env::var_os("TENKO_PEERS_AWS");
    let place = place.expect("TENKO_PEERS_AWS names the virtualenv that scripts/peers makes for AWS");
    let program = Path::new(&place).join("bin").join(name);
    assert!(program.exists(), "{} is not there; scripts/peers installs it", program.display());
    program
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What a program of the virtualenv printed; it must have ended well.
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Who {
    /// Whoever may do everything in an emulator.
    pub(crate) fn root() -> Self {
        Self { key: "test".into(), secret: "test".into(), token: None }
    }

    fn of(found: &Value) -> Self {
        let text = |name: &str| found[name].as_str().map(str::to_owned);
        Self {
            key: text("AccessKeyId").unwrap(),
            secret: text("SecretAccessKey").unwrap(),
            token: text("SessionToken"),
        }
    }

    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let mut env =
            vec![("AWS_ACCESS_KEY_ID", self.key.clone()), ("AWS_SECRET_ACCESS_KEY", self.secret.clone())];
        env.extend(self.token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
        env
    }
}

/// What a call was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
}

/// An emulator of AWS, and boto3 beside it. Both end with this.
pub(crate) struct Lab {
    port: u16,
    server: Child,
    boto: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    _place: TempDir,
}

impl Lab {
    /// ministack, which asks IAM about every request.
    pub(crate) fn ministack() -> Self {
        Self::start(|command, port| {
            command.arg("-c").arg("from ministack.app import main; main()");
            command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
            command.env("AUTH", "true").env("IOT_MTLS_ENABLED", "0");
        })
    }

    /// moto, which asks IAM about every request from [`Self::now_ask_iam`] on.
    pub(crate) fn moto() -> Self {
        Self::start(|command, port| {
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", "100000");
        })
    }

    fn start(how: impl Fn(&mut Command, u16)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let mut command = Command::new(peer("python"));
        how(&mut command, port);
        command.current_dir(place.path()).env("STATE_DIR", place.path().join("state"));
        command.env("AWS_DEFAULT_REGION", REGION);
        let log = std::fs::File::create(place.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = command.spawn().unwrap();
        wait_for(port, &mut server, place.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_support/boto.py");
        let mut boto = Command::new(peer("python"));
        boto.arg(script).args([&format!("http://127.0.0.1:{port}"), REGION]);
        boto.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut boto = boto.spawn().unwrap();
        let stdin = boto.stdin.take().unwrap();
        let stdout = BufReader::new(boto.stdout.take().unwrap());
        Self { port, server, boto, stdin, stdout, _place: place }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The URL of a store in a bucket of it.
    pub(crate) fn store(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint={}&region={REGION}&allow_http=true", self.endpoint())
    }

    /// Calls AWS.
    pub(crate) fn call(&mut self, who: &Who, service: &str, call: &str, with: Value) -> Answer {
        let mut asked = json!({ "as": [who.key, who.secret, who.token], "service": service, "call": call });
        asked["with"] = with;
        writeln!(self.stdin, "{asked}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Answer { status: answer["status"].as_u64().unwrap_or(0), body: answer }
    }

    /// Calls AWS as whoever may do everything; it must work.
    pub(crate) fn done(&mut self, service: &str, call: &str, with: Value) -> Value {
        let answer = self.call(&Who::root(), service, call, with);
        assert!(answer.body.get("ok").is_some(), "{service} {call}: {answer:?}");
        answer.body["ok"].clone()
    }

    /// A user with one policy.
    pub(crate) fn user(&mut self, name: &str, policy: &str) -> Who {
        self.done("iam", "create_user", json!({ "UserName": name }));
        let policy = json!({ "UserName": name, "PolicyName": "its", "PolicyDocument": policy });
        self.done("iam", "put_user_policy", policy);
        let key = self.done("iam", "create_access_key", json!({ "UserName": name }));
        Who::of(&key["AccessKey"])
    }

    /// Somebody in a role with one policy, which this user may take.
    pub(crate) fn role(&mut self, name: &str, policy: &str) -> Who {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }] });
        let role = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust.to_string() });
        let role = self.done("iam", "create_role", role);
        let policy = json!({ "RoleName": name, "PolicyName": "its", "PolicyDocument": policy });
        self.done("iam", "put_role_policy", policy);
        let taken = json!({ "RoleArn": role["Role"]["Arn"], "RoleSessionName": "test" });
        Who::of(&self.done("sts", "assume_role", taken)["Credentials"])
    }

    /// From now on moto asks IAM about every request.
    pub(crate) fn now_ask_iam(&self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut request =
            "POST /moto-api/reset-auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".to_owned();
        write!(request, "Content-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\n0").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// `tenko` with the credentials of somebody, in a directory of its own.
    pub(crate) fn tenko(&self, who: &Who, place: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(arguments).current_dir(place).env_clear().envs(who.env()).stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", place).env("TENKO_STATE_DIR", place.join("state"));
        command.env("AWS_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
        command.output().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in [&mut self.boto, &mut self.server] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn wait_for(port: u16, server: &mut Child, place: &Path) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(place.join("log")).unwrap_or_default();
        assert!(server.try_wait().unwrap().is_none(), "the emulator ended: {}", log());
        assert!(start.elapsed() < PATIENCE, "the emulator does not start: {}", log());
        sleep(Duration::from_millis(50));
    }
}

/// What `tenko` printed; it must have ended well.
pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
