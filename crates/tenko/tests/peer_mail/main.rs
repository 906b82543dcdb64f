//! Mails through Postfix: TLS on demand and from the start, a password, mailboxes, and what is refused for good or
//! for now.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

mod postfix;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use tenko::notify::Channels;
use tenko::notify::options::{ChannelConfig, ChannelOptions, EmailOptions, Tls};
use tenko::secret::Secret;
use tenko_core::message::Language;
use tenko_core::notice::{Facts, Notice, NoticeKind};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::{ChannelName, Slug};

use postfix::Postfix;

fn ops() -> ChannelName {
    ChannelName::new("ops").unwrap()
}

/// An alarm of a job, which tells mails apart.
fn alarm(job: &str) -> Batch {
    let at: Timestamp = "2026-11-23T20:10:07Z".parse().unwrap();
    let job = Slug::new(job).unwrap();
    let facts = Facts {
        time_zone: "Asia/Tokyo".into(),
        due: Some(at),
        down_since: Some(at),
        message: Some("one line\r\n.\r\nbehind the point 点呼".into()),
        ..Facts::default()
    };
    let id = tenko_core::notice::id(&job, at, NoticeKind::Down, &ops());
    let notice = Notice { id, channel: ops(), job, kind: NoticeKind::Down, at, created_at: at, facts };
    Batch { channel: ops(), notices: vec![notice] }
}

fn options(port: u16, tls: Tls) -> EmailOptions {
    EmailOptions {
        from: "Tenko <tenko@example.org>".into(),
        to: vec!["ops@example.com".into()],
        host: "localhost".into(),
        port,
        tls,
        ca_file: Some(PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../store/tests/samples/tls/ca.pem"
        ))),
        login: Some(("tenko".into(), Secret::new("right"))),
    }
}

async fn deliver(options: EmailOptions, batch: &Batch) -> Delivery {
    let config = ChannelConfig {
        name: ops(),
        language: Language::Ja,
        digest: true,
        options: ChannelOptions::Email(options),
    };
    Channels::open(&BTreeMap::from([(ops(), config)])).deliver(batch).await
}

fn never(delivery: Delivery) -> String {
    match delivery {
        Delivery::Never { problem } => problem,
        other => panic!("{other:?}"),
    }
}

fn later(delivery: Delivery) -> String {
    match delivery {
        Delivery::Later { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs Postfix and root; run by ./test"]
async fn mails_reach_the_mailboxes_by_both_kinds_of_tls() {
    let server = Postfix::start();
    for (job, port, tls) in
        [("by-starttls", server.starttls, Tls::StartTls), ("by-implicit-tls", server.implicit, Tls::Implicit)]
    {
        let to = vec!["ops@example.com".into(), "当番 <night@example.com>".into()];
        let delivery = deliver(EmailOptions { to, ..options(port, tls) }, &alarm(job)).await;
        assert_eq!(delivery, Delivery::Accepted, "{job}: {}", server.log());
    }
    for name in ["ops", "night"] {
        let mails = server.mailbox(name, 2);
        for job in ["by-starttls", "by-implicit-tls"] {
            let id = format!("Message-ID: <{}@example.org>", alarm(job).id());
            let mail = mails.iter().find(|mail| mail.contains(&id)).unwrap();
            assert!(mail.contains("using TLSv1.3") && mail.contains("Authenticated sender: tenko"), "{mail}");
            assert!(mail.starts_with("Return-Path: <tenko@example.org>\n"), "{mail}");
        }
    }
}

#[tokio::test]
#[ignore = "needs Postfix and root; run by ./test"]
async fn what_is_refused_for_good_is_told_from_what_is_refused_for_now() {
    let server = Postfix::start();
    let implicit = || options(server.implicit, Tls::Implicit);
    let send = async |options| deliver(options, &alarm("daily-report")).await;
    let to = |names: &[&str]| names.iter().map(|name| format!("{name}@example.com")).collect::<Vec<_>>();

    for (port, tls) in [(server.starttls, Tls::StartTls), (server.implicit, Tls::Implicit)] {
        let login = Some(("tenko".into(), Secret::new("hunter2")));
        let problem = never(send(EmailOptions { login, ..options(port, tls) }).await);
        assert!(problem.contains("535") && !problem.contains("hunter2"), "{problem}");
    }
    let problem = never(send(EmailOptions { login: None, ..implicit() }).await);
    assert!(problem.contains("554") || problem.contains("550"), "{problem}");
    let problem = never(send(EmailOptions { to: to(&["gone"]), ..implicit() }).await);
    assert!(problem.contains("550"), "{problem}");
    let problem = later(send(EmailOptions { to: to(&["later"]), ..implicit() }).await);
    assert!(problem.contains("451") && problem.contains("come back later"), "{problem}");
    // One may be told later, and so is worth another try.
    let problem = later(send(EmailOptions { to: to(&["gone", "later"]), ..implicit() }).await);
    assert!(problem.contains("451"), "{problem}");
    // One who is gone keeps it from nobody.
    assert_eq!(send(EmailOptions { to: to(&["gone", "ops"]), ..implicit() }).await, Delivery::Accepted);
    server.mailbox("ops", 1);
}

#[tokio::test]
#[ignore = "needs Postfix and root; run by ./test"]
async fn no_password_goes_to_a_server_that_nobody_vouches_for() {
    let server = Postfix::start();
    for (port, tls) in [(server.starttls, Tls::StartTls), (server.implicit, Tls::Implicit)] {
        let problem = later(deliver(EmailOptions { ca_file: None, ..options(port, tls) }, &alarm("x")).await);
        assert!(problem.contains("certificate"), "{problem}");
    }
    // Without TLS it is not even asked for one.
    let problem = later(deliver(options(server.starttls, Tls::None), &alarm("x")).await);
    assert!(problem.contains("authentication"), "{problem}");
    assert!(!server.log().contains("sasl_username="), "{}", server.log());
}
