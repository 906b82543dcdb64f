//! A message as a ping.

use std::net::IpAddr;

use mail_parser::MessageParser;
use mail_parser::decoders::html::html_to_text;
use tenko_core::{Output, Report, Via};

use crate::server::intake::{Addressee, Ping, Said};

/// How many bytes of the beginning of a message are kept, and of its end.
const HEAD: usize = 60_000;
const TAIL: usize = 40_000;
/// How much text the words of rules are looked for in, in bytes.
const TEXT: usize = 256 * 1024;
/// How many characters of the sender are kept.
const SENDER: usize = 190;

/// A message that has arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    report: Report,
    text: String,
}

impl Arrived {
    /// A message, the address that sent it, and the one that it says to be from.
    pub(super) fn new(raw: &[u8], peer: IpAddr, sender: &str) -> Self {
        let sender: String = sender.chars().filter(|c| !c.is_control()).take(SENDER).collect();
        let via = Via {
            scheme: "email".into(),
            method: String::new(),
            from: peer.to_string(),
            agent: format!("Email from {sender}"),
        };
        let output = kept(raw);
        Self { report: Report { via: Some(via), output: Some(output), ..Report::default() }, text: text(raw) }
    }

    /// The ping that it is. What it says, the rules of the job tell; without rules it is a success.
    pub(super) fn ping(&self, to: Addressee) -> Ping {
        Ping {
            to,
            said: Said::Success,
            rid: None,
            create: false,
            at: None,
            report: self.report.clone(),
            text: Some(self.text.clone()),
        }
    }
}

fn kept(raw: &[u8]) -> Output {
    if raw.len() <= HEAD + TAIL {
        return Output::of_bytes(raw, &[], 0);
    }
    let omitted = u64::try_from(raw.len() - HEAD - TAIL).unwrap_or(u64::MAX);
    Output::of_bytes(&raw[..HEAD], &raw[raw.len() - TAIL..], omitted)
}

/// The subject in the first line, and the text in the lines after it: of all parts that are text, and of HTML what it reads as.
fn text(raw: &[u8]) -> String {
    let Some(message) = MessageParser::default().parse(raw) else { return String::new() };
    let subject = message.subject().unwrap_or_default();
    let mut text: String = subject.split(['\r', '\n']).collect::<Vec<_>>().join(" ");
    let plain = (0..message.text_body_count()).filter_map(|at| message.body_text(at));
    let html = (0..message.html_body_count()).filter_map(|at| message.body_html(at));
    let html = html.map(|html| html_to_text(&html).into());
    for part in plain.chain(html) {
        if text.len() >= TEXT {
            break;
        }
        text.push('\n');
        text.push_str(&part);
    }
    text.truncate(text.floor_char_boundary(TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_text_and_html_are_looked_at() {
        let raw = b"Subject: =?utf-8?q?backup_f=C3=BCr?= db\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n\
            --x\r\nContent-Type: text/plain\r\n\r\nall done\r\n\
            --x\r\nContent-Type: text/html\r\n\r\n<p>all <b>finished</b></p>\r\n--x--\r\n";
        let text = text(raw);
        assert_eq!(text.lines().next(), Some("backup für db"));
        assert!(text.contains("all done") && text.contains("all finished"), "{text}");
    }

    #[test]
    fn japanese_mail_is_read() {
        let raw = b"Subject: =?iso-2022-jp?B?GyRCQC44eRsoQg==?=\r\n\r\n";
        assert_eq!(text(raw).trim_end(), "\u{6210}\u{529f}");
    }

    #[test]
    fn whatever_arrives_has_some_text() {
        for raw in [
            &b""[..],
            b"\r\n",
            b"\xff\xfe",
            b"Subject:",
            b"Content-Type: multipart/mixed; boundary=\r\n\r\n--",
        ] {
            assert!(text(raw).len() < 100);
        }
    }
}
