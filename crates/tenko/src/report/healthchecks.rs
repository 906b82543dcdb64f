//! Pings in the way of Healthchecks, so that the wrapper works with any server that understands them.

use std::time::{Duration, Instant};

use tenko_core::{Evidence, Exit, Kind, Output};
use url::Url;

use crate::http_client::{self, ClientError};

/// What a server keeps of a body unless it says otherwise (`Ping-Body-Limit`).
const DEFAULT_LIMIT: usize = 10_000;
/// The first pause before a ping is tried again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A ping was not accepted. The URL is not shown in full: whoever knows it can ping.
#[derive(Debug, thiserror::Error)]
pub enum PingError {
    /// The server said no.
    #[error("{url} answered {status}: {body}")]
    Refused {
        /// The URL as it may be shown.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of what it said.
        body: String,
    },
    /// The server did not answer.
    #[error("{url} did not answer")]
    Unanswered {
        /// The URL as it may be shown.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// There is nothing to call with.
    #[error(transparent)]
    Client(ClientError),
}

impl PingError {
    /// Whether the same ping will never be accepted: the server answered, and did not ask to be tried again. What is
    /// pinged is not there any more, or never was.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. }) && !may_work_later(self)
    }
}

/// Pings, and remembers how much the server wants to hear.
#[derive(Debug, Default)]
pub struct Pinger {
    limit: Option<usize>,
}

/// The URL as it may be shown: the host alone, because the path is what authorises.
pub fn shown(url: &Url) -> String {
    format!("{}://{}/...", url.scheme(), url.host_str().unwrap_or("?"))
}

impl Pinger {
    /// Pings `base` with one piece of evidence; tries again on 408, 425, 429 and 5xx, and when the server can't be reached,
    /// until `until`.
    pub async fn ping(&mut self, base: &Url, evidence: &Evidence, until: Instant) -> Result<(), PingError> {
        let (url, body) = request(base, evidence, self.limit.unwrap_or(DEFAULT_LIMIT));
        let mut pause = FIRST_PAUSE;
        loop {
            let (error, asked) = match self.once(base, &url, &body).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            pause = asked.unwrap_or(pause);
            if !may_work_later(&error) || Instant::now() + pause >= until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// One try; a failure comes with how long the server asks to wait.
    async fn once(
        &mut self,
        base: &Url,
        url: &Url,
        body: &[u8],
    ) -> Result<(), (PingError, Option<Duration>)> {
        let client = http_client::client().map_err(|error| (PingError::Client(error), None))?;
        let sent = client.post(url.clone()).body(body.to_vec()).send().await;
        let unanswered =
            |source: reqwest::Error| PingError::Unanswered { url: shown(base), source: source.without_url() };
        let answer = sent.map_err(|source| (unanswered(source), None))?;
        let limit =
            answer.headers().get("ping-body-limit").and_then(|value| value.to_str().ok()?.parse().ok());
        self.limit = limit.or(self.limit);
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = http_client::retry_after(answer.headers()).and_then(|wait| Duration::try_from(wait).ok());
        let said = tenko_core::message::line(&http_client::beginning(answer, 1000).await, 200);
        Err((PingError::Refused { url: shown(base), status: status.as_u16(), body: said }, asked))
    }
}

fn may_work_later(error: &PingError) -> bool {
    match error {
        PingError::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
        PingError::Unanswered { source, .. } => !source.is_builder(),
        PingError::Client(_) => false,
    }
}

/// The URL and the body of a ping. An exit status is sent as such, a signal as 128 + its number.
fn request(base: &Url, evidence: &Evidence, limit: usize) -> (Url, Vec<u8>) {
    let suffix = match evidence.kind {
        Kind::Start => "/start".to_owned(),
        Kind::Success => "/0".to_owned(),
        Kind::Log => "/log".to_owned(),
        Kind::Fail(None) => "/fail".to_owned(),
        Kind::Fail(Some(Exit::Code(0))) => "/fail".to_owned(),
        Kind::Fail(Some(Exit::Code(code))) => format!("/{code}"),
        Kind::Fail(Some(Exit::Signal(number))) => format!("/{}", 128_u8.saturating_add(number)),
    };
    let mut url = base.clone();
    url.set_path(&format!("{}{suffix}", base.path().trim_end_matches('/')));
    url.query_pairs_mut().append_pair("rid", &evidence.run.to_string());
    (url, body(evidence, limit))
}

fn body(evidence: &Evidence, limit: usize) -> Vec<u8> {
    let report = &evidence.report;
    let mut text = report.message.clone().map(|message| message + "\n").unwrap_or_default();
    if let Some(output) = &report.output {
        text.push_str(&joined(output));
    }
    fit(&text, limit)
}

/// The output as one text.
pub fn joined(output: &Output) -> String {
    match output.omitted {
        0 => format!("{}{}", output.head, output.tail),
        omitted => format!("{}\n[... {omitted} bytes omitted ...]\n{}", output.head, output.tail),
    }
}

/// Head and tail of a text that is too long: a fifth for the head, because errors stand at the end.
fn fit(text: &str, limit: usize) -> Vec<u8> {
    if text.len() <= limit {
        return text.as_bytes().to_vec();
    }
    const MARK: &str = "\n[...]\n";
    let room = limit.saturating_sub(MARK.len());
    let head = text.floor_char_boundary(room / 5);
    let tail = text.ceil_char_boundary(text.len() - (room - head));
    let cut = format!("{}{MARK}{}", &text[..head], &text[tail..]);
    cut.as_bytes()[..cut.len().min(limit)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_keeps_its_head_and_more_of_its_tail() {
        let text = format!("begin{}end", "あ".repeat(5000));
        let cut = fit(&text, 1000);
        assert!(cut.len() <= 1000 && cut.len() > 980, "{}", cut.len());
        assert!(cut.starts_with(b"begin") && cut.ends_with(b"end"));
        assert_eq!(fit("short", 1000), b"short");
        assert_eq!(fit("short", 3).len(), 3);
    }
}
