//! Channels against what others wrote: the models of PyPI `slack_sdk`, and PyPI `aiosmtpd` with STARTTLS and AUTH.
#![expect(clippy::unwrap_used, reason = "tests, where a panic is the report")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tenko::notify::options::{ChannelConfig, ChannelOptions, EmailOptions, Tls};
use tenko::notify::{Channels, slack_payload};
use tenko::secret::Secret;
use tenko_core::evidence::{Exit, Output};
use tenko_core::message::{Language, Message};
use tenko_core::notice::{Facts, Notice, NoticeKind};
use tenko_core::outbox::{Batch, Delivery};
use tenko_core::{ChannelName, Reason, Slug};
use tenko_store::testkit_peers::free_ports;

/// Reads a list of payloads and refuses whatever Slack's own models refuse.
const SLACK_MODELS: &str = r"
import json, sys
from slack_sdk.models.blocks import Block, RichTextBlock
for payload in json.load(sys.stdin):
    blocks = Block.parse_all(payload['blocks'])
    assert all(blocks), 'a block of an unknown type'
    for block, given in zip(blocks, payload['blocks']):
        assert block.to_dict()['type'] == given['type']
    assert len(blocks) <= 50 and isinstance(payload['text'], str)
print('valid')
";

/// A mail server that insists on STARTTLS and a password; writes its certificate to `argv[1]`, then its port, then
/// what it took, one JSON document a line.
const MAIL_SERVER: &str = r"
import datetime, ipaddress, json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'localhost')])
now = datetime.datetime.now(datetime.timezone.utc)
names = x509.SubjectAlternativeName([x509.DNSName('localhost'), x509.IPAddress(ipaddress.ip_address('127.0.0.1'))])
certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    .not_valid_after(now + datetime.timedelta(days=1)).add_extension(names, critical=False).sign(key, hashes.SHA256()))
with open(sys.argv[1], 'wb') as file:
    file.write(certificate.public_bytes(serialization.Encoding.PEM))
with open(sys.argv[1] + '.key', 'wb') as file:
    file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[1] + '.key')

class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = {'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'mail': envelope.content.decode(), 'tls': session.ssl is not None}
        print(json.dumps(mail), flush=True)
        return '250 taken'

def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(handled=False, success=data.login == b'tenko' and data.password == b'right')

controller = Controller(Handler(), hostname='127.0.0.1', port=int(sys.argv[2]), tls_context=context, require_starttls=True,
    auth_required=True, authenticator=authenticate)
controller.start()
print(controller.server.sockets[0].getsockname()[1], flush=True)
sys.stdin.read()
";

fn python() -> Command {
    let peers = std::env::var("TENKO_PEERS").expect("TENKO_PEERS names the virtualenv of the peers");
    Command::new(PathBuf::from(peers).join("bin/python"))
}

fn notice(kind: NoticeKind, text: &str) -> Notice {
    let at: Timestamp = "2026-11-23T20:10:07Z".parse().unwrap();
    let own = || Some(text.to_owned());
    let facts = Facts {
        time_zone: "Asia/Tokyo".into(),
        schedule: own(),
        description: own(),
        runbook: Some("https://wiki.example/daily-report".into()),
        reason: Some(Reason::Failed),
        due: Some(at),
        deadline: Some(at),
        down_since: Some(at),
        exit: Some(Exit::Code(3)),
        duration: Some(SignedDuration::from_secs(607)),
        host: own(),
        message: own(),
        output: Some(Output { head: text.to_owned(), ..Output::default() }),
        ..Facts::default()
    };
    Notice {
        id: tenko_core::notice::id(&Slug::new("daily-report").unwrap(), at, kind, &ops()),
        channel: ops(),
        job: Slug::new("daily-report").unwrap(),
        kind,
        at,
        created_at: at,
        facts,
    }
}

fn ops() -> ChannelName {
    ChannelName::new("ops").unwrap()
}

fn payloads() -> Vec<Value> {
    let kinds = [
        NoticeKind::Down,
        NoticeKind::Up,
        NoticeKind::Reminder(3),
        NoticeKind::Unknown,
        NoticeKind::Known,
        NoticeKind::Unstored,
        NoticeKind::Test,
    ];
    let texts = ["plain".to_owned(), String::new(), "<!channel> 🔥 点呼\n".repeat(4000)];
    let mut list = Vec::new();
    for language in [Language::En, Language::Ja] {
        let told =
            |notices| slack_payload(&Message::of(&Batch { channel: ops(), notices }, language), language);
        for text in &texts {
            list.extend(kinds.map(|kind| told(vec![notice(kind, text)])));
            list.push(told(vec![notice(NoticeKind::Down, text); 30]));
        }
    }
    list
}

#[test]
#[ignore = "needs PyPI slack_sdk; run by ./test"]
fn the_models_of_slack_accept_every_payload() {
    let mut child = python()
        .args(["-c", SLACK_MODELS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let payloads = payloads();
    assert_eq!(payloads.len(), 48);
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&payloads).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "valid\n", "{said}");
}

/// The mail server, ended with its standard input.
struct MailServer {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
    dir: tempfile::TempDir,
}

impl MailServer {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [free] = free_ports();
        let mut child = python()
            .args(["-W", "ignore", "-c", MAIL_SERVER])
            .arg(dir.path().join("ca.pem"))
            .arg(free.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self { child, out, port: line.trim().parse().expect("the server says its port"), dir }
    }

    fn channels(&self, password: &str, ca_file: Option<PathBuf>) -> Channels {
        let options = EmailOptions {
            from: "Tenko <tenko@example.com>".into(),
            to: vec!["ops@example.com".into(), "当番 <night@example.com>".into()],
            host: "localhost".into(),
            port: self.port,
            tls: Tls::StartTls,
            ca_file,
            login: Some(("tenko".into(), Secret::new(password))),
        };
        let config = ChannelConfig {
            name: ops(),
            language: Language::Ja,
            digest: true,
            options: ChannelOptions::Email(options),
        };
        Channels::open(&BTreeMap::from([(ops(), config)]))
    }

    fn ca_file(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("ca.pem"))
    }

    /// Ends the server and gives what it took.
    fn taken(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        self.child.wait().unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
#[ignore = "needs PyPI aiosmtpd and cryptography; run by ./test"]
async fn a_mail_goes_by_starttls_and_password_only() {
    let server = MailServer::start();
    let batch = Batch { channel: ops(), notices: vec![notice(NoticeKind::Down, "a\r\n.\r\nb")] };
    let untrusted = server.channels("right", None).deliver(&batch).await;
    assert!(matches!(untrusted, Delivery::Later { .. }), "{untrusted:?}");
    let wrong = server.channels("wrong", server.ca_file()).deliver(&batch).await;
    let Delivery::Never { problem } = &wrong else { panic!("{wrong:?}") };
    assert!(problem.contains("535") && !problem.contains("wrong"), "{problem}");
    let right = server.channels("right", server.ca_file()).deliver(&batch).await;
    assert_eq!(right, Delivery::Accepted);
    let [mail] = server.taken().try_into().unwrap();
    assert_eq!((mail["from"].as_str(), mail["tls"].as_bool()), (Some("tenko@example.com"), Some(true)));
    assert_eq!(mail["to"], serde_json::json!(["ops@example.com", "night@example.com"]));
    assert!(mail["mail"].as_str().unwrap().contains(&format!("Message-ID: <{}@example.com>", batch.id())));
}
