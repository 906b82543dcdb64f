//! `watch`: calls the roll until it is told to stop.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::Place;

const PATIENCE: Duration = Duration::from_secs(20);

/// A watcher under way, and its lines.
struct Watcher {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Watcher {
    fn start(place: &Place) -> Self {
        let mut command = place.command(&["watch"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    fn tell(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Its exit code, after a signal.
    fn ends(mut self, signal: Signal) -> Option<i32> {
        self.tell(signal);
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if tell.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    told
}

/// The next line with a word in it.
fn line(lines: &Receiver<String>, word: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).unwrap_or_else(|error| panic!("no line says {word:?}: {error}"));
        if line.contains(word) {
            return line;
        }
    }
}

const TWO: &str = "[checker]\ninterval = \"1s\"\n[jobs.a]\nevery = \"1d\"\n[jobs.b]\nevery = \"1d\"\n";

#[test]
fn it_tells_flips_as_they_come_and_ends_well_on_term_and_int() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let place = Place::with_config(TWO);
        place.ok(&["ping", "a"]);
        let watcher = Watcher::start(&place);
        assert!(line(&watcher.out, " a: ").ends_with(" a: new -> up"));
        place.ok(&["ping", "b", "fail"]);
        assert!(line(&watcher.out, " b: ").ends_with(" b: new -> down (failed)"));
        assert_eq!(watcher.ends(signal), Some(0));
    }
}

#[test]
fn on_hup_a_good_configuration_is_taken_and_a_broken_one_is_not() {
    let place = Place::with_config(TWO);
    place.ok(&["ping", "a"]);
    let watcher = Watcher::start(&place);
    line(&watcher.out, " a: ");

    place.write("tenko.toml", "[jobs.a]\ncorn = \"0 5 * * *\"\n");
    watcher.tell(Signal::SIGHUP);
    line(&watcher.err, "there is no key `corn` here");
    line(&watcher.err, "stays in force");
    place.write("empty.toml", "");
    place.ok(&["--config", "empty.toml", "ping", "b"]);
    line(&watcher.out, " b: new -> up");

    place.write("tenko.toml", &format!("{TWO}[jobs.c]\nevery = \"1d\"\n"));
    watcher.tell(Signal::SIGHUP);
    line(&watcher.err, "is read again");
    place.ok(&["ping", "c", "fail"]);
    line(&watcher.out, " c: new -> down (failed)");
    assert_eq!(watcher.ends(Signal::SIGTERM), Some(0));
}

#[test]
fn a_store_that_is_away_is_waited_for() {
    let place = Place::with_config(TWO);
    let url = format!("file://{}", place.path("store").display());
    let place = place.env("TENKO_STORE", &url);
    let watcher = Watcher::start(&place);
    line(&watcher.err, "error: can't ");
    std::fs::create_dir(place.path("store")).unwrap();
    place.ok(&["ping", "a"]);
    line(&watcher.out, " a: new -> up");
    assert_eq!(watcher.ends(Signal::SIGTERM), Some(0));
}

#[test]
fn a_full_disk_behind_its_output_does_not_stop_it_but_a_reader_that_goes_away_does() {
    let place = Place::with_config(TWO);
    place.ok(&["ping", "a"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = place.command(&["watch"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let (_, out) = mpsc::channel();
    let watcher = Watcher { err: lines(child.stderr.take().unwrap()), out, child };
    line(&watcher.err, "can't write to standard output");
    place.ok(&["ping", "b"]);
    line(&watcher.err, "can't write to standard output");
    assert_eq!(watcher.ends(Signal::SIGTERM), Some(0));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    place.ok(&["ping", "a", "fail"]);
    let output = place.command(&["watch"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}

#[test]
fn it_does_not_start_with_a_broken_configuration() {
    let place = Place::with_config("[jobs.a]\ncorn = \"0 5 * * *\"\n");
    place.session("watch-broken", &[&["watch"], &["watch", "--store", "nonsense"]]);
}

#[test]
fn fault_59_reading_the_configuration_again_and_again_drops_and_doubles_no_notice() {
    let slow = "[channels.ops]\ncommand = [\"sh\", \"-c\", \"sleep 0.05; cat >> told; echo >> told\"]\n";
    let config = format!("notify = [\"ops\"]\n{slow}[checker]\ninterval = \"1s\"\n");
    let place = Place::with_config(&config);
    let watcher = Watcher::start(&place);
    for number in 0..12 {
        place.run(&["ping", &format!("job-{number}"), "fail"]);
        for _ in 0..10 {
            watcher.tell(Signal::SIGHUP);
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    let told = || std::fs::read_to_string(place.path("told")).unwrap_or_default();
    let times = |told: &str, number: usize| told.matches(&format!("\"job\":\"job-{number}\"")).count();
    let until = Instant::now() + PATIENCE;
    while (0..12).any(|number| times(&told(), number) == 0) {
        assert!(Instant::now() < until, "a notice is lost: {}", told());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(watcher.ends(Signal::SIGTERM), Some(0));
    let told = told();
    assert!((0..12).all(|number| times(&told, number) == 1), "{told}");
    assert_eq!(place.json(&["notify", "list"]), serde_json::json!([]));
}
