//! The desk of whoever is called: a Slack webhook on loopback, a `tenko.toml`, and the `tenko` command.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;

use super::seaweed::{Seaweed, Who};

pub(crate) struct Desk<'a> {
    server: &'a Seaweed,
    place: tempfile::TempDir,
    received: Arc<Mutex<Vec<serde_json::Value>>>,
    hook: String,
}

/// What the command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl<'a> Desk<'a> {
    /// A desk with these lines of configuration behind the common ones.
    pub(crate) fn new(server: &'a Seaweed, config: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let head = "timezone = \"Asia/Tokyo\"\nnotify = [\"ops\"]\n\n[channels.ops]\nslack = \"env:SLACK_WEBHOOK_URL\"\n";
        std::fs::write(place.path().join("tenko.toml"), format!("{head}\n{config}")).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let hook = receiver(Arc::clone(&received));
        Self { server, place, received, hook }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Runs `tenko` with the credentials of somebody.
    pub(crate) fn tenko(&self, who: Who, arguments: &[&str]) -> Said {
        let host = if who == Who::App { "host-of-the-app" } else { "host-of-the-checker" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("TENKO_STATE_DIR", self.path().join(host));
        command.env("SLACK_WEBHOOK_URL", &self.hook);
        command.env("AWS_ENDPOINT_URL", self.server.endpoint()).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(who.env());
        said(command.output().unwrap())
    }

    /// The texts that Slack received since the last time.
    pub(crate) fn slack(&self) -> Vec<String> {
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        received.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Starts a receiver that lasts as long as the tests, and gives its URL.
fn receiver(received: Arc<Mutex<Vec<serde_json::Value>>>) -> String {
    let accept = move |axum::Json(message): axum::Json<serde_json::Value>| {
        received.lock().unwrap().push(message);
        async { "ok" }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/services/T0/B0/secret", post(accept));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await
        })
    });
    format!("http://{address}/services/T0/B0/secret")
}
