//! A message as a mail.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use lettre::Message as Mail;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use tenko_core::message::{Language, Message, Severity};
use tenko_core::notice::{self, Notice, NoticeKind};
use tenko_core::outbox::Batch;
use uuid::Uuid;

/// `Auto-Submitted: auto-generated` (RFC 3834): nobody's holiday reply comes back.
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The mail. Its date is that of the newest notice, so that the same batch gives the same mail again.
///
/// # Errors
/// When the addresses make no envelope.
pub(super) fn write(
    batch: &Batch,
    message: &Message,
    language: Language,
    from: Mailbox,
    to: Vec<Mailbox>,
) -> Result<Mail, lettre::error::Error> {
    let domain = from.email.domain().to_owned();
    let written = batch.notices.iter().map(|notice| notice.created_at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let mut builder = Mail::builder()
        .from(from)
        .subject(&message.title)
        .date(moment(written))
        .message_id(Some(message_id(batch.id(), &domain)))
        .header(AutoSubmitted);
    for recipient in to {
        builder = builder.to(recipient);
    }
    if let [only] = batch.notices.as_slice()
        && let Some(alarm) = alarm_of(only)
    {
        let id = message_id(alarm, &domain);
        builder = builder.in_reply_to(id.clone()).references(id);
    }
    builder.multipart(MultiPart::alternative_plain_html(plain(message, language), html(message, language)))
}

/// No earlier than 1970, which mails can't tell.
fn moment(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn message_id(id: Uuid, domain: &str) -> String {
    format!("<{id}@{domain}>")
}

/// The id of the notice that opened the incident which this one goes on about, if there was one.
fn alarm_of(notice: &Notice) -> Option<Uuid> {
    let first = match notice.kind {
        NoticeKind::Up if !notice.facts.brief => NoticeKind::Down,
        NoticeKind::Reminder(_) => NoticeKind::Down,
        NoticeKind::Known => NoticeKind::Unknown,
        _ => return None,
    };
    Some(notice::id(&notice.job, notice.facts.down_since?, first, &notice.channel))
}

fn plain(message: &Message, language: Language) -> String {
    let mut text = format!("{}\n", message.sentence);
    if !message.fields.is_empty() {
        text.push('\n');
    }
    for field in &message.fields {
        let _ = writeln!(text, "{}: {}", field.label, field.value);
    }
    if let Some(runbook) = &message.runbook {
        let _ = writeln!(text, "\n{}: {runbook}", language.runbook_label());
    }
    if let Some(output) = &message.output {
        let indented: String = output.lines().map(|line| format!("    {line}\n")).collect();
        let _ = write!(text, "\n{indented}");
    }
    let _ = write!(text, "\n-- \nTenko {}\n", message.id);
    text
}

fn html(message: &Message, language: Language) -> String {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"></head>\n<body style=\"font-family:sans-serif\">\n\
         <h2 style=\"color:{}\">{}</h2>\n<p>{}</p>\n",
        if language == Language::Ja { "ja" } else { "en" },
        colour(message.severity),
        escaped(&message.title),
        escaped(&message.sentence)
    );
    if !message.fields.is_empty() {
        let row = |label: &str, value: &str| {
            format!("<tr><th align=\"left\">{}</th><td>{}</td></tr>\n", escaped(label), escaped(value))
        };
        let rows: String = message.fields.iter().map(|field| row(&field.label, &field.value)).collect();
        let _ = write!(text, "<table cellpadding=\"4\">\n{rows}</table>\n");
    }
    if let Some(runbook) = &message.runbook {
        let _ = writeln!(text, "<p>{}: {}</p>", language.runbook_label(), link(runbook));
    }
    if let Some(output) = &message.output {
        let _ = writeln!(text, "<pre>{}</pre>", escaped(output));
    }
    let _ = write!(text, "<p><small>Tenko {}</small></p>\n</body></html>\n", escaped(&message.id));
    text
}

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Bad => "#b00020",
        Severity::Good => "#1b7f3b",
        Severity::Warning => "#8a6100",
        Severity::Info => "#0b57d0",
    }
}

/// A link, if it leads to the web; its text otherwise.
fn link(text: &str) -> String {
    let is_web = text.parse::<url::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let shown = escaped(text);
    if is_web { format!("<a href=\"{shown}\">{shown}</a>") } else { shown }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use tenko_core::notice::Facts;

    use super::*;
    use crate::notify::sample;

    fn mail(batch: &Batch, language: Language) -> Mail {
        let message = Message::of(batch, language);
        let to = vec!["ops@example.com".parse().unwrap(), "当番 <night@example.com>".parse().unwrap()];
        write(batch, &message, language, "Tenko <tenko@example.com>".parse().unwrap(), to).unwrap()
    }

    fn texts(batch: &Batch, language: Language) -> String {
        let message = Message::of(batch, language);
        format!("{}\n==========\n{}", plain(&message, language), html(&message, language))
    }

    #[test]
    fn what_is_mailed() {
        let down = sample::batch(vec![sample::failed()]);
        assert_snapshot!("down_en", texts(&down, Language::En));
        assert_snapshot!("down_ja", texts(&down, Language::Ja));
        assert_snapshot!("up_ja", texts(&sample::batch(vec![sample::recovered()]), Language::Ja));
        assert_snapshot!("digest_en", texts(&sample::several(), Language::En));
        assert_snapshot!("headers", mail(&down, Language::Ja).headers().to_string());
    }

    #[test]
    fn a_recovery_is_a_reply_to_its_alarm() {
        let mut down = sample::failed();
        let opened = down.facts.down_since.unwrap();
        down.id = notice::id(&down.job, opened, NoticeKind::Down, &down.channel);
        let alarm = mail(&sample::batch(vec![down]), Language::En);
        let up = mail(&sample::batch(vec![sample::recovered()]), Language::En);
        let id = alarm.headers().get_raw("Message-ID").unwrap();
        assert_eq!(up.headers().get_raw("In-Reply-To"), Some(id));
        assert_eq!(up.headers().get_raw("References"), Some(id));
        let mut brief = sample::recovered();
        brief.facts.brief = true;
        assert_eq!(mail(&sample::batch(vec![brief]), Language::En).headers().get_raw("In-Reply-To"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn fault_80_nothing_that_a_job_says_becomes_a_header_or_a_tag(
            text in "(?s:.|\r\nBcc: evil@example.com\r\n|\r\n\\.\r\n|<img src=x>|\"|'){0,400}",
        ) {
            let own = || Some(text.clone());
            let facts = Facts { host: own(), message: own(), description: own(), schedule: own(), runbook: own(), ..sample::failed().facts };
            let batch = sample::batch(vec![Notice { facts, ..sample::failed() }]);
            let headers = mail(&batch, Language::Ja).headers().to_string();
            let names: Vec<&str> = headers.lines().filter(|line| !line.starts_with([' ', '\t'])).filter_map(|line| line.split(':').next()).collect();
            prop_assert!(names.iter().all(|name| ["From", "Subject", "Date", "Message-ID", "Auto-Submitted", "To", "MIME-Version", "Content-Type"].contains(name)), "{names:?}");
            prop_assert!(!html(&Message::of(&batch, Language::En), Language::En).contains("<img"));
        }
    }
}
