//! Telling others that something changed, and hearing it from them.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::address::Address;

/// How long is slept where nobody can be heard, as behind some poolers.
const DEAF: Duration = Duration::from_secs(2);
/// How long it may take to begin to listen.
const BEGIN: Duration = Duration::from_secs(5);
/// A word that got lost is made up for so soon.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A connection that listens, made when somebody wants to hear.
#[derive(Debug)]
pub(super) struct Bell {
    options: PgConnectOptions,
    channel: String,
    /// Under which name this store rings, so that it does not wake itself.
    name: String,
    listener: Mutex<Option<PgListener>>,
    /// Where it listens.
    runtime: OnceLock<Handle>,
}

impl Bell {
    /// Nobody listens yet.
    pub(super) fn new(address: &Address) -> Self {
        Self {
            options: address.options.clone(),
            channel: format!("tenko.{}", address.schema),
            name: Uuid::new_v4().simple().to_string(),
            listener: Mutex::default(),
            runtime: OnceLock::new(),
        }
    }

    /// What others hear when the transaction is on disk.
    pub(super) async fn ring(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let query = sqlx::query("select pg_notify($1, $2)").bind(&self.channel).bind(&self.name);
        query.execute(connection).await.map(drop)
    }

    /// The same, if there are any who could hear: those who ring bring their transactions to disk one after the other.
    pub(super) async fn ring_for_nodes(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let sql = "select pg_notify($1, $2) where exists (select from nodes where not gone)";
        let query = sqlx::query(sql).bind(&self.channel).bind(&self.name);
        query.execute(connection).await.map(drop)
    }

    /// Returns when another store rang, or for no reason after a while.
    pub(super) async fn heard(&self) {
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            *listener = timeout(BEGIN, self.listen()).await.ok().and_then(Result::ok);
        }
        let Some(listening) = listener.as_mut() else { return sleep(DEAF).await };
        match timeout(LOOK_EVERY, self.next(listening)).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "can't listen to the database");
                *listener = None;
                sleep(DEAF).await;
            }
        }
    }

    async fn listen(&self) -> sqlx::Result<PgListener> {
        self.runtime.get_or_init(Handle::current);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(BEGIN);
        let pool = pool.idle_timeout(None).max_lifetime(None).connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    /// The connection that broke may have missed a word: that counts as one.
    async fn next(&self, listener: &mut PgListener) -> sqlx::Result<()> {
        loop {
            let mut word = listener.try_recv().await?;
            let mut foreign = word.is_none();
            while let Some(heard) = word {
                foreign |= heard.payload() != self.name;
                word = listener.next_buffered();
            }
            if foreign {
                return Ok(());
            }
        }
    }
}

impl Drop for Bell {
    /// A listener says good-bye to the database, for which it needs its runtime, whoever was the last to need the store.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get() {
            let _here = runtime.enter();
            drop(self.listener.get_mut().take());
        }
    }
}
