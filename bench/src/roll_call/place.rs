//! Where the evidence lies.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tempfile::TempDir;
use tenko_core::{Evidence, format};
use tenko_store::layout::EvidenceKey;
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::{Ask, Key, TestS3};

use crate::{Result, runtime};

/// How much evidence is added at once.
const AT_ONCE: usize = 5_000;

/// A store that outlives the processes that call its roll.
pub(super) enum Place {
    Nowhere,
    Sqlite(TempDir),
    Directory(TempDir),
    S3(TestS3),
}

impl Place {
    pub(super) fn nowhere() -> Self {
        Self::Nowhere
    }

    pub(super) fn sqlite() -> Result<Self> {
        Ok(Self::Sqlite(tempfile::tempdir()?))
    }

    pub(super) fn directory() -> Result<Self> {
        Ok(Self::Directory(tempfile::tempdir()?))
    }

    pub(super) fn s3() -> Result<Self> {
        Ok(Self::S3(server()?))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nowhere => "memory",
            Self::Sqlite(_) => "SQLite",
            Self::Directory(_) => "file://",
            Self::S3(_) => "S3 (in-process server)",
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Nowhere => "memory:".to_owned(),
            Self::Sqlite(dir) => format!("sqlite://{}/bench.db", dir.path().display()),
            Self::Directory(dir) => format!("file://{}", dir.path().display()),
            Self::S3(server) => server.url("bench"),
        }
    }

    pub(super) fn env(&self) -> BTreeMap<String, String> {
        match self {
            Self::S3(server) => server.env(Key::Admin),
            _ => BTreeMap::new(),
        }
    }

    /// Adds the evidence of a day that ends at `end`: past the store where it would take minutes, but to the same keys.
    pub(super) fn add(&self, evidence: &[Evidence], end: Timestamp) -> Result<()> {
        match self {
            Self::S3(server) => put_all(server, evidence, end),
            Self::Directory(dir) => write_all(dir, evidence),
            Self::Nowhere | Self::Sqlite(_) => runtime()?.block_on(self.append_all(evidence)),
        }
    }

    async fn append_all(&self, evidence: &[Evidence]) -> Result<()> {
        let store = open(&self.url(), &OpenOptions::default()).await?;
        for part in evidence.chunks(AT_ONCE) {
            store.append(part).await?;
        }
        Ok(())
    }

    pub(super) fn forget_requests(&self) {
        if let Self::S3(server) = self {
            server.reset_counts();
        }
    }

    /// How many LIST, GET and PUT arrived since then.
    pub(super) fn requests(&self) -> Option<[u64; 3]> {
        match self {
            Self::S3(server) => Some([Ask::List, Ask::Get, Ask::Put].map(|ask| server.count(ask))),
            _ => None,
        }
    }
}

/// An S3 server on a thread of its own, for as long as this process lives.
pub(crate) fn server() -> Result<TestS3> {
    let (started, server) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let Ok(runtime) = runtime() else { return };
        runtime.block_on(async {
            drop(started.send(TestS3::start().await));
            std::future::pending::<()>().await;
        });
    });
    Ok(server.recv()?)
}

fn put_all(server: &TestS3, evidence: &[Evidence], end: Timestamp) -> Result<()> {
    for piece in evidence {
        server.skew_clock(piece.at.as_second() - Timestamp::now().as_second());
        server.put(&format!("bench/{}", EvidenceKey::new(piece, piece.at)), format::write_evidence(piece));
    }
    server.skew_clock(end.as_second() - Timestamp::now().as_second());
    Ok(())
}

/// Files of the time at which their evidence happened.
fn write_all(dir: &TempDir, evidence: &[Evidence]) -> Result<()> {
    for piece in evidence {
        let path = dir.path().join(EvidenceKey::new(piece, piece.at).to_string());
        std::fs::create_dir_all(path.parent().ok_or("a key has parts")?)?;
        std::fs::write(&path, format::write_evidence(piece))?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(piece.at.as_second())?);
        std::fs::File::options().write(true).open(&path)?.set_modified(at)?;
    }
    Ok(())
}
