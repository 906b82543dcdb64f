//! The one who hears pings, whichever engine works: when the configuration is read again, another one takes over.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::server::intake::{Addressee, Heard, Hears, Ping, Refusal};

/// Hands pings to the engine that works now.
#[derive(Debug)]
pub(super) struct Hearing(RwLock<Arc<dyn Hears>>);

impl Hearing {
    pub(super) fn new(hears: Arc<dyn Hears>) -> Self {
        Self(RwLock::new(hears))
    }

    /// From now on, pings go to another.
    pub(super) fn replace(&self, hears: Arc<dyn Hears>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hears;
    }

    fn current(&self) -> Arc<dyn Hears> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Hears for Hearing {
    async fn hear(&self, ping: Ping) -> Result<Heard, Refusal> {
        self.current().hear(ping).await
    }

    async fn knows(&self, to: &Addressee) -> Result<bool, Refusal> {
        self.current().knows(to).await
    }
}
