//! A session: one command after the other, each with one answer.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use smtp_proto::request::receiver::DataReceiver;
use smtp_proto::{Error as Mistake, Request};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Options;
use super::message::Arrived;
use super::recipient::Recipient;
use crate::http::{Keys, Rates};
use crate::server::intake::{Hears, Refusal};

/// The longest line of a command, in bytes: RFC 5321 section 4.5.3.1.4 asks for 512, and extensions for more.
const LONGEST_LINE: u64 = 2048;
/// So many mistakes, and nobody listens any more.
const MISTAKES: u32 = 10;
/// The most recipients of one message.
const RECIPIENTS: usize = 100;

const OK: &str = "250 2.0.0 OK";
const STOPPING: &str = "421 4.3.2 The server is stopping, come again later";

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) options: Options,
    pub(super) hears: Arc<dyn Hears>,
    pub(super) keys: Arc<Keys>,
    pub(super) rates: Arc<Rates>,
}

pub(super) struct Session<'d> {
    desk: &'d Desk,
    stream: BufReader<TcpStream>,
    peer: IpAddr,
    stopping: watch::Receiver<bool>,
    /// Who the message under way is from.
    sender: Option<String>,
    recipients: Vec<Recipient>,
    mistakes: u32,
}

/// What follows from a command.
enum Next {
    Answer(String),
    Data,
    End(&'static str),
}

impl<'d> Session<'d> {
    pub(super) fn new(
        desk: &'d Desk,
        stream: TcpStream,
        peer: IpAddr,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let stream = BufReader::new(stream);
        Self { desk, stream, peer, stopping, sender: None, recipients: Vec::new(), mistakes: 0 }
    }

    /// Holds it to its end.
    pub(super) async fn hold(mut self) -> io::Result<()> {
        self.say(&format!("220 {} ESMTP Tenko", self.desk.options.domain)).await?;
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            match self.follow(&line) {
                Next::Answer(answer) => self.say(&answer).await?,
                Next::Data => self.data().await?,
                Next::End(answer) => return self.say(answer).await,
            }
            if self.mistakes >= MISTAKES {
                return self.say("421 4.7.0 Too many mistakes").await;
            }
        }
    }

    async fn say(&mut self, answer: &str) -> io::Result<()> {
        let answer = format!("{answer}\r\n");
        timeout(self.desk.options.patience, self.stream.get_mut().write_all(answer.as_bytes())).await?
    }

    /// The next line; `None` if there is none. One that is too long is no line, and is taken for a mistake.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = async { (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await };
        let gone = tokio::select! {
            read = timeout(self.desk.options.patience, read) => match read {
                Ok(read) => read.map(|_| None)?,
                Err(_) => Some("421 4.4.2 You took too long"),
            },
            _ = self.stopping.wait_for(|stopping| *stopping) => Some(STOPPING),
        };
        if let Some(farewell) = gone {
            self.say(farewell).await?;
            return Ok(None);
        }
        Ok((!line.is_empty()).then_some(line))
    }

    fn follow(&mut self, line: &[u8]) -> Next {
        let answer = |text: &str| Next::Answer(text.to_owned());
        if line.last() != Some(&b'\n') {
            // What follows in it can't be told from a command.
            return Next::End("500 5.5.2 That line is too long");
        }
        match Request::parse(&mut line.iter()) {
            Ok(Request::Ehlo { .. }) => Next::Answer(self.greeting()),
            Ok(Request::Helo { .. }) => {
                self.forget();
                Next::Answer(format!("250 {}", self.desk.options.domain))
            }
            Ok(Request::Mail { from }) => self.mail(from.address.into_owned(), from.size),
            Ok(Request::Rcpt { to }) => self.recipient(&to.address),
            Ok(Request::Data) if self.recipients.is_empty() => self.mistake("503 5.5.1 RCPT TO comes first"),
            Ok(Request::Data) => Next::Data,
            Ok(Request::Rset) => {
                self.forget();
                answer(OK)
            }
            Ok(Request::Noop { .. }) => answer(OK),
            Ok(Request::Vrfy { .. }) => answer("252 2.1.5 Send it, and see"),
            Ok(Request::Help { .. }) => answer("214 2.0.0 Mail to UUID@ or KEY+JOB@ pings a job"),
            Ok(Request::Quit) => Next::End("221 2.0.0 Bye"),
            Ok(_) | Err(Mistake::UnknownCommand) => self.mistake("502 5.5.1 That is not done here"),
            Err(Mistake::InvalidSenderAddress | Mistake::InvalidRecipientAddress) => {
                self.mistake("553 5.1.3 That is no address")
            }
            Err(_) => self.mistake("501 5.5.4 That was not understood"),
        }
    }

    fn mistake(&mut self, answer: &str) -> Next {
        self.mistakes += 1;
        Next::Answer(answer.to_owned())
    }

    fn greeting(&mut self) -> String {
        self.forget();
        let Options { domain, message_bytes, .. } = &self.desk.options;
        format!(
            "250-{domain}\r\n250-PIPELINING\r\n250-SIZE {message_bytes}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
        )
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    fn mail(&mut self, sender: String, size: usize) -> Next {
        if size > self.desk.options.message_bytes {
            return Next::Answer("552 5.3.4 That message is too large".into());
        }
        self.forget();
        self.sender = Some(sender);
        Next::Answer("250 2.1.0 OK".into())
    }

    fn recipient(&mut self, address: &str) -> Next {
        if self.sender.is_none() {
            return self.mistake("503 5.5.1 MAIL FROM comes first");
        }
        if self.recipients.len() >= RECIPIENTS {
            return Next::Answer("452 4.5.3 Too many recipients".into());
        }
        match Recipient::parse(address, &self.desk.options.domain) {
            Ok(recipient) => {
                self.recipients.push(recipient);
                Next::Answer("250 2.1.5 OK".into())
            }
            Err(rejected) => self.mistake(rejected.answer()),
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        self.say("354 Send it, and end with a dot in a line of its own").await?;
        let answer = match self.message().await? {
            None => "552 5.3.4 That message is too large",
            Some(raw) => self.hand_in(&raw).await,
        };
        self.forget();
        self.say(answer).await
    }

    /// Reads a message to its end; `None` if it is too large.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut receiver, mut raw, mut too_large) = (DataReceiver::new(), Vec::new(), false);
        loop {
            let piece = timeout(self.desk.options.patience, self.stream.fill_buf()).await??;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut bytes = piece.iter();
            let ended = receiver.ingest(&mut bytes, &mut raw);
            let used = piece.len() - bytes.len();
            self.stream.consume(used);
            too_large |= raw.len() > self.desk.options.message_bytes;
            if too_large {
                raw.clear();
            }
            if ended {
                return Ok((!too_large).then_some(raw));
            }
        }
    }

    /// Hands the message in for each recipient. That there is no such job is not told to whoever tries addresses. If one of
    /// them is not known to be stored, all of it is to be sent again.
    async fn hand_in(&mut self, raw: &[u8]) -> &'static str {
        let sender = self.sender.take().unwrap_or_default();
        let arrived = Arrived::new(raw, self.peer, &sender);
        let pings: Vec<_> =
            self.recipients.iter().filter_map(|recipient| recipient.addressee(&self.desk.keys)).collect();
        let now = Instant::now();
        if pings.iter().any(|(to, by)| self.desk.rates.take(*by, to, now).is_err()) {
            return "450 4.7.1 Pinged too often, come again later";
        }
        for (to, _) in pings {
            match self.desk.hears.hear(arrived.ping(to)).await {
                Ok(_) => {}
                Err(Refusal::Busy { .. }) => return "451 4.3.1 Too much is going on, come again later",
                Err(Refusal::Stopping) => return STOPPING,
                Err(Refusal::Store(_)) => return "451 4.3.0 It could not be stored, come again later",
            }
        }
        "250 OK"
    }
}
