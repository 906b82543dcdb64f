//! The function in the emulator of PyPI `cargo-lambda`, which tells a deadline that can't be.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenko_store::testkit_peers::free_ports;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn peer(program: &str) -> PathBuf {
    let peers = std::env::var("TENKO_PEERS").expect("TENKO_PEERS names the virtual environment of the peers");
    Path::new(&peers).join("bin").join(program)
}

/// It insists on a package, of which it builds nothing.
fn emulator(dir: &Path, port: u16) -> Running {
    std::fs::create_dir(dir.join("src")).unwrap();
    std::fs::write(dir.join("src/main.rs"), "fn main() {}").unwrap();
    let package = "[package]\nname = \"tenko\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(dir.join("Cargo.toml"), package).unwrap();
    let mut command = Command::new(peer("cargo-lambda"));
    command.args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port"]);
    command
        .arg(port.to_string())
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "the emulator listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

fn function(dir: &Path, port: u16, slack: &str) -> Running {
    let config =
        format!("channels.ops.slack = \"{slack}\"\nnotify = [\"ops\"]\njobs.nightly.every = \"1d\"\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
    command.env_clear().envs([
        ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/tenko")),
        ("AWS_LAMBDA_FUNCTION_NAME", "tenko".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".into()),
        ("TENKO_STORE", store(dir)),
        ("TENKO_CONFIG_TOML", config),
    ]);
    Running(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn store(dir: &Path) -> String {
    let store = dir.join("store");
    std::fs::create_dir_all(&store).unwrap();
    format!("file://{}", store.display())
}

fn invoke(port: u16, event: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let body = event.to_string();
    let head =
        "POST /2015-03-31/functions/tenko/invocations HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// Takes one message with 200.
fn slack() -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&text).contains("nightly") {
            let length = stream.read(&mut part).unwrap();
            text.extend_from_slice(&part[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
    });
    (url, taken)
}

#[test]
#[ignore = "needs cargo-lambda; run by ./test"]
fn in_the_emulator_of_cargo_lambda_the_roll_is_called_and_people_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let _emulator = emulator(dir.path(), port);
    let (url, told) = slack();
    let _function = function(dir.path(), port, &url);
    let (status, answer) = invoke(port, &json!({}));
    assert_eq!((status, &answer["jobs"][0]["verdict"]), (200, &json!("new")));
    let mut wrapper = Command::new(env!("CARGO_BIN_EXE_tenko"));
    wrapper
        .args(["run", "--job", "nightly", "--", "false"])
        .env_clear()
        .env("TENKO_STORE", store(dir.path()));
    let state = dir.path().join("state");
    assert_eq!(
        wrapper.env("TENKO_STATE_DIR", state).env("PATH", "/usr/bin:/bin").status().unwrap().code(),
        Some(1)
    );
    let (_, answer) = invoke(port, &json!({}));
    assert_eq!((&answer["jobs"][0]["verdict"], &answer["delivered"]), (&json!("down"), &json!(1)));
    told.join().unwrap();
    let (_, error) = invoke(port, &json!({ "job": "nightly" }));
    assert_eq!(error["errorType"], "UnknownEvent");
}
