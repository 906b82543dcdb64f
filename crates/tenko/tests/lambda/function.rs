//! The program as Lambda runs it, and the Runtime API that it asks
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::server::{self, Reply, Request};

/// The function's own name, as the Runtime API tells it.
pub(crate) const ARN: &str = "arn:aws:lambda:ap-northeast-1:123456789012:function:tenko";
const PATIENCE: Duration = Duration::from_secs(30);

struct Waiting {
    id: String,
    event: String,
    deadline: u64,
}

#[derive(Default)]
struct Inside {
    waiting: VecDeque<Waiting>,
    /// When the program asked for an event for the first time.
    first_asked: Option<Instant>,
    /// What came back: an answer, or an error.
    back: BTreeMap<String, Result<Value, Value>>,
    invoked: usize,
}

#[derive(Default)]
struct Api {
    inside: Mutex<Inside>,
    changed: Condvar,
}

impl Api {
    fn answer(&self, request: &Request) -> Option<Reply> {
        let parts: Vec<&str> = request.path.trim_start_matches("/2018-06-01/runtime/").split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["invocation", "next"]) => self.next(),
            ("POST", ["invocation", id, "response"]) => self.take(id, Ok(&request.body)),
            ("POST", ["invocation", id, "error"]) => self.take(id, Err(&request.body)),
            _ => panic!("{request:?}"),
        }
    }

    fn next(&self) -> Option<Reply> {
        let mut inside = self.inside.lock().unwrap();
        inside.first_asked.get_or_insert_with(Instant::now);
        self.changed.notify_all();
        let is_empty = |inside: &mut Inside| inside.waiting.is_empty();
        let (mut inside, _) = self.changed.wait_timeout_while(inside, PATIENCE, is_empty).unwrap();
        let Waiting { id, event, deadline } = inside.waiting.pop_front()?;
        let headers = vec![
            ("Lambda-Runtime-Aws-Request-Id", id),
            ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
            ("Lambda-Runtime-Invoked-Function-Arn", ARN.to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ];
        Some(Reply { status: 200, headers, body: event })
    }

    fn take(&self, id: &str, back: Result<&str, &str>) -> Option<Reply> {
        let read = |body: &str| serde_json::from_str::<Value>(body).unwrap();
        let back = back.map(read).map_err(read);
        self.inside.lock().unwrap().back.insert(id.to_owned(), back);
        self.changed.notify_all();
        Reply::new(202, "{}")
    }
}

/// The program, started as a function.
pub(crate) struct Function {
    child: Child,
    log: Option<JoinHandle<String>>,
    api: Arc<Api>,
    /// From starting the program until it asked for the first event.
    started: Instant,
}

impl Function {
    /// Starts it with this environment and nothing else.
    pub(crate) fn start(env: &BTreeMap<String, String>) -> Self {
        let api = Arc::<Api>::default();
        let shared = Arc::clone(&api);
        let address = server::serve(move |request| shared.answer(&request));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.env_clear().envs(env).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("AWS_LAMBDA_RUNTIME_API", address.to_string());
        for (name, value) in [("NAME", "tenko"), ("MEMORY_SIZE", "128"), ("VERSION", "$LATEST")] {
            command.env(format!("AWS_LAMBDA_FUNCTION_{name}"), value);
        }
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut err = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, log: Some(log), api, started }
    }

    /// From starting the program until it asked for the first event.
    pub(crate) fn time_to_first_event(&self) -> Duration {
        let inside = self.api.inside.lock().unwrap();
        let unasked = |inside: &mut Inside| inside.first_asked.is_none();
        let (inside, _) = self.api.changed.wait_timeout_while(inside, PATIENCE, unasked).unwrap();
        inside.first_asked.expect("the program asks for an event") - self.started
    }

    /// Hands over an event and waits for what comes back.
    pub(crate) fn invoke(&self, event: &Value) -> Result<Value, Value> {
        self.invoke_within(event, Duration::from_secs(60))
    }

    /// The same with a time-out, of which the function is told and nothing more happens.
    pub(crate) fn invoke_within(&self, event: &Value, time_out: Duration) -> Result<Value, Value> {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time_out;
        let id = self.send(event, u64::try_from(end.as_millis()).unwrap());
        self.back(&id)
    }

    /// Hands over an event.
    pub(crate) fn send(&self, event: &Value, deadline: u64) -> String {
        let mut inside = self.api.inside.lock().unwrap();
        inside.invoked += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", inside.invoked);
        inside.waiting.push_back(Waiting { id: id.clone(), event: event.to_string(), deadline });
        self.api.changed.notify_all();
        id
    }

    /// Waits for what comes back.
    pub(crate) fn back(&self, id: &str) -> Result<Value, Value> {
        let inside = self.api.inside.lock().unwrap();
        let open = |inside: &mut Inside| !inside.back.contains_key(id);
        let (mut inside, waited) = self.api.changed.wait_timeout_while(inside, PATIENCE, open).unwrap();
        assert!(!waited.timed_out(), "no answer to {id}");
        inside.back.remove(id).unwrap()
    }

    /// Ends it at once, as Lambda does with what takes too long, and gives what it logged.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
