//! `tenko backup` and `tenko restore`: all that a store keeps, in one file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use jiff::Timestamp;
use tempfile::NamedTempFile;
use tenko_store::backup::{self, BackupReader, BackupWriter, Counts, Header};
use tenko_store::portable::{Piece, Portable};
use tenko_store::{SharedStore, StoreError};

use super::Setup;
use crate::cli::Common;
use crate::error::CommandError;
use crate::{printer, words};

/// Write all that the store keeps into one file, while servers go on.
///
/// It holds what was there at one moment: evidence, verdicts, notices that are on their way, addresses, and digests of keys.
/// It is written beside FILE and takes its place when it is complete. `tenko restore` reads it, into a store of any kind.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where it is written; a file of that name is replaced
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Put all that a backup holds into an empty store.
///
/// The file is checked before anything of it is used. All of it is there in the end, or nothing is.
#[derive(Debug, Args)]
pub struct Restore {
    /// What tenko backup has written
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let store = Setup::load(common)?.open_store().await?;
        let portable = portable(&store)?;
        let failed = |error: std::io::Error| {
            CommandError::could_not_tell(format!("can't write {}: {error}", self.file.display()))
        };
        let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Readable for its owner alone.
        let file = NamedTempFile::new_in(directory.unwrap_or(Path::new("."))).map_err(failed)?;
        let (file, counts) = written(file, portable, store.url()).await?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.file).map_err(|error| failed(error.error))?;
        File::open(directory.unwrap_or(Path::new(".")))
            .and_then(|directory| directory.sync_all())
            .map_err(failed)?;
        printer::print(&format!("{}: {}\n", self.file.display(), in_words(&counts)))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn written(
    file: NamedTempFile,
    portable: &dyn Portable,
    store: String,
) -> Result<(NamedTempFile, Counts), CommandError> {
    let written_by = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { version: backup::VERSION, written_by, at: Timestamp::now(), store };
    let writer = BackupWriter::begin(BufWriter::new(file), &header)?;
    let writer = Arc::new(Mutex::new(writer));
    let taking = Arc::clone(&writer);
    let taker = move |piece: Piece| taking.lock().unwrap_or_else(PoisonError::into_inner).add(piece);
    portable.export(Box::new(taker)).await?;
    let writer = Arc::into_inner(writer).ok_or_else(|| {
        CommandError::could_not_tell(
            "the store still holds on to the backup, which is a mistake in Tenko itself",
        )
    })?;
    let (mut out, counts) = writer.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
    out.flush()?;
    let file = out.into_inner().map_err(|error| CommandError::from(error.into_error()))?;
    Ok((file, counts))
}

impl Restore {
    /// Does it.
    pub async fn execute(self, common: &Common) -> Result<ExitCode, CommandError> {
        let setup = Setup::load(common)?;
        let checked = self.open()?;
        let header = checked.header().clone();
        let counts = checked.check().map_err(|error| self.named(error))?;
        let store = setup.open_store().await?;
        let pieces = self.open()?;
        portable(&store)?.import(Box::new(pieces)).await?;
        let at = words::moment(header.at, &setup.config.time_zone);
        printer::print(&format!("{} as it was at {at}: {}\n", store.url(), in_words(&counts)))?;
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self) -> Result<BackupReader<BufReader<File>>, CommandError> {
        let file = File::open(&self.file)
            .map_err(|error| CommandError::usage(format!("can't read {}: {error}", self.file.display())))?;
        BackupReader::begin(BufReader::new(file)).map_err(|error| self.named(error))
    }

    fn named(&self, error: StoreError) -> CommandError {
        let hint = error.help().map(str::to_owned);
        let named = CommandError::usage(format!(
            "can't restore {}: {}",
            self.file.display(),
            crate::error::chain(&error)
        ));
        hint.map_or_else(|| CommandError::from(error), |hint| named.hint(hint))
    }
}

fn portable(store: &SharedStore) -> Result<&dyn Portable, CommandError> {
    store.portable().ok_or_else(|| {
        CommandError::usage(format!("{} can't be taken into one file", store.url()))
            .hint("that is for sqlite: and postgres: stores; a bucket is copied with its own tools")
    })
}

fn in_words(counts: &Counts) -> String {
    let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    let (evidence, jobs) = (count("evidence"), count("job"));
    let (notices, keys) = (count("notice"), count("key"));
    format!("{evidence} pieces of evidence, {jobs} jobs, {notices} notices, {keys} keys")
}
