//! What is promised of stores that servers keep.

mod attending;
mod deciding;
mod delivering;
mod keeping;
mod noticing;

use jiff::{SignedDuration, Timestamp};
use tenko_core::{Evidence, Slug};
use uuid::Uuid;

use super::samples::*;
use crate::live::{Attendance, By, Case, Decided, Entry, Kept, Live, Naming, Node, Wanted};
use crate::{Appended, Result, SharedStore};

pub use attending::*;
pub use deciding::*;
pub use delivering::*;
pub use keeping::*;
pub use noticing::*;

/// The names of all promises of stores that servers keep, handed on to a macro behind what it is given. The one list of
/// them.
#[doc(hidden)]
#[macro_export]
macro_rules! live_promises {
    ([$($macro:tt)+] $($given:tt)*) => {
        $($macro)+! {
            { $($given)* }
            what_is_decided_is_there_whole,
            evidence_that_is_known_is_not_added_twice,
            what_is_not_named_stays_as_it_is,
            a_forgotten_job_leaves_its_evidence,
            of_many_who_decide_about_one_job_none_is_lost,
            a_decision_that_panics_leaves_nothing,
            many_decide_at_once_and_each_is_answered,
            who_is_named_late_is_decided_about_by_the_later_clock,
            due_finds_the_earliest_first_and_not_what_sleeps,
            of_two_who_look_none_looks_at_what_the_other_saw,
            unheard_evidence_is_heard_once,
            what_a_server_was_told_is_heard,
            who_decides_sees_what_a_roll_call_committed,
            a_roll_call_goes_on_from_what_servers_decided,
            a_tool_makes_roll_calls_lose,
            while_a_node_attends_roll_calls_are_kept_out,
            who_attends_is_told_to_anybody_who_asks,
            a_node_that_lapsed_keeps_nobody_out,
            a_node_that_does_not_attend_decides_nothing,
            that_nobody_attended_is_a_gap,
            a_gap_is_found_however_long_ago_anybody_attended,
            those_who_attend_are_named,
            alarm_and_recovery_are_claimed_one_after_the_other,
            channels_do_not_wait_for_each_other,
            of_many_who_claim_nobody_gets_what_another_has,
            the_end_of_a_lease_frees_a_notice,
            what_could_not_be_delivered_is_kept_and_not_claimed,
            who_lost_his_claim_changes_nothing,
            of_too_many_dead_notices_the_oldest_are_forgotten,
            who_decides_sees_what_was_claimed,
            of_many_who_decide_each_sees_all_notices_of_a_job,
            notices_outlive_the_state_of_their_job,
            notices_of_a_roll_call_are_seen_by_who_decides_later,
            entries_come_in_the_order_in_which_they_are_asked_for,
            names_come_page_by_page,
            an_address_is_of_one_job_and_stays,
            keys_are_kept_and_forgotten,
            a_change_by_somebody_else_is_noticed,
        }
    };
}

/// The store as servers see it.
fn live(store: &SharedStore) -> &dyn Live {
    store.live().expect("servers can keep it")
}

/// A new node.
fn node(name: &str) -> Node {
    Node { id: Uuid::now_v7(), name: name.into() }
}

/// Has a node attend at a moment; a gap is what is longer than a minute.
async fn attend(store: &SharedStore, node: &Node, at: Timestamp) -> Attendance {
    live(store).attend(node, at, SignedDuration::from_mins(1)).await.expect("the node attends")
}

/// A new node that attends now.
async fn attending(store: &SharedStore) -> By {
    let node = node("web-1");
    attend(store, &node, now()).await;
    By::Node(node.id)
}

async fn decide(
    store: &SharedStore,
    by: By,
    wanted: Wanted,
    decide: impl FnMut(Case) -> Decided + Send + 'static,
) -> Result<Vec<Appended>> {
    live(store).decide(by, wanted, now(), Box::new(decide)).await
}

/// Decides this, whatever there is.
async fn put(store: &SharedStore, by: By, decided: Decided) -> Vec<Appended> {
    decide(store, by, Wanted::Jobs(Vec::new()), move |_| decided.clone()).await.expect("it is decided")
}

/// Keeps this of jobs.
async fn keep(store: &SharedStore, by: By, kept: impl IntoIterator<Item = Kept>) {
    put(store, by, Decided { kept: kept.into_iter().collect(), ..Decided::default() }).await;
}

/// What a decision is about, without deciding anything.
async fn look(store: &SharedStore, by: By, wanted: Wanted) -> Case {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    decide(store, by, wanted, move |case| {
        tell.send(case).expect("somebody listens");
        Decided::default()
    })
    .await
    .expect("nothing is decided");
    let mut last = None;
    while let Some(case) = told.recv().await {
        last = Some(case);
    }
    last.expect("there was something to decide on")
}

async fn entry(store: &SharedStore, job: &str) -> Entry {
    live(store).entries(&[slug(job)]).await.expect("entries are read").remove(0)
}

/// A job with this state, which wakes at a moment.
fn waking(job: &str, seed: i64, wake_at: Option<Timestamp>) -> Kept {
    Kept { job: slug(job), entry: Entry { state: Some(state(seed)), ..Entry::default() }, wake_at }
}

fn jobs(names: &[&str]) -> Wanted {
    Wanted::Jobs(names.iter().map(|name| slug(name)).collect())
}

fn names(case: &Case) -> Vec<&str> {
    case.entries.iter().map(|(job, _)| job.as_str()).collect()
}

/// The first entry of a case.
fn first(case: Case) -> (Slug, Entry) {
    case.entries.into_iter().next().expect("the job is in the case")
}

async fn all_evidence(store: &SharedStore) -> Vec<Evidence> {
    store.between(None, Timestamp::MIN, Timestamp::MAX).await.expect("evidence is found")
}
