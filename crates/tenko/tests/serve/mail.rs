//! Pings by e-mail.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::world::{KEY, Place};

const CONFIG: &str =
    "mail = { listen = \"127.0.0.1:0\", domain = \"ping.example\" }\n[jobs.daily]\nevery = \"1d\"\n";

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(at: &str) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.answer().starts_with("220 "));
        client
    }

    fn answer(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            all.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return all;
            }
        }
    }

    fn say(&mut self, text: &str) -> String {
        self.send(&format!("{text}\r\n"));
        self.answer()
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }
}

fn served(place: &Place) -> (crate::world::Served, String) {
    let server = place.serve();
    let said = server.said();
    let line = said.lines().find(|line| line.contains("by e-mail")).unwrap();
    let at = line.rsplit(' ').next().unwrap().to_owned();
    (server, at)
}

#[test]
fn a_mail_to_the_address_of_a_job_pings_it() {
    let place = Place::new(CONFIG);
    let (server, at) = served(&place);
    let mut client = Client::connect(&at);
    assert!(client.say("EHLO client.example").contains("SIZE"));
    assert!(client.say("MAIL FROM:<cron@client.example>").starts_with("250"));
    let to = format!("RCPT TO:<{KEY}+daily@ping.example>");
    assert!(client.say(&to).starts_with("250"));
    assert!(client.say("DATA").starts_with("354"));
    // A line that begins with a dot, and a lone end of line before one, do not end it.
    let answer = client.say("Subject: done\r\n\r\n..dot\r\nlone\n.\nend\r\n.");
    assert_eq!(answer, "250 OK\r\n");
    assert!(client.say("QUIT").starts_with("221"));
    server.stop();
    let log = place.ok(&["log", "daily", "--output"]);
    assert!(log.contains("success") && log.contains("Subject: done"), "{log}");
}

#[test]
fn other_addresses_are_rejected_and_unknown_jobs_are_not_told_from_known_ones() {
    let place = Place::new(CONFIG);
    let (server, at) = served(&place);
    let mut client = Client::connect(&at);
    client.say("EHLO client.example");
    client.say("MAIL FROM:<>");
    assert_eq!(client.say("RCPT TO:<root@other.example>"), "550 5.1.1 Recipient rejected\r\n");
    assert_eq!(client.say("RCPT TO:<root@ping.example>"), "550 5.1.1 Invalid mailbox\r\n");
    for mailbox in
        ["0123456789abcdefghijkl+daily", "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278", &format!("{KEY}+unknown")]
    {
        assert!(client.say(&format!("RCPT TO:<{mailbox}@ping.example>")).starts_with("250"));
    }
    client.say("DATA");
    assert_eq!(client.say("\r\nx\r\n."), "250 OK\r\n");
    server.stop();
    assert!(place.ok(&["jobs"]).contains("daily  new"));
}

#[test]
fn mails_count_as_pings_do_and_none_of_too_many_recipients_is_pinged() {
    let place = Place::new(&format!("rate_limit = 10\n{CONFIG}[jobs.nightly]\nevery = \"1d\"\n"));
    let (server, at) = served(&place);
    let mut client = Client::connect(&at);
    client.say("EHLO client.example");
    let mut mail = |jobs: &[&str]| {
        client.say("MAIL FROM:<cron@client.example>");
        for job in jobs {
            client.say(&format!("RCPT TO:<{KEY}+{job}@ping.example>"));
        }
        client.say("DATA");
        client.say("Subject: done\r\n\r\n.")
    };
    assert_eq!(mail(&["daily"]), "250 OK\r\n");
    assert!(mail(&["nightly", "daily"]).starts_with("450 4.7.1 "));
    server.stop();
    let jobs = place.ok(&["jobs"]);
    assert!(jobs.contains("daily    up") && jobs.contains("nightly  new"), "{jobs}");
}

#[test]
fn what_is_too_large_or_makes_no_sense_is_refused_and_the_session_goes_on() {
    let place = Place::new(CONFIG);
    let (server, at) = served(&place);
    let mut client = Client::connect(&at);
    assert!(client.say("DATA").starts_with("503"));
    assert!(client.say("STARTTLS").starts_with("502"));
    assert!(client.say("AUTH PLAIN x").starts_with("50"));
    assert!(client.say("MAIL FROM:<a@b.example> SIZE=99999999").starts_with("552"));
    client.say("MAIL FROM:<a@b.example>");
    client.say(&format!("RCPT TO:<{KEY}+daily@ping.example>"));
    client.say("DATA");
    let line = format!("{}\r\n", "x".repeat(998));
    for _ in 0..1100 {
        client.send(&line);
    }
    assert!(client.say(".").starts_with("552"));
    assert!(client.say("RSET").starts_with("250"));
    for _ in 0..6 {
        client.say("NONSENSE");
    }
    assert!(client.say("NONSENSE").starts_with("502"));
    assert!(client.answer().starts_with("421"), "too many mistakes end it");
    server.stop();
}

#[test]
fn a_session_is_told_when_the_server_stops() {
    let place = Place::new(CONFIG);
    let (server, at) = served(&place);
    let mut client = Client::connect(&at);
    server.tell(nix::sys::signal::Signal::SIGTERM);
    assert!(client.answer().starts_with("421"));
    assert_eq!(server.ends().code(), Some(0));
}
