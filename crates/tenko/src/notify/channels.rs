//! All channels of a configuration.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tenko_core::ChannelName;
use tenko_core::outbox::{Batch, Delivery};

use super::command::Command;
use super::email::Email;
use super::options::{ChannelConfig, ChannelOptions};
use super::slack::Slack;
use super::webhook::Webhook;

/// The longest that one message to one channel may take: far less than the lease of its claim.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);
/// After this time since the claim nothing more is sent: the lease may end before the answer comes. What was not tried is
/// given back.
pub(crate) const LATEST: SignedDuration = SignedDuration::from_secs(45);

/// Takes messages and tells what became of them.
#[async_trait]
pub trait Channel: Debug + Send + Sync {
    /// Sends one message: a notice, or several as a digest.
    async fn deliver(&self, batch: &Batch) -> Delivery;
}

/// Those who are told.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    all: BTreeMap<ChannelName, Arc<dyn Channel>>,
}

impl Channels {
    /// The channels of a configuration. Nothing is connected before something is to be delivered.
    pub fn open(configs: &BTreeMap<ChannelName, ChannelConfig>) -> Self {
        let all = configs.iter().map(|(name, config)| (name.clone(), make(config))).collect();
        Self { all }
    }

    /// Adds a channel, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: ChannelName, channel: Arc<dyn Channel>) -> Self {
        self.all.insert(name, channel);
        self
    }

    /// Delivers to the channel that the batch names. One that is not configured any more will never accept it.
    pub async fn deliver(&self, batch: &Batch) -> Delivery {
        match self.all.get(&batch.channel) {
            Some(channel) => channel.deliver(batch).await,
            None => Delivery::Never { problem: format!("channel {} is not configured", batch.channel) },
        }
    }

    /// The same, but whoever does not answer in time may answer later.
    pub async fn deliver_within(&self, batch: &Batch, patience: Duration) -> Delivery {
        match tokio::time::timeout(patience, self.deliver(batch)).await {
            Ok(delivery) => delivery,
            Err(_) => {
                let problem = format!("no answer within {} s", patience.as_secs());
                Delivery::Later { problem, retry_after: None }
            }
        }
    }
}

fn make(config: &ChannelConfig) -> Arc<dyn Channel> {
    let language = config.language;
    match config.options.clone() {
        ChannelOptions::Slack(options) => Arc::new(Slack::new(options, language)),
        ChannelOptions::Email(options) => Arc::new(Email::new(options, language)),
        ChannelOptions::Webhook(options) => Arc::new(Webhook::new(options, language)),
        ChannelOptions::Command(options) => Arc::new(Command::new(options, language)),
    }
}
