//! All channels of a configuration.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use tenko_core::ChannelName;
use tenko_core::outbox::{Batch, Delivery};

use super::command::Command;
use super::email::Email;
use super::options::{ChannelConfig, ChannelOptions};
use super::slack::Slack;
use super::webhook::Webhook;

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
