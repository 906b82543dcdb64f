//! The checker's own sign of life.

use url::Url;

use crate::http_client::{self, ClientError, beginning};
use crate::secret::Secret;

/// A heartbeat was not taken. None of the texts holds the URL, which is a secret.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// The URL is none.
    #[error("the heartbeat's URL is not a URL")]
    Url,
    /// No request can be made.
    #[error("can't send a heartbeat")]
    Client(#[source] ClientError),
    /// The service was not heard.
    #[error("the heartbeat service can't be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The service said no.
    #[error("the heartbeat service answered {status}")]
    Refused {
        /// Its HTTP status.
        status: u16,
    },
}

/// Pings a heartbeat service once, by GET.
///
/// # Errors
/// When it did not answer 2xx within the time limits of the one client.
pub async fn ping_heartbeat(url: &Secret) -> Result<(), HeartbeatError> {
    let url: Url = url.reveal().parse().map_err(|_| HeartbeatError::Url)?;
    let client = http_client::client().map_err(HeartbeatError::Client)?;
    let answer =
        client.get(url).send().await.map_err(|error| HeartbeatError::Unreachable(error.without_url()))?;
    let status = answer.status();
    drop(beginning(answer, 1000).await);
    if status.is_success() { Ok(()) } else { Err(HeartbeatError::Refused { status: status.as_u16() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::scripted::{Answer, Receiver};

    #[tokio::test]
    async fn a_heartbeat_is_sent_once_and_its_url_never_shown() {
        let receiver =
            Receiver::start(vec![Answer::status(200, "OK"), Answer::status(404, "not found"), Answer::Reset])
                .await;
        let url = Secret::new(format!("{}/ping/plantedSecret", receiver.url()));
        assert!(ping_heartbeat(&url).await.is_ok());
        for _ in 0..2 {
            let error = ping_heartbeat(&url).await.unwrap_err();
            assert!(
                !format!("{} {error:?}", crate::error::chain(&error)).contains("plantedSecret"),
                "{error:?}"
            );
        }
        assert_eq!(receiver.requests().len(), 3);
        assert_eq!(receiver.requests()[0].path, "/ping/plantedSecret");
    }
}
