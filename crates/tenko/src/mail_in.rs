//! Pings by e-mail: a listener that takes mail to addresses of jobs, and nothing else.
//!
//! `<UUID>@DOMAIN` pings the job at that address, `<KEY>+<JOB>@DOMAIN` one by its name. What else is a mail for, this can't do:
//! it relays nothing, keeps no mailbox, and knows no users. The grammar of commands and the end of a message are read by
//! `smtp-proto`, the message by `mail-parser`.

mod door;
mod message;
mod recipient;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::http::{Keys, Rates};
use crate::server::intake::Hears;
use door::Door;

/// How the listener is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The domain of the addresses, in lower case.
    pub domain: String,
    /// How many bytes a message may have.
    pub message_bytes: usize,
    /// How long a client may take for a command, or between two pieces of a message.
    pub patience: Duration,
    /// How long a session may take altogether.
    pub session: Duration,
    /// How many sessions there may be at once.
    pub sessions: usize,
    /// How many of one address.
    pub sessions_per_address: usize,
    /// How long sessions under way may take when it is told to stop.
    pub drain: Duration,
}

impl Options {
    /// The usual options.
    pub fn new(listen: SocketAddr, domain: &str) -> Self {
        Self {
            listen,
            domain: domain.to_ascii_lowercase(),
            message_bytes: 1 << 20,
            patience: Duration::from_secs(60),
            session: Duration::from_secs(300),
            sessions: 200,
            sessions_per_address: 20,
            drain: Duration::from_secs(10),
        }
    }
}

/// A listener for mail.
#[derive(Debug)]
pub struct MailIn {
    listener: TcpListener,
    at: SocketAddr,
    door: Arc<Door>,
}

impl MailIn {
    /// Begins to listen. Nobody is answered before [`serve`](Self::serve).
    ///
    /// # Errors
    /// If it can't listen there.
    pub async fn bind(
        options: Options,
        hears: Arc<dyn Hears>,
        keys: Arc<Keys>,
        rates: Arc<Rates>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let at = listener.local_addr()?;
        Ok(Self { listener, at, door: Arc::new(Door::new(options, hears, keys, rates)) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.at
    }

    /// Serves until `stop` is there and sessions under way have ended, or have taken too long.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        door::serve(&self.listener, &self.door, stop).await;
    }
}
