//! What a store promises, as tests. Every backend and every decorator runs all of them:
//!
//! ```ignore
//! async fn fresh() -> Fresh { .. }
//! tenko_store::conformance_tests!(fresh, Suite::default());
//! ```
//!
//! Each promise is a function that gets a store which nobody used before, and panics if the store breaks it.

mod evidence;
mod live;
mod rolls;
mod samples;

use std::any::Any;
use std::fmt;

use jiff::SignedDuration;

use crate::SharedStore;

pub use evidence::*;
pub use live::*;
pub use rolls::*;
pub use samples::*;

/// A store that nobody used before, opened twice.
pub struct Fresh {
    /// One handle.
    pub store: SharedStore,
    /// Another handle on the same store, as another process would have it.
    pub other: SharedStore,
    _keep: Box<dyn Any + Send>,
}

impl Fresh {
    /// Two handles on one store, and whatever has to live as long as they do: a temporary directory, a server.
    pub fn new(store: SharedStore, other: SharedStore, keep: impl Any + Send) -> Self {
        Self { store, other, _keep: Box::new(keep) }
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh")
            .field("store", &self.store)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

/// How thoroughly to test, and where stores may differ.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// How many try to commit at once.
    pub racers: usize,
    /// How often they do.
    pub rounds: usize,
    /// Whether the answer of `append` can be relied on. Not so where answers get lost on the way and what was known is
    /// no longer told from what was added by the attempt before.
    pub tells_known: bool,
    /// How long after it happened evidence may arrive and still be news. What is older is found by `between` only.
    pub late: SignedDuration,
    /// How many pieces of evidence are added while somebody reads.
    pub pieces: usize,
}

impl Default for Suite {
    fn default() -> Self {
        Self {
            racers: 8,
            rounds: 100,
            tells_known: true,
            late: SignedDuration::from_hours(24 * 365),
            pieces: 200,
        }
    }
}

/// The names of all promises, handed on to a macro behind what it is given. The one list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! promises {
    ([$($macro:tt)+] $($given:tt)*) => {
        $($macro)+! {
            { $($given)* }
            an_empty_store_is_empty,
            its_url_can_be_shown,
            what_was_appended_is_there_with_the_time_of_receipt,
            appended_again_it_is_there_once,
            appended_twice_in_one_batch_it_is_there_once,
            appended_again_with_another_time_it_is_there_once,
            two_appenders_of_the_same_evidence_leave_it_there_once,
            runs_kinds_and_jobs_tell_evidence_apart,
            exits_are_told_apart,
            a_second_exit_of_the_same_run_is_known,
            nothing_appended_is_nothing_added,
            a_large_batch_is_appended_whole,
            news_begin_after_the_cursor,
            news_miss_nothing_while_others_append,
            news_contain_late_and_early_evidence,
            an_unknown_cursor_loses_nothing,
            news_tell_the_digest_of_a_declaration,
            between_is_half_open_and_sorted,
            between_keeps_to_one_job,
            between_finds_evidence_of_any_age,
            the_oldest_evidence_shows_from_when_on_it_is_kept,
            read_gives_back_what_was_appended,
            read_gives_back_odd_texts,
            read_gives_back_large_bodies,
            read_finds_what_between_found,
            reading_what_is_not_there_is_an_error,
            a_commit_is_loaded_as_it_was,
            a_stale_commit_is_lost_and_leaves_nothing,
            after_loading_again_a_commit_wins,
            jobs_and_declarations_leave_the_roll,
            the_outbox_keeps_its_order,
            a_large_roll_is_loaded_as_it_was,
            of_many_who_commit_one_wins,
            facts_are_newest_first_and_limited,
            prune_removes_what_is_old_and_nothing_else,
            after_prune_news_go_on,
            two_handles_see_the_same,
        }
    };
}

/// Expands to one `#[tokio::test]` for each promise. Takes an async function that returns a [`Fresh`], and a
/// [`Suite`]; before them may stand why the tests are ignored unless asked for, such as `ignore = "needs a server"`.
#[macro_export]
macro_rules! conformance_tests {
    ({ ignore = $why:literal, $make:expr, $suite:expr } $($promise:ident,)+) => {$(
        #[tokio::test]
        #[ignore = $why]
        async fn $promise() {
            $crate::conformance::$promise(&$make().await, $suite).await;
        }
    )+};
    ({ $make:expr, $suite:expr } $($promise:ident,)+) => {$(
        #[tokio::test]
        async fn $promise() {
            $crate::conformance::$promise(&$make().await, $suite).await;
        }
    )+};
    (ignore = $why:literal, $make:expr, $suite:expr) => {
        $crate::promises!([$crate::conformance_tests] ignore = $why, $make, $suite);
    };
    ($make:expr, $suite:expr) => {
        $crate::promises!([$crate::conformance_tests] $make, $suite);
    };
}

/// The same for stores that servers keep: what [`Live`](crate::live::Live) promises. Takes what [`conformance_tests!`]
/// takes, and is to be used in a module of its own beside that.
#[macro_export]
macro_rules! live_tests {
    ($make:expr, $suite:expr) => {
        $crate::live_promises!([$crate::conformance_tests] $make, $suite);
    };
}

macro_rules! keep_all {
    ({ $make:expr, $suite:expr } $($promise:ident,)+) => {$(
        $promise(&$make(stringify!($promise)).await, $suite).await;
    )+};
}

/// Tests all promises of stores that servers keep, as [`keeps_all_promises`] does it.
///
/// # Panics
/// If one of them is broken.
pub async fn keeps_all_live_promises(fresh: impl AsyncFn(&str) -> Fresh, suite: Suite) {
    crate::live_promises!([keep_all] fresh, suite);
}

/// Tests all promises, one after the other. For places that are too dear to be made for each: `fresh` gets the name of
/// the promise, and returns a store that is new, such as one under a prefix of that name.
///
/// # Panics
/// If one of them is broken.
pub async fn keeps_all_promises(fresh: impl AsyncFn(&str) -> Fresh, suite: Suite) {
    crate::promises!([keep_all] fresh, suite);
}
