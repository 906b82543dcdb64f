//! How a server begins, is told things, and ends.

use std::io::Write as _;
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::world::{KEY, Place};

const JOB: &str = "[jobs.daily]\nevery = \"1d\"\n";

#[test]
fn a_server_hears_pings_and_ends_in_peace() {
    let place = Place::new(JOB);
    let server = place.serve();
    assert_eq!(server.ping("daily"), "HTTP/1.1 200 OK");
    assert!(server.get("/livez").contains("alive") && server.get("/readyz").contains("ready"));
    assert!(server.said().contains("1 configured jobs"), "{}", server.said());
    assert_eq!(place.ok(&["healthy", "--listen", &server.http]), "alive\n");
    let http = server.http.clone();
    server.stop();
    assert_eq!(place.run(&["healthy", "--listen", &http]).status.code(), Some(3));
    let jobs = place.ok(&["jobs"]);
    assert!(jobs.contains("daily  up"), "{jobs}");
}

#[test]
fn who_lists_jobs_is_told_that_a_server_keeps_them_as_long_as_one_does() {
    let place = Place::new(JOB);
    let server = place.serve();
    let remarks = || String::from_utf8(place.run(&["jobs"]).stderr).unwrap();
    let said = remarks();
    assert!(said.starts_with("a server keeps the store: ") && !said.contains("never"), "{said}");
    assert!(said.contains("127.0.0.1:0"), "{said}");
    server.stop();
    assert!(remarks().starts_with("roll last called "), "{}", remarks());
}

/// A ping of which the server has begun to read the body, and waits for the rest.
fn half_a_ping(http: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http).unwrap();
    let head = format!("POST /ping/{KEY}/daily HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    stream
}

#[test]
fn what_is_under_way_is_finished_before_it_ends() {
    let place = Place::new(JOB);
    let server = place.serve();
    let mut stream = half_a_ping(&server.http);
    server.tell(Signal::SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(200));
    stream.write_all(b"done").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    drop(stream);
    assert_eq!(server.ends().code(), Some(0));
}

#[test]
fn told_twice_it_ends_at_once() {
    let place = Place::new(JOB);
    let server = place.serve();
    let _stream = half_a_ping(&server.http);
    server.tell(Signal::SIGTERM);
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.tell(Signal::SIGTERM);
    assert_eq!(server.ends().code(), Some(1));
}

#[test]
fn a_configuration_that_is_read_again_counts_and_a_broken_one_does_not() {
    let place = Place::new(JOB);
    let mut server = place.serve();
    assert_eq!(server.ping("weekly"), "HTTP/1.1 404 Not Found");
    place.configure("[jobs.weekly]\nevery = \"nonsense\"\n");
    server.tell(Signal::SIGHUP);
    server.says("stays in force");
    assert_eq!(server.ping("daily"), "HTTP/1.1 200 OK");
    place.configure(&format!("{JOB}[jobs.weekly]\nevery = \"7d\"\n"));
    server.tell(Signal::SIGHUP);
    server.says("is read again");
    assert_eq!(server.ping("weekly"), "HTTP/1.1 200 OK");
    assert_eq!(server.ping("daily"), "HTTP/1.1 200 OK");
    server.stop();
}

#[test]
fn no_ping_is_lost_while_the_configuration_is_read_again() {
    let place = Place::new(JOB);
    let mut server = place.serve();
    let http = server.http.clone();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = std::sync::Arc::clone(&stop);
    let pinging = std::thread::spawn(move || {
        let mut answers = std::collections::BTreeMap::<String, u32>::new();
        while !told.load(std::sync::atomic::Ordering::Relaxed) {
            let mut stream = TcpStream::connect(&http).unwrap();
            let text = format!("GET /ping/{KEY}/daily HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            *answers.entry(answer.lines().next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        answers
    });
    for _ in 0..3 {
        server.tell(Signal::SIGHUP);
        server.says("is read again");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let answers = pinging.join().unwrap();
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["HTTP/1.1 200 OK"], "{answers:?}");
    server.stop();
}

#[test]
fn a_store_that_servers_can_not_keep_is_refused_with_what_helps() {
    let place = Place::new(JOB);
    let output = place.run(&["--store", "file:///tmp/tenko-nowhere", "serve"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("can't be kept by a server") && said.contains("[sources]"), "{said}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new(JOB);
    let server = place.serve();
    let output = Place::new(JOB).run(&["serve", "--listen", &server.http]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("can't listen at {}", server.http)), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn flags_and_variables_count_in_place_of_the_configuration() {
    let place = Place::new(JOB);
    let mut server = place.serve_with(|command| {
        command.env("TENKO_LISTEN", "127.0.0.1:0,[::1]:0").env("TENKO_TRUSTED_PROXIES", "10.0.0.0/8")
    });
    assert!(server.said().contains("http://[::1]:"), "{}", server.said());
    server.tell(Signal::SIGHUP);
    server.says("is read again");
    server.stop();
    let wrong = place.run(&["serve", "--listen", "example.org"]);
    assert_eq!(wrong.status.code(), Some(2));
}
