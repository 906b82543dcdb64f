//! Finds the file of a configuration and reads it, whatever it turns out to be.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::fetch;
use super::problem::ConfigErrors;
use super::read::reason;

/// The largest file that is read, in bytes.
pub(super) const LARGEST: u64 = 10_000_000;
/// Where it is looked for, if nobody says.
const PLACES: [&str; 2] = ["tenko.toml", "/etc/tenko/tenko.toml"];

/// The text of a configuration file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Whether every user of the machine may read it.
    pub(super) exposed: bool,
}

/// The variable that may hold all of a configuration.
const TEXT: &str = "TENKO_CONFIG_TOML";

/// Reads the file or object that `explicit` or `$TENKO_CONFIG` names, or the text in `$TENKO_CONFIG_TOML`, or the first file that
/// exists of the usual places.
pub(super) fn find(explicit: Option<&Path>) -> Result<Option<Found>, ConfigErrors> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let from_env = variable("TENKO_CONFIG").map(PathBuf::from);
    if let Some(path) = explicit.map(Path::to_owned).or(from_env) {
        if let Some(url) = path.to_str().filter(|path| path.contains("://")) {
            return fetch::fetch(url).map(Some);
        }
        return read(&path)?.map_or_else(|| Err(missing(&path)), |found| Ok(Some(found)));
    }
    if let Some(text) = variable(TEXT) {
        return in_variable(text).map(Some);
    }
    for place in PLACES.map(Path::new) {
        if let Some(found) = read(place)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whoever may read a variable of this process is of its user, or root.
fn in_variable(text: OsString) -> Result<Found, ConfigErrors> {
    let path = PathBuf::from(format!("${TEXT}"));
    let wrong = |_| ConfigErrors::of_file(&path, "is not UTF-8", "write the text of a tenko.toml into it");
    let text = text.into_string().map_err(wrong)?;
    Ok(Found { path, text, exposed: false })
}

fn missing(path: &Path) -> ConfigErrors {
    ConfigErrors::of_file(path, "does not exist", "check the path; tenko init writes a first configuration")
}

/// `None` if there is no such file.
fn read(path: &Path) -> Result<Option<Found>, ConfigErrors> {
    let (file, metadata) = match open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if metadata.is_dir() {
        let hint = format!("write {}", path.join("tenko.toml").display());
        return Err(ConfigErrors::of_file(path, "is a directory, not a file", &hint));
    }
    let bytes = read_bounded(file, metadata.len()).map_err(|error| unreadable(path, &error))?;
    let Some(bytes) = bytes else {
        let problem = format!("is larger than {} MB", LARGEST / 1_000_000);
        return Err(ConfigErrors::of_file(
            path,
            &problem,
            "this is probably not a configuration; check the path",
        ));
    };
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
    Ok(Some(Found { path: path.to_owned(), text, exposed: exposed(&metadata) }))
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// `None` if there is more than [`LARGEST`]. A device or pipe without a length is bounded as well.
fn read_bounded(file: File, length: u64) -> io::Result<Option<Vec<u8>>> {
    if length > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= LARGEST).then_some(bytes))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigErrors {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "the user that runs tenko must be able to read it",
        _ => "check the path",
    };
    ConfigErrors::of_file(path, &format!("cannot be read: {}", reason(error)), hint)
}

pub(super) fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> ConfigErrors {
    let at = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&bytes[start..at]).chars().count() + 1;
    let problem = format!("is not UTF-8: byte 0x{:02x} in line {line}, column {column}", bytes[at]);
    ConfigErrors::of_file(path, &problem, "save the file as UTF-8")
}

#[cfg(unix)]
fn exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn exposed(_: &Metadata) -> bool {
    false
}

/// Reads the file of a secret: as small as a secret is.
pub(super) fn read_secret(path: &Path) -> io::Result<String> {
    const LARGEST_SECRET: u64 = 64 * 1024;
    let mut text = String::new();
    File::open(path)?.take(LARGEST_SECRET).read_to_string(&mut text)?;
    Ok(text)
}
