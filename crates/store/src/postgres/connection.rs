//! Connections: few, looked at before they are used again, and dropped as soon as anything is odd.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use uuid::Uuid;

use super::address::Address;
use super::columns::Id;
use super::{error, schema};
use crate::{Result, StoreError};

/// The most connections of one store, besides the one that listens.
const MOST: usize = 8;
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that nobody used for so long is asked first whether it is still there.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// How long that may take.
const ASKED_FOR: Duration = Duration::from_secs(2);
/// A connection that nobody used for so long is closed.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Connections {
    address: Address,
    idle: Mutex<Vec<Idle>>,
    places: Semaphore,
}

#[derive(Debug)]
struct Idle {
    used: Used,
    since: Instant,
}

/// A connection, and the life of the server that it was made in.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) connection: PgConnection,
    pub(super) life: Life,
    /// Whether it has the statements with which decisions begin.
    pub(super) prepared: bool,
}

/// The time between two crashes of a server, in which no number of a transaction is given twice. `None` if it can't be known,
/// as on a standby.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life(Option<Uuid>);

impl Life {
    /// Whether both are known to be the same.
    pub(super) fn is(self, other: Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }

    async fn of(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let sql = "select id from life";
        let mut row = sqlx::query(sql).fetch_optional(&mut *connection).await?;
        if row.is_none() {
            let begin = "insert into life (id) values ($1) on conflict do nothing";
            sqlx::query(begin).bind(Id(Uuid::new_v4())).execute(&mut *connection).await?;
            row = sqlx::query(sql).fetch_optional(connection).await?;
        }
        let id = row.map(|row| row.try_get("id")).transpose()?;
        Ok(Self(id.map(|Id(id)| id)))
    }
}

/// A connection in use. Dropped, it is closed: whatever it was doing, nobody meets the rest of it.
#[derive(Debug)]
pub(super) struct Lease<'c> {
    pub(super) used: Used,
    of: &'c Connections,
    _place: SemaphorePermit<'c>,
}

impl Lease<'_> {
    /// Gives the connection to whoever comes next. It must be in no transaction.
    pub(super) fn give_back(self) {
        self.of.idle().push(Idle { used: self.used, since: Instant::now() });
    }
}

impl Connections {
    /// No connection is made yet.
    pub(super) fn new(address: Address) -> Self {
        Self { address, idle: Mutex::default(), places: Semaphore::new(MOST) }
    }

    /// Where they lead.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection that answered a moment ago, a new one if there is none.
    pub(super) async fn lease(&self, doing: &str) -> Result<Lease<'_>> {
        let place = self.places.acquire().await;
        let place = place.map_err(|source| error::silent(doing, &self.address.shown, 0).because(source))?;
        let used = match self.used_before().await {
            Some(used) => used,
            None => self.connect_to_use(doing).await?,
        };
        Ok(Lease { used, of: self, _place: place })
    }

    async fn connect_to_use(&self, doing: &str) -> Result<Used> {
        let mut connection = self.connect(doing).await?;
        let life = match timeout(CONNECT, Life::of(&mut connection)).await {
            Ok(Ok(life)) => life,
            Ok(Err(source)) if error::is_refusal(&source) => Life(None),
            Ok(Err(source)) => return Err(self.failed(doing, source)),
            Err(_) => return Err(error::silent(doing, &self.address.shown, CONNECT.as_secs())),
        };
        Ok(Used { connection, life, prepared: false })
    }

    /// A new connection of the caller's own, at tables of the newest version.
    pub(super) async fn connect(&self, doing: &str) -> Result<PgConnection> {
        let mut connection = self.connect_as_it_is(doing).await?;
        schema::prepare(&mut connection, &self.address).await?;
        Ok(connection)
    }

    /// The same, at whatever tables there are.
    pub(super) async fn connect_as_it_is(&self, doing: &str) -> Result<PgConnection> {
        let shown = &self.address.shown;
        let connected = timeout(CONNECT, PgConnection::connect_with(&self.address.options)).await;
        let mut connection = connected
            .map_err(|_| error::silent("connect to", shown, CONNECT.as_secs()))?
            .map_err(|source| error::from("connect to", shown, source))?;
        let settings = settings(&self.address.schema);
        let set = sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await;
        set.map_err(|source| error::from(doing, shown, source))?;
        Ok(connection)
    }

    async fn used_before(&self) -> Option<Used> {
        loop {
            let Idle { mut used, since } = self.newest_idle()?;
            if since.elapsed() < ASKED_AFTER {
                return Some(used);
            }
            if let Ok(Ok(())) = timeout(ASKED_FOR, used.connection.ping()).await {
                return Some(used);
            }
            // The others lead to the same server.
            self.idle().clear();
        }
    }

    /// Takes one, and closes those that were not needed for long.
    fn newest_idle(&self) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(|one| one.since.elapsed() < KEPT_FOR);
        idle.pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever happens to the server or to us, nobody waits for ever, and nobody's lock stays. What was acknowledged is on
/// disk, even if the server was told to be lax.
fn settings(schema: &str) -> String {
    format!(
        "set search_path to \"{schema}\"; set synchronous_commit to on; set statement_timeout to '10s';
         set lock_timeout to '5s'; set idle_in_transaction_session_timeout to '15s';
         set tcp_keepalives_idle to 10; set tcp_keepalives_interval to 3; set tcp_keepalives_count to 3;
         set client_min_messages to warning; set jit to off"
    )
}

impl Connections {
    /// An error that concerns all connections.
    pub(super) fn failed(&self, doing: &str, source: sqlx::Error) -> StoreError {
        error::from(doing, &self.address.shown, source)
    }
}
