//! What is asked often, for the test that looks at how PostgreSQL would answer it.

use super::{adding, addresses, claims, entries, evidence, outbox, rolls};

/// Statements by name. Each has to be answered by indexes.
pub fn statements() -> Vec<(&'static str, &'static str)> {
    vec![
        ("evidence of a span", evidence::OF_ALL),
        ("evidence of a job", evidence::OF_ONE),
        ("the oldest evidence", evidence::OLDEST),
        ("a piece of evidence", evidence::WHOLE),
        ("new evidence", evidence::NEWER),
        ("unheard evidence", evidence::LOCK_UNHEARD),
        ("unheard evidence, whole", evidence::UNHEARD),
        ("what was heard", evidence::HEAR),
        ("evidence and states to be written", adding::INSERT),
        ("new evidence and states to be written", adding::INSERT_NEW),
        ("jobs", adding::FIND_JOBS),
        ("texts", adding::FIND_TEXTS),
        ("jobs to decide about", entries::LOCK_JOBS),
        ("due", entries::LOCK_DUE),
        ("names", entries::NAMES),
        ("what is next", entries::NEXT),
        ("items of jobs", entries::LOCK_ITEMS),
        ("flips", rolls::FLIPS),
        ("missed", rolls::MISSED),
        ("old evidence", rolls::PRUNE_EVIDENCE),
        ("old flips", rolls::PRUNE_FLIPS),
        ("old missed", rolls::PRUNE_MISSED),
        ("what can be claimed", claims::CLAIMABLE),
        ("channels to tell", claims::READY),
        ("claimed items", claims::CLAIMED),
        ("dead items", claims::DEAD),
        ("items that change", outbox::UPDATE),
        ("a job at an address", addresses::JOB_AT),
        ("addresses", addresses::OF_JOBS),
    ]
}
