//! A bucket, somebody who is told, and the environment that a function finds itself in.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tenko_store::testkit_s3::{Key, TestS3};
use tokio::runtime::Runtime;

use crate::function::Function;
use crate::server::{self, Reply};

pub(crate) struct World {
    pub(crate) s3: TestS3,
    pub(crate) slack: Slack,
    pub(crate) env: BTreeMap<String, String>,
    dir: TempDir,
    _runtime: Runtime,
}

impl World {
    /// A function with this configuration in its environment. `SLACK` in it stands for the URL of a webhook.
    pub(crate) fn with(config: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let s3 = runtime.block_on(TestS3::start());
        let (slack, dir) = (Slack::new(), tempfile::tempdir().unwrap());
        let mut env = s3.env(Key::Admin);
        env.insert("AWS_ENDPOINT_URL_S3".into(), s3.endpoint());
        env.insert("AWS_REGION".into(), "ap-northeast-1".into());
        env.insert("AWS_ALLOW_HTTP".into(), "true".into());
        env.insert("TENKO_STORE".into(), "s3://tenko-test/prod".into());
        env.insert("TENKO_STATE_DIR".into(), dir.path().join("state").display().to_string());
        env.insert("LAMBDA_TASK_ROOT".into(), dir.path().display().to_string());
        env.insert("TENKO_CONFIG_TOML".into(), config.replace("SLACK", &slack.url));
        env.insert("PATH".into(), "/usr/bin:/bin".into());
        Self { s3, slack, env, dir, _runtime: runtime }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), value.into());
    }

    pub(crate) fn function(&self) -> Function {
        Function::start(&self.env)
    }

    /// Runs the program as a command in the same surroundings.
    pub(crate) fn tenko(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        let output =
            command.args(arguments).env_clear().envs(&self.env).current_dir(self.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Runs the program under the name that Lambda gives it, in a place that is not Lambda.
    pub(crate) fn tenko_as_bootstrap(&self) -> (i32, String) {
        let bootstrap = self.path().join("bootstrap");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tenko"), &bootstrap).unwrap();
        let output = Command::new(bootstrap).env_clear().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Leaves evidence that a job failed, and gives its key.
    pub(crate) fn fail(&self, job: &str) -> String {
        let (code, said) = self.tenko(&["run", "--job", job, "--", "sh", "-c", "echo no space left; exit 3"]);
        assert_eq!((code, said.contains("spool")), (3, false), "{said}");
        let key = self.s3.keys().into_iter().rev().find(|key| key.contains(job) && key.contains(".fail-3"));
        key.expect("the evidence is there")
    }

    /// Changes what the next function finds in `TENKO_CONFIG_TOML`.
    pub(crate) fn configure(&mut self, config: &str) {
        let config = config.replace("SLACK", &self.slack.url);
        self.set("TENKO_CONFIG_TOML", &config);
    }
}

/// Somebody who is told.
pub(crate) struct Slack {
    pub(crate) url: String,
    told: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<(Duration, u16)>>,
}

impl Slack {
    fn new() -> Self {
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let answer = Arc::new(Mutex::new((Duration::ZERO, 200)));
        let (kept, said) = (Arc::clone(&told), Arc::clone(&answer));
        let address = server::serve(move |request| {
            kept.lock().unwrap().push(serde_json::from_str(&request.body).unwrap());
            let (wait, status) = *said.lock().unwrap();
            thread::sleep(wait);
            Reply::new(status, "ok")
        });
        Self { url: format!("http://{address}/services/T0/B0/plantedSecret"), told, answer }
    }

    /// Answers so, after some time.
    pub(crate) fn answers(&self, wait: Duration, status: u16) {
        *self.answer.lock().unwrap() = (wait, status);
    }

    /// All that it was told so far.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

/// Waits until something is so, for at most twenty seconds.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
