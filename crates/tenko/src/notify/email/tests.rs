use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::notify::sample;
use crate::secret::Secret;

/// What the server answers to a command that begins with a word; everything else is well.
type Script = Vec<(&'static str, &'static str)>;

/// A mail server on the loopback, one conversation after the other. Gives its port and what was said to it.
async fn server(script: Script) -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(converse(stream, &script, &log).await);
        }
    });
    (port, heard)
}

async fn converse(stream: TcpStream, script: &Script, log: &Mutex<String>) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    let mut in_data = false;
    to.write_all(b"220 test ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        log.lock().unwrap().push_str(&format!("{line}\n"));
        if in_data && line != "." {
            continue;
        }
        let usual = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-test\r\n250 AUTH PLAIN LOGIN",
            "DATA" => "354 go on",
            "AUTH" => "235 welcome",
            _ => "250 ok",
        };
        let scripted =
            script.iter().find(|(word, _)| line.starts_with(word)).map_or(usual, |(_, answer)| answer);
        if scripted == "close" {
            return Ok(());
        }
        in_data = scripted.starts_with("354");
        to.write_all(format!("{scripted}\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn options(port: u16) -> EmailOptions {
    EmailOptions {
        from: "Tenko <tenko@example.com>".into(),
        to: vec!["ops@example.com".into()],
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        ca_file: None,
        login: Some(("tenko".into(), Secret::new("plantedSecret"))),
    }
}

async fn deliver(script: Script) -> (Delivery, String) {
    let (port, heard) = server(script).await;
    let email = Email::new(options(port), Language::En);
    assert!(!format!("{email:?}").contains("plantedSecret"));
    let delivery = email.deliver(&sample::batch(vec![sample::failed()])).await;
    assert!(!format!("{delivery:?}").contains("plantedSecret"), "{delivery:?}");
    let heard = heard.lock().unwrap().clone();
    (delivery, heard)
}

#[tokio::test]
async fn a_mail_is_handed_over() {
    let (delivery, heard) = deliver(vec![]).await;
    assert_eq!(delivery, Delivery::Accepted);
    for said in [
        "AUTH PLAIN",
        "MAIL FROM:<tenko@example.com>",
        "RCPT TO:<ops@example.com>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(heard.contains(said), "{heard}");
    }
    assert!(heard.contains("Message-ID: <3f2a9c01-0000-5000-8000-000000000001@example.com>"), "{heard}");
}

#[tokio::test]
async fn fault_55_what_the_server_says_decides_whether_to_try_again() {
    let cases: [(Script, bool); 6] = [
        (vec![("AUTH", "535 bad password plantedSecret")], false),
        (vec![("RCPT", "550 no such user")], false),
        (vec![("RCPT", "450 greylisted")], true),
        (vec![(".", "554 spam")], false),
        (vec![(".", "close")], true),
        (vec![("DATA", "421 shutting down")], true),
    ];
    for (script, may_work_later) in cases {
        let (delivery, heard) = deliver(script.clone()).await;
        assert_eq!(
            matches!(delivery, Delivery::Later { .. }),
            may_work_later,
            "{script:?} {delivery:?} {heard}"
        );
        assert_ne!(delivery, Delivery::Accepted, "{script:?}");
    }
}

#[tokio::test]
async fn one_recipient_that_is_refused_keeps_it_from_nobody_else() {
    let deliver = async |script| {
        let (port, heard) = server(script).await;
        let to = vec!["gone@example.com".into(), "ops@example.com".into()];
        let email = Email::new(EmailOptions { to, ..options(port) }, Language::En);
        let delivery = email.deliver(&sample::several()).await;
        (delivery, heard.lock().unwrap().matches("\nDATA\n").count())
    };
    assert_eq!(deliver(vec![("RCPT TO:<gone", "550 no such user")]).await, (Delivery::Accepted, 1));
    let (delivery, mails) = deliver(vec![("RCPT", "550 no such user")]).await;
    assert!(matches!(delivery, Delivery::Never { .. }) && mails == 0, "{delivery:?}");
}

#[tokio::test]
async fn fault_55_a_connection_that_breaks_after_the_mail_was_accepted_does_not_repeat_it() {
    assert_eq!(deliver(vec![("QUIT", "close")]).await.0, Delivery::Accepted);
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_password() {
    let (port, heard) = server(vec![]).await;
    let email = Email::new(EmailOptions { tls: Tls::StartTls, ..options(port) }, Language::En);
    let delivery = email.deliver(&sample::several()).await;
    assert!(matches!(delivery, Delivery::Later { .. }), "{delivery:?}");
    let heard = heard.lock().unwrap().clone();
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
}

#[tokio::test]
async fn what_is_wrong_in_the_configuration_is_named() {
    let never = async |options| match Email::new(options, Language::En).deliver(&sample::several()).await {
        Delivery::Never { problem } => problem,
        other => panic!("{other:?}"),
    };
    let to = vec!["ops@example.com\r\nBcc: evil@example.com".to_owned()];
    assert!(never(EmailOptions { to, ..options(1) }).await.ends_with("is not an e-mail address"));
    let ca_file = Some("/nowhere/ca.pem".into());
    let missing = never(EmailOptions { ca_file, tls: Tls::Implicit, ..options(1) }).await;
    assert!(missing.starts_with("can't read the certificates in /nowhere/ca.pem: "), "{missing}");
}
