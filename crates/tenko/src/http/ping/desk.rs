//! Where pings are handed in, in whichever form they come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Body;
use tenko_core::Output;

use super::super::body;
use super::super::keys::{KeyHash, Keys};
use super::super::options::Options;
use super::super::rate::Rates;
use super::super::sender::Senders;
use super::said::{Answer, Replies};
use crate::server::intake::{Addressee, Heard, Hears, Ping, Refusal};

/// When to come again after the store failed, or when the server stops: another node may be there by then, or this one again.
const COME_AGAIN: u64 = 5;

/// Where pings are handed in.
#[derive(Debug)]
pub(in super::super) struct Desk {
    hears: Arc<dyn Hears>,
    pub(in super::super) keys: Arc<Keys>,
    pub(in super::super) senders: Senders,
    pub(super) replies: Replies,
    rates: Arc<Rates>,
    body_limit: usize,
    body_time: Duration,
}

/// Whom somebody who may ping has named, and by which key, if it was by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Named {
    pub(in super::super) to: Addressee,
    pub(in super::super) by: Option<KeyHash>,
}

/// Why a ping was not heard; in how many seconds it may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Unheard {
    /// Its job was pinged too often, or its key was used too often.
    TooOften { retry_after: u64 },
    /// It is not known to be stored.
    Later { retry_after: u64 },
}

impl Desk {
    pub(in super::super) fn new(
        options: &Options,
        rates: Arc<Rates>,
        hears: Arc<dyn Hears>,
        keys: Arc<Keys>,
    ) -> Self {
        Self {
            hears,
            keys,
            senders: Senders::new(options.trusted.clone()),
            replies: Replies::new(options.body_limit),
            rates,
            body_limit: options.body_limit,
            body_time: options.times.body,
        }
    }

    /// Reads a body, and keeps of it what is to be kept.
    pub(in super::super) async fn keep<B: Body<Data = Bytes>>(&self, body: B) -> Option<Output> {
        body::keep(body, self.body_limit, self.body_time).await
    }

    /// Hands in a ping of somebody who may ping, by this key, if it was by one.
    pub(in super::super) async fn hear(&self, by: Option<KeyHash>, ping: Ping) -> Result<Heard, Unheard> {
        let taken = self.rates.take(by, &ping.to, Instant::now());
        taken.map_err(|wait| Unheard::TooOften { retry_after: wait.as_secs() + 1 })?;
        self.hears.hear(ping).await.map_err(|refusal| unheard(&refusal))
    }

    /// What is to be answered to a ping that is wrong: that there is no such job, if there is none.
    pub(super) async fn unless_unknown(&self, to: &Addressee, answer: Answer) -> Answer {
        match self.hears.knows(to).await {
            Ok(true) => answer,
            Ok(false) => Answer::NotFound,
            Err(refusal) => Err(unheard(&refusal)).into(),
        }
    }
}

fn unheard(refusal: &Refusal) -> Unheard {
    let retry_after = match refusal {
        Refusal::Busy { retry_after } => u64::try_from(retry_after.as_secs()).unwrap_or_default().max(1),
        Refusal::Stopping | Refusal::Store(_) => COME_AGAIN,
    };
    Unheard::Later { retry_after }
}

/// The text in which words are looked for.
pub(in super::super) fn text(output: &Output) -> String {
    if output.tail.is_empty() { output.head.clone() } else { [&*output.head, &*output.tail].concat() }
}
