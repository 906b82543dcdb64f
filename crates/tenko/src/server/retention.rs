//! What is old is let go of, little by little.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenko_store::StoreError;

use super::desk::{Desk, Stopwatch};
use super::engine::EngineError;

/// How often it is looked for what is too old.
const EVERY: Duration = Duration::from_secs(3600);
/// How much of the past is let go of in one go.
const SLICE: SignedDuration = SignedDuration::from_hours(1);

/// Lets go of what is older than `retention`, again and again.
pub(super) async fn keep(desk: &Desk, retention: SignedDuration) -> Result<Infallible, EngineError> {
    loop {
        match prune(desk, retention).await {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} pieces of evidence and facts were too old"),
            Err(error) => {
                tracing::error!("what is too old can't be let go of: {}", crate::error::chain(&error));
            }
        }
        desk.pause(EVERY).await;
    }
}

async fn prune(desk: &Desk, retention: SignedDuration) -> Result<u64, StoreError> {
    let limit = desk.now().checked_sub(retention).unwrap_or(Timestamp::MIN);
    let mut removed = 0;
    while let Some(oldest) = desk.store().oldest().await?.filter(|oldest| *oldest < limit) {
        let watch = Stopwatch::start();
        let before = oldest.checked_add(SLICE).unwrap_or(limit).min(limit);
        let count = desk.store().prune(before).await?;
        if count == 0 {
            break;
        }
        removed += count;
        // Three quarters of the time are for the others.
        tokio::time::sleep(watch.read() * 3).await;
    }
    Ok(removed)
}
