//! Makes a place prove that it does not overwrite what it was only asked to create.
//!
//! Some servers take `If-None-Match: *` and overwrite nevertheless. There two checkers would both win, and nobody
//! would notice. So before the first commit one key is created twice; the second must be refused. Rolls carry the
//! proof on, so that it is asked for once in the life of a store and not by every process.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::objects::{Created, Objects};
use super::packing::Proven;
use crate::Result;
use crate::error::{ErrorKind, StoreError};
use crate::layout::PROBE;

/// What is known of the fitness of a place.
#[derive(Debug)]
pub(super) struct Fitness {
    place: Proven,
    proven: AtomicBool,
}

impl Fitness {
    pub(super) fn new(identity: &str) -> Self {
        Self { place: Proven::of(identity), proven: AtomicBool::new(false) }
    }

    /// What a roll says that is written here.
    pub(super) fn place(&self) -> Proven {
        self.place
    }

    /// Takes note of what a roll says. One that was copied from elsewhere proves nothing.
    pub(super) fn note(&self, proven: Proven) {
        if proven == self.place {
            self.proven.store(true, Ordering::Relaxed);
        }
    }

    /// Asks for the proof, unless there is one.
    pub(super) async fn ensure(&self, objects: &dyn Objects) -> Result<()> {
        if self.proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        let body = Bytes::from_static(b"Tenko creates this object twice; the second time has to fail.\n");
        let first = objects.create(PROBE, body.clone()).await?;
        if first == Created::New && objects.create(PROBE, body).await? == Created::New {
            return Err(unfit(objects.url()));
        }
        self.proven.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn unfit(url: &str) -> StoreError {
    StoreError::new(ErrorKind::Unfit, format!("can't keep state in {url}"))
        .because("the server overwrote an object that it was asked to create only if there was none (If-None-Match)")
        .hint("two roll calls could both believe to have won; use a server that honours conditional writes (S3, GCS, Azure, MinIO, SeaweedFS), or sqlite: for state on one machine")
}
