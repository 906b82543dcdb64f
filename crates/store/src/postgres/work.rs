//! How work is done: in bounded time, as a whole, and again where that is right.

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::connection::{Connections, Lease, Life, Used};
use super::error;
use crate::{Result, StoreError};

/// The longest that anything takes, whatever the server does.
const DEADLINE: Duration = Duration::from_secs(15);
/// How often a transaction is tried again that met another, or lost its connection.
const TRIES: u32 = 5;
/// The first wait before that, doubled each time.
const PAUSE: Duration = Duration::from_millis(20);

/// Something that is done in a transaction. It may be begun anew.
pub(super) trait Work: Send {
    /// What comes of it.
    type Done: Send;

    /// The statements that its opening executes: they are parsed and planned once for a connection.
    fn prepared() -> Option<String> {
        None
    }

    /// How the transaction begins: statements without parameters, the last of which may return a row with its number.
    fn opening(&self) -> String {
        "begin; select pg_current_xact_id()::text".to_owned()
    }

    /// Gets the last row of the opening.
    fn begun(&mut self, _row: &PgRow) -> sqlx::Result<()> {
        Ok(())
    }

    /// Whether nothing was written, so that nothing need be brought to disk.
    fn is_void(&self, _done: &Self::Done) -> bool {
        false
    }

    /// Hears why all of it was refused. Whether it goes another way the next time, on which it may be done.
    fn goes_another_way(&self, _refused: &sqlx::Error) -> bool {
        false
    }

    /// Does it. What it returns counts once the transaction is on disk.
    fn do_in(
        &mut self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = sqlx::Result<Self::Done>> + Send;
}

/// Something that is read. It is in no transaction, unless it begins one.
pub(super) trait Look: Send {
    /// What is read.
    type Seen: Send;

    /// Reads it.
    fn look_in(
        &mut self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = sqlx::Result<Self::Seen>> + Send;
}

/// How a transaction failed.
enum Failed<T> {
    /// Nothing of it was done, and it may work if it is tried again.
    Passing(StoreError),
    /// Nothing of it was done.
    Refused(StoreError),
    /// Nobody said whether it was done.
    Unsure { done: T, begun: Begun, problem: StoreError },
}

/// A transaction that was begun.
struct Begun {
    number: Option<String>,
    life: Life,
}

impl Connections {
    /// Reads.
    pub(super) async fn look<L: Look>(&self, doing: &str, mut look: L) -> Result<L::Seen> {
        self.in_time(doing, async {
            let mut tries = 0;
            loop {
                match self.look_once(doing, &mut look).await {
                    Err(problem) if problem.is_transient() && tries < TRIES => tries = pause(tries).await,
                    seen => return seen,
                }
            }
        })
        .await
    }

    async fn look_once<L: Look>(&self, doing: &str, look: &mut L) -> Result<L::Seen> {
        let mut lease = self.lease(doing).await?;
        let seen = look.look_in(&mut lease.used.connection).await;
        let seen = seen.map_err(|source| self.failed(doing, source))?;
        lease.give_back();
        Ok(seen)
    }

    /// Does work in a transaction, and returns when it is on disk.
    pub(super) async fn write<W: Work>(&self, doing: &str, mut work: W) -> Result<W::Done> {
        self.in_time(doing, async {
            let mut tries = 0;
            loop {
                let problem = match self.write_once(doing, &mut work).await {
                    Ok(done) => return Ok(done),
                    Err(Failed::Refused(problem)) => return Err(problem),
                    Err(Failed::Passing(problem)) => problem,
                    Err(Failed::Unsure { done, begun, problem }) => match self.what_became_of(begun).await {
                        Some(true) => return Ok(done),
                        Some(false) => problem,
                        None => return Err(problem),
                    },
                };
                if tries == TRIES {
                    return Err(problem);
                }
                tries = pause(tries).await;
            }
        })
        .await
    }

    async fn write_once<W: Work>(
        &self,
        doing: &str,
        work: &mut W,
    ) -> std::result::Result<W::Done, Failed<W::Done>> {
        let lease = self.lease(doing).await;
        let mut lease = lease.map_err(|problem| match problem.is_transient() {
            true => Failed::Passing(problem),
            false => Failed::Refused(problem),
        })?;
        let (number, done) = match begin_and_do(&mut lease.used, work).await {
            Ok(done) => done,
            Err(source) => {
                let other_way = work.goes_another_way(&source);
                return Err(match self.undone(doing, lease, source).await {
                    Failed::Refused(problem) if other_way => Failed::Passing(problem),
                    failed => failed,
                });
            }
        };
        let end = if work.is_void(&done) { "rollback" } else { "commit" };
        match sqlx::raw_sql(end).execute(&mut lease.used.connection).await {
            Ok(_) => {
                lease.give_back();
                Ok(done)
            }
            Err(source) if error::is_refusal(&source) => Err(self.undone(doing, lease, source).await),
            Err(source) => {
                let begun = Begun { number, life: lease.used.life };
                Err(Failed::Unsure { done, begun, problem: self.failed(doing, source) })
            }
        }
    }

    /// Of a transaction of which nothing was done.
    async fn undone<T>(&self, doing: &str, mut lease: Lease<'_>, source: sqlx::Error) -> Failed<T> {
        if error::is_refusal(&source)
            && sqlx::raw_sql("rollback").execute(&mut lease.used.connection).await.is_ok()
        {
            lease.give_back();
        }
        let passes = error::passes(&source);
        let problem = self.failed(doing, source);
        if passes { Failed::Passing(problem) } else { Failed::Refused(problem) }
    }

    /// Whether a transaction of which the end was not told is on disk; `None` if that can't be found out. A server that has
    /// crashed since may have given its number to another one, which says nothing of ours if it is on disk.
    async fn what_became_of(&self, begun: Begun) -> Option<bool> {
        let number = begun.number?;
        for tries in 0..TRIES {
            pause(tries).await;
            let Ok(mut lease) = self.lease("ask").await else { continue };
            let asked = sqlx::query("select pg_xact_status($1::text::xid8) as status").bind(&number);
            let Ok(row) = asked.fetch_one(&mut lease.used.connection).await else { continue };
            let same_life = lease.used.life.is(begun.life);
            lease.give_back();
            match row.try_get::<Option<String>, _>("status").ok()?.as_deref() {
                Some("committed") => return same_life.then_some(true),
                Some("aborted") => return Some(false),
                Some("in progress") => {}
                _ => return None,
            }
        }
        None
    }

    /// Ends whatever takes too long. A connection that is in the middle of it is closed.
    pub(super) async fn in_time<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match timeout(DEADLINE, work).await {
            Ok(done) => done,
            Err(_) => Err(error::silent(doing, &self.address().shown, DEADLINE.as_secs())),
        }
    }
}

/// A transaction that may take longer than anything else: each step is bounded, the whole is not, and nothing is tried again.
/// It has a connection of its own. Dropped, nothing of it is done.
pub(super) struct Long<'c> {
    of: &'c Connections,
    connection: PgConnection,
    doing: &'static str,
}

impl<'c> Long<'c> {
    /// Begins it by statements without parameters.
    pub(super) async fn begin(
        of: &'c Connections,
        doing: &'static str,
        opening: &'static str,
    ) -> Result<Self> {
        let mut long = Self { of, connection: of.connect(doing).await?, doing };
        long.say(opening).await?;
        Ok(long)
    }

    /// Reads.
    pub(super) async fn look<L: Look>(&mut self, mut look: L) -> Result<L::Seen> {
        let Self { of, connection, doing } = self;
        let seen = async { look.look_in(connection).await.map_err(|source| of.failed(doing, source)) };
        of.in_time(doing, seen).await
    }

    /// Does work.
    pub(super) async fn step<W: Work>(&mut self, mut work: W) -> Result<W::Done> {
        let Self { of, connection, doing } = self;
        let done = async { work.do_in(connection).await.map_err(|source| of.failed(doing, source)) };
        of.in_time(doing, done).await
    }

    /// Ends it. What was done is on disk when this returns.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.say("commit").await
    }

    async fn say(&mut self, sql: &'static str) -> Result<()> {
        let Self { of, connection, doing } = self;
        let said = async {
            let said = sqlx::raw_sql(sql).execute(connection).await;
            said.map(drop).map_err(|source| of.failed(doing, source))
        };
        of.in_time(doing, said).await
    }
}

/// Begins a transaction and does work in it; gives its number too.
async fn begin_and_do<W: Work>(used: &mut Used, work: &mut W) -> sqlx::Result<(Option<String>, W::Done)> {
    let connection = &mut used.connection;
    if !used.prepared
        && let Some(prepared) = W::prepared()
    {
        sqlx::raw_sql(sqlx::AssertSqlSafe(prepared)).execute(&mut *connection).await?;
        used.prepared = true;
    }
    let opening = sqlx::AssertSqlSafe(work.opening());
    let rows = sqlx::raw_sql(opening).fetch_all(&mut *connection).await?;
    let number = rows.last().map(|row| row.try_get(0)).transpose()?;
    rows.last().map(|row| work.begun(row)).transpose()?;
    Ok((number, work.do_in(connection).await?))
}

/// Waits before the next try, not as long as others; gives its number.
async fn pause(tries: u32) -> u32 {
    let whole = PAUSE * 2_u32.pow(tries);
    let [random, ..] = Uuid::new_v4().into_bytes();
    sleep(whole / 2 + whole * u32::from(random) / 512).await;
    tries + 1
}

#[cfg(all(test, feature = "testkit"))]
#[path = "work_tests.rs"]
mod tests;
