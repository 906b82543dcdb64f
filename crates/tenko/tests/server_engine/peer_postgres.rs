//! All stories of this binary once more, on PostgreSQL.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;

use tenko_store::testkit_postgres::Database;
use tenko_store::{ErrorKind, PostgresStore, SharedStore};

use crate::moody::Moody;

/// Set for the process that tells the stories on PostgreSQL.
const WANTED: &str = "TENKO_STORIES_ON_POSTGRES";

/// Whether this process tells its stories on PostgreSQL.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(WANTED).is_some_and(|value| value != *OsStr::new(""))
}

/// A database of a story's own.
pub(crate) fn database() -> Database {
    // Worlds are made by those who can't wait.
    let making = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Database::create())
    });
    making.join().unwrap()
}

/// A store in it, that leaves the time to clocks that are set by hand.
pub(crate) fn store(database: &Database) -> SharedStore {
    let store: SharedStore = Arc::new(PostgresStore::new(&database.url()).unwrap());
    Moody::over(&store, ErrorKind::Unavailable)
}

#[test]
#[ignore = "needs PostgreSQL"]
fn all_stories_are_the_same_on_postgres() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    let told = again.args(["--test-threads", "8"]).env(WANTED, "1").output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
    assert!(!said.contains("running 0 tests"), "{said}");
}
