//! All channels of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenko_core::ChannelName;
use tenko_core::outbox::{Batch, Delivery};

use super::options::ChannelConfig;
use super::{Channel, chain, channel, never};

/// Those who are told.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    all: BTreeMap<ChannelName, Result<Arc<dyn Channel>, String>>,
}

impl Channels {
    /// The channels of a configuration. Nothing is connected before something is to be delivered, and one that can't work
    /// concerns itself alone.
    pub fn open(configs: &BTreeMap<ChannelName, ChannelConfig>) -> Self {
        let open = |config: &ChannelConfig| channel(config).map(Arc::from).map_err(|error| chain(&error));
        Self { all: configs.iter().map(|(name, config)| (name.clone(), open(config))).collect() }
    }

    /// Adds a channel, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: ChannelName, channel: Arc<dyn Channel>) -> Self {
        self.all.insert(name, Ok(channel));
        self
    }

    /// Delivers to the channel that the batch names. One that is not configured any more will never accept it.
    pub async fn deliver(&self, batch: &Batch) -> Delivery {
        match self.all.get(&batch.channel) {
            Some(Ok(channel)) => channel.deliver(batch).await,
            Some(Err(problem)) => never(problem.as_str()),
            None => never(format!("channel {} is not configured", batch.channel)),
        }
    }
}
