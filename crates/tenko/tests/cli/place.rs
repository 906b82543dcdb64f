//! A place of its own for each test: a directory, an empty environment, and what `tenko` says in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory in which `tenko` runs, with nothing from outside.
#[derive(Debug)]
pub(crate) struct Place {
    dir: TempDir,
    env: Vec<(String, String)>,
}

impl Place {
    /// An empty one.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    /// One with a configuration.
    pub(crate) fn with_config(text: &str) -> Self {
        let place = Self::empty();
        place.write("tenko.toml", text);
        place
    }

    /// Sets a variable for all commands.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that nobody else may read, as a configuration should be.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// The command, ready to start.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenko"));
        command.args(args).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TENKO_STATE_DIR", self.path("state")).env("HOME", self.dir.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::of(args, self.command(args).output().unwrap())
    }

    /// Runs it as a user without rights, if we have the right to become one.
    pub(crate) fn as_nobody(&self, args: &[&str]) -> Said {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt as _;
        if !nix::unistd::geteuid().is_root() {
            return self.run(args);
        }
        // Where the binary was built may be closed to others. What this process wrote itself might be busy: another
        // test may fork meanwhile.
        let binary = self.path("tenko");
        assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_tenko")).arg(&binary).status().unwrap().success());
        std::fs::set_permissions(self.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new(binary);
        command.args(args).current_dir(self.dir.path()).env_clear().uid(65534).gid(65534);
        Said::of(args, command.output().unwrap())
    }

    /// What it says on a terminal.
    pub(crate) fn on_terminal(&self, args: &[&str]) -> String {
        use std::io::Read as _;
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut command = self.command(args);
        command.env("TERM", "xterm").stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave);
        let mut child = command.spawn().unwrap();
        // It keeps the other end open.
        drop(command);
        let mut bytes = Vec::new();
        // Linux ends with EIO when nobody is left at the other end.
        drop(std::fs::File::from(pty.master).read_to_end(&mut bytes));
        assert!(child.wait().unwrap().success());
        String::from_utf8(bytes).unwrap()
    }

    /// Runs it; it must end well and say nothing on standard error.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said}");
        said.out
    }

    /// Runs it with `--json`, and reads what it prints.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let said = self.run(&[args, &["--json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Compares with a snapshot, without what differs from run to run.
    pub(crate) fn snapshot(&self, name: &str, shown: &str) {
        self.snapshot_without(FILTERS, name, shown);
    }

    fn snapshot_without(&self, filters: &[(&str, &str)], name: &str, shown: &str) {
        let dir = regex::escape(&self.dir.path().display().to_string());
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&dir, "[DIR]");
        let host = regex::escape(nix::unistd::gethostname().unwrap().to_str().unwrap());
        settings.add_filter(&format!(", on {host}"), ", on [HOST]");
        settings.add_filter(&format!("\"host\": \"{host}\""), "\"host\": \"[HOST]\"");
        for (pattern, stands_for) in filters {
            settings.add_filter(pattern, *stands_for);
        }
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }

    /// Runs commands one after the other, and compares all they say with the snapshot.
    pub(crate) fn session(&self, name: &str, commands: &[&[&str]]) {
        let all: Vec<String> = commands.iter().map(|args| self.run(args).to_string()).collect();
        self.snapshot(name, &all.join("\n"));
    }

    /// The same where the moments do not depend on the time of day.
    pub(crate) fn session_with_moments(&self, name: &str, commands: &[&[&str]]) {
        let all: Vec<String> = commands.iter().map(|args| self.run(args).to_string()).collect();
        self.snapshot_without(&[DISTANCE], name, &all.join("\n"));
    }

    /// Sets when the store in a directory had all that is in it.
    pub(crate) fn was_received(&self, dir: &str, at: std::time::SystemTime) {
        for entry in self.path(dir).read_dir().unwrap() {
            let name = format!("{dir}/{}", entry.unwrap().file_name().into_string().unwrap());
            if self.path(&name).is_dir() {
                self.was_received(&name, at);
            } else {
                std::fs::File::open(self.path(&name)).unwrap().set_modified(at).unwrap();
            }
        }
    }

    /// A file in it.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }
}

/// Moments, distances, ids and what belongs to the machine. How wide a distance is depends on the time of day.
const FILTERS: &[(&str, &str)] = &[
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[ID]"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d (\+09:00 )?(JST|UTC)", "[TIME]"),
    (r"(just now|in \d+(ms|[smhd])( \d+[smhd])?|\d+(ms|[smhd])( \d+[smhd])? ago)  +", "[DISTANCE]  "),
    (r"SINCE +LAST", "SINCE  LAST"),
    DISTANCE,
    (r"evidence/\d{4}-\d\d-\d\d/\d{6}\.\d{3}Z", "evidence/[DATE]/[TIME]"),
    (r"took \d+(ms|s)", "took [LENGTH]"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
];

const DISTANCE: (&str, &str) =
    (r"just now|in \d+(ms|[smhd])( \d+[smhd])?|\d+(ms|[smhd])( \d+[smhd])? ago", "[DISTANCE]");

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    args: String,
    pub(crate) out: String,
    pub(crate) err: String,
    /// 128 + signal if it was killed.
    pub(crate) code: i32,
}

impl Said {
    pub(crate) fn of(args: &[&str], output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = || 128 + output.status.signal().unwrap_or(0);
        Self {
            args: args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" "),
            code: output.status.code().unwrap_or_else(signal),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) { arg.into() } else { format!("'{}'", arg.escape_debug()) }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ tenko {}", self.args)?;
        f.write_str(&self.out)?;
        if !self.err.is_empty() {
            write!(f, "--- stderr\n{}", self.err)?;
        }
        writeln!(f, "--- exit {}", self.code)
    }
}
