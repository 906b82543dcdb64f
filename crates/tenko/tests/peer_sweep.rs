//! Every system call of the one-shot commands is killed at, and every write, flush, rename and open is failed, in turn
//! (rows 1, 2, 6, 7, 8 and 93 of docs/faults.md). strace(1) does it to the program that is shipped; the command that
//! `tenko run` starts is let go at its execve.
//!
//! Left out are calls that change nothing outside the process (memory, signal masks, waiting): a kill there is a kill
//! at the call before or after.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]
#![expect(clippy::print_stdout, reason = "the figures are wanted")]

mod cli_support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cli_support::{Place, Seen};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Calls that change nothing outside the process.
const INSIDE: [&str; 27] = [
    "arch_prctl",
    "brk",
    "clock_nanosleep",
    "epoll_wait",
    "fcntl",
    "futex",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "poll",
    "prctl",
    "prlimit64",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "sched_getaffinity",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
];
/// Calls of which each is failed, with what they can fail with.
const FAILING: [(&str, &[&str]); 13] = [
    ("write", &["EIO", "ENOSPC"]),
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("rename", &["EIO", "EROFS"]),
    ("renameat", &["EIO", "EROFS"]),
    ("openat", &["EIO", "EROFS"]),
    ("ftruncate", &["EIO"]),
    ("linkat", &["EIO", "ENOSPC"]),
    ("unlink", &["EIO"]),
    ("unlinkat", &["EIO"]),
    ("mkdir", &["ENOSPC"]),
    ("mkdirat", &["ENOSPC"]),
];
/// No command makes more calls of a kind than this.
const MOST: usize = 2_000;

const PING: &[&str] = &["ping", "job", "fail", "--report-timeout", "1s"];
const CHECK: &[&str] = &["check", "--json"];
const RUN: &[&str] = &["run", "--job", "job", "--report-timeout", "1s", "--", "sh", "-c", "exit 7"];

/// What one sweep does.
struct Sweep {
    store: &'static str,
    arguments: &'static [&'static str],
    /// What is in the store before.
    before: &'static [&'static str],
    verify: fn(&Scene, &Hit),
}

/// A place with a store in it.
struct Scene {
    place: Place,
    store: String,
}

/// One call under strace.
struct Hit {
    /// Where it was hit, for the report.
    at: String,
    code: Option<i32>,
    err: String,
    log: String,
}

impl Scene {
    fn new(store: &str) -> Self {
        let place = Place::new();
        let store = store.replace("PLACE", place.path().to_str().unwrap());
        let config = "notify = [\"ops\"]\n[channels.ops]\ncommand = [\"sh\", \"-c\", \"echo told >> told; exec cat > /dev/null\"]\n";
        fs::write(place.path().join("tenko.toml"), config).unwrap();
        Self { place, store }
    }

    /// The same scene somewhere else.
    fn copy(&self, store: &str) -> Self {
        let copy = Self::new(store);
        for file in cli_support::files(self.place.path()) {
            let target = copy.place.path().join(file.strip_prefix(self.place.path()).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(file, target).unwrap();
        }
        copy
    }

    fn tenko(&self, arguments: &[&str]) -> Seen {
        Seen::of(self.place.command(arguments).env("TENKO_STORE", &self.store).output().unwrap())
    }

    fn traced(&self, expressions: &[String], arguments: &[&str]) -> Hit {
        let log = self.place.path().join("strace.log");
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-y", "-b", "execve", "-qq", "-o"]).arg(&log);
        command.args(expressions.iter().flat_map(|expression| ["-e", expression]));
        command.arg(env!("CARGO_BIN_EXE_tenko")).args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("TENKO_STATE_DIR", self.place.state()).env("TENKO_STORE", &self.store);
        command.current_dir(self.place.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let errors = self.place.path().join("errors");
        command.stderr(fs::File::create(&errors).unwrap());
        let mut strace = command.spawn().expect("strace is needed: apt-get install strace");
        let status = ended(&mut strace, &log);
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let (log, err) = (text(&log), text(&errors));
        assert!(!err.contains("strace: "), "strace did not work: {err}");
        let code = match status.signal() {
            Some(9) => None,
            _ => status.code(),
        };
        Hit { at: expressions.join(" "), code, err, log }
    }

    /// A roll call that nobody disturbs. There is no roll where nothing was ever stored.
    fn check(&self, hit: &Hit) -> Value {
        let seen = self.tenko(CHECK);
        if seen.code == 3 && seen.err.contains("hint: create it") && !self.place.path().join("store").exists()
        {
            return Value::Null;
        }
        assert!(matches!(seen.code, 0 | 1), "{}: {seen:?}", hit.at);
        seen.json()
    }

    /// How many ends of the job are in the store once everything that waits was sent.
    fn ends(&self, hit: &Hit) -> usize {
        let flushed = self.tenko(&["flush"]);
        assert_eq!((flushed.code, self.place.waiting()), (0, 0), "{}: {flushed:?}", hit.at);
        self.check(hit);
        let seen = self.tenko(&["log", "job", "--json"]);
        let known = || seen.json().as_array().unwrap().iter().filter(|entry| entry["kind"] == "fail").count();
        if seen.code == 0 { known() } else { 0 }
    }
}

/// Waits for the end. A call to wake another thread that was made to fail, which no kernel does, ends nothing.
fn ended(strace: &mut Child, log: &Path) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = strace.try_wait().unwrap() {
            return status;
        }
        thread::sleep(Duration::from_millis(2));
        let passed = began.elapsed();
        if passed > Duration::from_secs(1) {
            let text = fs::read_to_string(log).unwrap_or_default();
            let woke = text.contains("eventfd");
            assert!(woke || passed < Duration::from_secs(40), "it hangs: {text}");
            if let (true, Ok(tenko)) = (woke, text.split(' ').next().unwrap_or_default().parse()) {
                // It may be gone by now.
                let _ = kill(Pid::from_raw(tenko), Signal::SIGKILL);
            }
        }
    }
}

/// Whether a call is of the loader, before there is a program, or wakes a thread, which no kernel fails. Of a call that
/// another thread's came between, what it is about stands in the line in which it began.
fn is_outside(log: &str, line: &str) -> bool {
    let thread = |line: &str| line.split(' ').next().map(str::to_owned);
    let began = log.lines().take_while(|other| *other != line);
    let began = began.filter(|other| other.contains("unfinished") && thread(other) == thread(line)).last();
    let call = if line.contains("resumed>") { began.unwrap_or(line) } else { line };
    call.contains(".so") || call.contains("eventfd")
}

impl Sweep {
    /// The scene before.
    fn template(&self) -> Scene {
        let scene = Scene::new(self.store);
        if !self.before.is_empty() {
            assert_eq!(scene.tenko(self.before).code, 0);
        }
        scene
    }

    /// Hits the call `name` in each of its places until there are no more; gives how many there were, and how many of
    /// them were left out.
    fn hit_all(&self, template: &Scene, name: &str, what: &str) -> (usize, usize) {
        let (mut hits, mut outside) = (0, 0);
        for when in 1..MOST {
            let scene = template.copy(self.store);
            let expressions = [format!("trace={name}"), format!("inject={name}:{what}:when={when}")];
            let hit = scene.traced(&expressions, self.arguments);
            let mark = if what.starts_with("signal") { "killed by SIGKILL" } else { "(INJECTED)" };
            let Some(line) = hit.log.lines().find(|line| line.contains(mark)) else { return (hits, outside) };
            if is_outside(&hit.log, line) || hit.err.contains("failed to wake I/O driver") {
                outside += 1;
                continue;
            }
            (self.verify)(&scene, &hit);
            hits += 1;
        }
        panic!("{name} is called without end");
    }

    /// The names of the calls that are made.
    fn calls(&self, template: &Scene) -> BTreeSet<String> {
        let log = template.copy(self.store).traced(&["trace=all".to_owned()], self.arguments).log;
        let name = |line: &str| {
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let name = call.split_once('(')?.0;
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            is_name.then(|| name.to_owned())
        };
        log.lines().filter_map(name).collect()
    }

    fn kill(&self) {
        let template = self.template();
        let calls = self.calls(&template);
        let (inside, swept): (Vec<_>, Vec<_>) =
            calls.iter().partition(|name| INSIDE.contains(&name.as_str()));
        let hits: usize = swept.iter().map(|name| self.hit_all(&template, name, "signal=KILL").0).sum();
        assert!(hits > 30, "only {hits} places were hit");
        println!(
            "kill, tenko {} in {}: {hits} of {hits} survived ({} kinds of calls; left out: {})",
            self.arguments[0],
            self.store.split(':').next().unwrap(),
            swept.len(),
            inside.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
        );
    }

    fn fail(&self) {
        let template = self.template();
        let calls = self.calls(&template);
        let (mut hits, mut outside) = (0, 0);
        for (name, errors) in FAILING.iter().filter(|(name, _)| calls.contains(*name)) {
            for error in *errors {
                let (hit, left) = self.hit_all(&template, name, &format!("error={error}"));
                hits += hit;
                outside += left;
            }
        }
        assert!(hits > 10, "only {hits} places were hit");
        println!(
            "errors, tenko {} in {}: {hits} of {hits} survived ({outside} left out: of the loader, or to wake a thread)",
            self.arguments[0],
            self.store.split(':').next().unwrap(),
        );
    }
}

impl Sweep {
    /// Only flushing to the disk fails, each time by itself. What was written before is not believed to be there.
    fn flush_fails(&self) {
        let template = self.template();
        let hits: usize =
            ["fsync", "fdatasync"].iter().map(|name| self.hit_all(&template, name, "error=EIO").0).sum();
        assert!(hits > 0, "nothing was flushed");
    }

    /// When it has ended well, all that was written has been flushed, and so has each directory that got a new name; and
    /// what gets its name has been flushed before that.
    fn is_flushed(&self) {
        let scene = self.template();
        let hit = scene.traced(&["trace=%desc,%file".to_owned()], self.arguments);
        assert_eq!(hit.code, Some(0), "{}", hit.err);
        let mut dirty = BTreeSet::new();
        let (mut written, place) = (0, scene.place.path().to_str().unwrap());
        for line in hit.log.lines().filter(|line| line.contains(place)) {
            let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
            let name = call.split('(').next().unwrap_or_default();
            let named: Vec<String> =
                call.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())).collect();
            match (name, named.as_slice()) {
                ("write" | "pwrite64", [file, ..]) => written += usize::from(dirty.insert(file.clone())),
                ("linkat" | "renameat" | "renameat2", [from, to, ..]) => {
                    let draft = call.split('"').nth(1).unwrap_or_default();
                    assert!(!dirty.contains(&format!("{from}/{draft}")), "not flushed before: {line}");
                    dirty.insert(to.clone());
                }
                ("mkdirat", [directory, ..]) if call.contains("= 0") => drop(dirty.insert(directory.clone())),
                ("fsync" | "fdatasync", [flushed, ..]) => drop(dirty.remove(flushed)),
                _ => {}
            }
        }
        dirty.retain(|path| !path.ends_with("-shm"));
        assert!(written > 0 && dirty.is_empty(), "not flushed: {dirty:?}\n{}", hit.log);
    }
}

/// A ping that said it was stored or kept is.
fn ping_is_true(scene: &Scene, hit: &Hit) {
    let ends = scene.ends(hit);
    if matches!(hit.code, Some(0)) {
        assert_eq!(ends, 1, "{}: acknowledged and lost: {}", hit.at, hit.err);
    }
    if hit.code == Some(3) && hit.err.contains("kept") {
        assert_eq!(ends, 1, "{}: said to be kept and lost: {}", hit.at, hit.err);
    }
    assert!(matches!(hit.code, None | Some(0 | 2 | 3)), "{}: {:?} {}", hit.at, hit.code, hit.err);
}

/// The job is down, and that was told, or stands in the outbox to be told.
fn check_is_whole(scene: &Scene, hit: &Hit) {
    let check = scene.check(hit);
    assert_eq!(check["jobs"][0]["verdict"], "down", "{}: {check}", hit.at);
    let told = fs::read_to_string(scene.place.path().join("told")).unwrap_or_default().lines().count();
    let listed = scene.tenko(&["notify", "list", "--json"]).json();
    let waiting = listed.as_array().map_or(0, Vec::len);
    assert!(told + waiting >= 1, "{}: the notice is lost: {listed}", hit.at);
    assert!(told <= 2, "{}: told {told} times", hit.at);
    assert!(matches!(hit.code, None | Some(0..=3)), "{}: {:?} {}", hit.at, hit.code, hit.err);
}

/// Whatever happens, the exit code is the command's; what is not said to be lost is not lost.
fn run_is_untouched(scene: &Scene, hit: &Hit) {
    assert_eq!(hit.code, Some(7), "{}: {}", hit.at, hit.err);
    let ends = scene.ends(hit);
    assert!(
        ends == 1 || hit.err.contains("lost") || hit.at.contains("inject=write"),
        "{}: {}",
        hit.at,
        hit.err
    );
}

/// A killed wrapper leaves a store that works.
fn run_leaves_order(scene: &Scene, hit: &Hit) {
    assert!(scene.ends(hit) <= 1, "{}", hit.at);
    assert_eq!(scene.tenko(RUN).code, 7, "{}", hit.at);
    assert!(scene.ends(hit) >= 1, "{}", hit.at);
}

const SQLITE: &str = "sqlite://PLACE/tenko.db";
const DIRECTORY: &str = "file://PLACE/store";

macro_rules! sweeps {
    ($($name:ident: $how:ident, $store:expr, $arguments:expr, $before:expr, $verify:expr;)*) => {$(
        #[test]
        #[ignore = "needs strace; run by ./test"]
        fn $name() {
            Sweep { store: $store, arguments: $arguments, before: $before, verify: $verify }.$how();
        }
    )*};
}

sweeps! {
    fault_2_kill_ping_sqlite: kill, SQLITE, PING, &[], ping_is_true;
    fault_2_kill_ping_sqlite_that_is_there: kill, SQLITE, PING, &["ping", "other"], ping_is_true;
    fault_2_kill_ping_directory: kill, DIRECTORY, PING, &[], ping_is_true;
    fault_1_kill_check_sqlite: kill, SQLITE, CHECK, PING, check_is_whole;
    fault_1_kill_check_directory: kill, DIRECTORY, CHECK, PING, check_is_whole;
    fault_2_kill_run_sqlite: kill, SQLITE, RUN, &[], run_leaves_order;
    fault_2_kill_run_directory: kill, DIRECTORY, RUN, &[], run_leaves_order;
    fault_6_fail_ping_sqlite: fail, SQLITE, PING, &[], ping_is_true;
    fault_6_fail_ping_directory: fail, DIRECTORY, PING, &[], ping_is_true;
    fault_6_fail_check_sqlite: fail, SQLITE, CHECK, PING, check_is_whole;
    fault_6_fail_check_directory: fail, DIRECTORY, CHECK, PING, check_is_whole;
    fault_6_fail_run_sqlite: fail, SQLITE, RUN, &[], run_is_untouched;
    fault_6_fail_run_directory: fail, DIRECTORY, RUN, &[], run_is_untouched;
    fault_7_a_flush_that_failed_is_not_believed_sqlite: flush_fails, SQLITE, PING, &[], ping_is_true;
    fault_7_a_flush_that_failed_is_not_believed_directory: flush_fails, DIRECTORY, PING, &[], ping_is_true;
    fault_8_what_is_acknowledged_is_flushed_sqlite: is_flushed, SQLITE, PING, &[], ping_is_true;
    fault_8_what_is_acknowledged_is_flushed_directory: is_flushed, DIRECTORY, PING, &[], ping_is_true;
}
