//! Any program: it gets the JSON of [`super::form`] on its standard input, and its exit code is the answer.
//!
//! 0: accepted. 78 (`EX_CONFIG` of sysexits.h), or it can't be started: never. Anything else: later. What it writes
//! to standard error is told with the problem.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tenko_core::message::{Language, line};
use tenko_core::outbox::{Batch, Delivery};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};

use super::channels::Channel;
use super::form::Form;
use super::options::CommandOptions;

/// The exit code of a program that is set up wrongly.
const EX_CONFIG: i32 = 78;
/// How much of standard error is told, in bytes.
const SHOWN: usize = 1000;
/// How long to wait for the rest of standard error, which a daemon may keep open.
const LINGER: Duration = Duration::from_millis(200);

/// Any program.
#[derive(Debug)]
pub(super) struct Command {
    options: CommandOptions,
    language: Language,
}

impl Command {
    /// A channel whose message is in `language`.
    pub(super) fn new(options: CommandOptions, language: Language) -> Self {
        Self { options, language }
    }

    fn start(&self) -> io::Result<Child> {
        let Some((program, arguments)) = self.options.command.split_first() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no program is named"));
        };
        tokio::process::Command::new(program)
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

#[async_trait]
impl Channel for Command {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => return not_started(&error),
        };
        let group = Group::of(&child);
        let said = tokio::spawn(beginning(child.stderr.take()));
        let fed = feed(child.stdin.take(), Form::of(batch, self.language).to_json());
        let ended = tokio::time::timeout(self.options.timeout, wait(&mut child, fed)).await;
        let status = match ended {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return later(format!("it can't be waited for: {error}")),
            Err(_) => {
                drop(group);
                return later(format!(
                    "it did not end within {} s and was killed",
                    self.options.timeout.as_secs_f32()
                ));
            }
        };
        group.leave();
        let said = tokio::time::timeout(LINGER, said).await.ok().and_then(Result::ok).unwrap_or_default();
        judge(status, &said)
    }
}

fn judge(status: std::process::ExitStatus, said: &str) -> Delivery {
    if status.success() {
        return Delivery::Accepted;
    }
    let said = line(said, 200);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let problem = format!("it ended with {status}{said}");
    if status.code() == Some(EX_CONFIG) { Delivery::Never { problem } } else { later(problem) }
}

/// A lack of memory or processes passes; a missing program does not.
fn not_started(error: &io::Error) -> Delivery {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
    let problem = format!("it can't be started: {error}");
    match error.kind() {
        NotFound | PermissionDenied | NotADirectory | InvalidInput => Delivery::Never { problem },
        _ => later(problem),
    }
}

fn later(problem: String) -> Delivery {
    Delivery::Later { problem, retry_after: None }
}

/// A program may end without having read what it is told.
async fn feed(stdin: Option<ChildStdin>, text: String) {
    if let Some(mut stdin) = stdin
        && let Err(error) = stdin.write_all(text.as_bytes()).await
    {
        tracing::debug!(%error, "the program did not read all that it was told");
    }
}

/// Waits for the end of the child, and meanwhile tells it.
async fn wait(child: &mut Child, fed: impl Future<Output = ()>) -> io::Result<std::process::ExitStatus> {
    tokio::select! {
        status = child.wait() => return status,
        () = fed => {}
    }
    child.wait().await
}

/// The first bytes; the rest is read and forgotten, so that nobody is blocked.
async fn beginning(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        bytes.extend_from_slice(&chunk[..read.min(SHOWN - bytes.len())]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The process group of a child; killed when dropped, as when nobody waits any more.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// The child has ended: what it left behind may go on.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = killpg(group, Signal::SIGKILL)
        {
            tracing::debug!(%error, "the program's process group was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::notify::sample;

    fn channel(command: &[&str], timeout: Duration) -> Command {
        let command = command.iter().map(|&part| part.to_owned()).collect();
        Command::new(CommandOptions { command, timeout }, Language::En)
    }

    async fn deliver(command: &[&str]) -> Delivery {
        channel(command, Duration::from_secs(20)).deliver(&sample::several()).await
    }

    #[tokio::test]
    async fn exit_codes_are_answers() {
        assert_eq!(deliver(&["true"]).await, Delivery::Accepted);
        let later = later("it ended with exit status: 75: no route".into());
        assert_eq!(deliver(&["sh", "-c", "echo no route >&2; exit 75"]).await, later);
        let never = Delivery::Never { problem: "it ended with exit status: 78: no token".into() };
        assert_eq!(deliver(&["sh", "-c", "echo no token >&2; exit 78"]).await, never);
        let missing = deliver(&["/nowhere/no-such-program"]).await;
        assert!(matches!(missing, Delivery::Never { .. }), "{missing:?}");
        assert!(matches!(deliver(&[]).await, Delivery::Never { .. }));
    }

    #[tokio::test]
    async fn it_reads_the_form_on_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("told.json");
        let script = format!("cat > '{}'", file.display());
        assert_eq!(deliver(&["sh", "-c", &script]).await, Delivery::Accepted);
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!((told["version"].as_u64(), told["channel"].as_str()), (Some(1), Some("ops")));
        assert_eq!(told["notices"].as_array().map(Vec::len), Some(6));
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > '{}'; wait", file.display());
        let started = Instant::now();
        let delivery =
            channel(&["sh", "-c", &script], Duration::from_millis(800)).deliver(&sample::several()).await;
        assert_eq!(delivery, later("it did not end within 0.8 s and was killed".into()));
        assert!(started.elapsed() < Duration::from_secs(15));
        let sleeper: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{sleeper}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(15), "the grandchild lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_daemon_that_keeps_standard_error_open_delays_nothing() {
        let started = Instant::now();
        assert_eq!(deliver(&["sh", "-c", "sleep 15 & exit 0"]).await, Delivery::Accepted);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
