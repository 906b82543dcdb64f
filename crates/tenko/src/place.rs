//! Where Tenko keeps what belongs to this machine.

use std::path::{Path, PathBuf};

/// The directory for what must outlive a process: the default store, the spool, locks. The first of
/// `$TENKO_STATE_DIR`, `$STATE_DIRECTORY` (systemd.exec(5)), `/var/lib/tenko` for root,
/// `$XDG_STATE_HOME/tenko`, `~/.local/state/tenko` (XDG Base Directory Specification), and where none of them
/// can be told, a directory of this user among the temporary files.
pub fn state_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = var("TENKO_STATE_DIR").or_else(|| var("STATE_DIRECTORY"));
    let uid = nix::unistd::geteuid();
    let home = || {
        let state = var("XDG_STATE_HOME").filter(|path| path.is_absolute());
        state.or_else(|| Some(var("HOME")?.join(".local/state"))).map(|state| state.join("tenko"))
    };
    let root = || uid.is_root().then(|| PathBuf::from("/var/lib/tenko"));
    own.or_else(root).or_else(home).unwrap_or_else(|| std::env::temp_dir().join(format!("tenko-{uid}")))
}

/// The URL of the store that is used when none is configured.
pub fn default_store(state_dir: &Path) -> String {
    let path = std::path::absolute(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    format!("sqlite://{}", path.join("tenko.db").display())
}

/// The name of this host, for evidence.
pub fn host() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}
