//! However a bucket is asked, the verdicts are the same.

use std::sync::Arc;

use proptest::prelude::*;
use tenko_store::MemoryStore;
use tenko_store::testkit_s3::{Ask, Fault, Key};

use super::bucket::Morning;

/// What is expected of the object of one job.
const CHECKS: [&str; 7] = [
    "",
    "min_size = 3",
    "max_age = \"10h\"",
    "changed = true",
    "shrink_at_most = \"40%\"",
    "shrink_at_most = 2\nmin_size = 2",
    "changed = true\nshrink_at_most = \"10%\"\nmax_age = \"30h\"",
];

/// An object that some job finds: which job, the day in its name, when it was written, and what it holds.
type Upload = (usize, u8, (u8, u8), String);

fn uploads(jobs: usize) -> impl Strategy<Value = Vec<Upload>> {
    let hour = prop::sample::select(vec![2u8, 5, 6, 9, 20]);
    prop::collection::vec((0..jobs, 20..=25u8, (20..=25u8, hour), "[ab]{0,5}"), 0..jobs * 5)
}

fn key(job: usize, day: u8) -> String {
    // Some lie in a directory of the day, others in one of their own.
    match job % 2 {
        0 => format!("2026-11-{day}/job{job:02}.txt"),
        _ => format!("by-job/{job:02}/2026-11-{day}.txt"),
    }
}

fn config(jobs: usize) -> String {
    let job = |number: usize| {
        let object = key(number, 99).replace("2026-11-99", "{date}");
        let checks = CHECKS[number % CHECKS.len()];
        format!("cron = \"0 5 * * *\"\ngrace = \"1h\"\nobject = \"s3://tenko-test/{object}\"\n{checks}")
    };
    let others = (1..jobs).map(|number| format!("\n[jobs.other{number:02}]\n{}", job(number)));
    job(0) + &others.collect::<String>()
}

/// What is said of all jobs on three mornings, and what was asked for it.
async fn mornings(morning: &mut Morning, key: Key) -> (Vec<String>, (u64, u64)) {
    morning.keep_in(Arc::new(MemoryStore::new()));
    morning.look_as(key);
    morning.asked();
    let mut said = Vec::new();
    for time in ["23 05:30", "23 06:30", "25 07:00"] {
        let report = morning.roll_call(time).await;
        said.extend(report.roll.states.iter().map(|(slug, state)| {
            let flips: Vec<_> = state.flips.iter().map(|flip| (flip.new, flip.reason, flip.at)).collect();
            format!("{slug} {:?} {:?} {flips:?} {:?}", state.fold.verdict, state.last_success, state.blind)
        }));
    }
    morning.notices();
    (said, morning.asked())
}

async fn the_same_from_list_and_from_head(jobs: usize, uploads: &[Upload]) {
    let mut morning = Morning::with(&config(jobs)).await;
    for (job, name, (day, hour), body) in uploads {
        morning.upload(&format!("{day} {hour:02}:17"), &key(*job, *name), body);
    }
    let (cheapest, (heads, lists)) = mornings(&mut morning, Key::Reader).await;
    assert!(heads + 13 * lists <= 3 * 3 * 8 * jobs as u64, "{heads} HEAD and {lists} LIST");
    let (from_list, _) = mornings(&mut morning, Key::Lister).await;
    morning.s3.inject(Ask::List, 10_000, Fault::Status(403));
    let (from_head, _) = mornings(&mut morning, Key::Reader).await;
    assert_eq!(from_list, from_head);
    assert_eq!(cheapest, from_head);
    assert!(from_head.iter().all(|line| line.ends_with("None")), "{from_head:?}");
}

/// Keys with wildcards and checks of all kinds, of which several dues share some.
const PATTERNS: [&str; 6] = [
    "{date}/part-*\"\nmin_count = 2",
    "all/*.gz\"\nmin_count = 2\nmax_age = \"30h\"\nmin_size = 1",
    "all/?.gz\"\nshrink_at_most = \"40%\"\nchanged = true",
    "{%Y-%m}/*\"\nmax_age = \"26h\"\nshrink_at_most = 1",
    "all/latest\"\nmax_age = \"26h\"",
    "{date}/part-?\"\nshrink_at_most = \"10%\"\nmin_size = 1\nfailures = 2",
];

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof!["2026-11-2[0-5]/part-[1-3]", "all/[a-e]\\.gz", Just("all/latest".to_owned()), "2026-11/[a-e]",]
}

/// Calls the roll twice each time, while objects come: the second one finds nothing to change and to tell.
async fn nothing_new_at_the_same_time(uploads: &[(String, (u8, u8), String)]) {
    let job = |pattern: &str| {
        format!("cron = \"0 5 * * *\"\ngrace = \"1h\"\nobject = \"s3://tenko-test/{pattern}\n")
    };
    let others = (1..PATTERNS.len()).map(|number| format!("[jobs.other{number}]\n{}", job(PATTERNS[number])));
    let morning = Morning::with(&(job(PATTERNS[0]) + &others.collect::<String>())).await;
    let mut coming: Vec<_> = uploads.iter().collect();
    coming.sort_by_key(|(_, moment, _)| *moment);
    let mut coming = coming.into_iter().peekable();
    for (day, hour) in (20..=25u8).flat_map(|day| [4u8, 5, 6, 12, 23].map(|hour| (day, hour))) {
        while let Some((key, (day, hour), body)) = coming.next_if(|(_, moment, _)| *moment < (day, hour)) {
            morning.upload(&format!("{day} {hour:02}:17"), key, body);
        }
        let time = format!("{day} {hour:02}:30");
        morning.roll_call(&time).await;
        morning.notices();
        let again = morning.roll_call(&time).await;
        assert_eq!(again.changes.flips, [], "{time}");
        assert_eq!(morning.told(), [""; 0], "{time}");
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_same_roll_call_answered_from_list_and_from_head_gives_the_same_verdicts(
        (jobs, uploads) in (5usize..40).prop_flat_map(|jobs| (Just(jobs), uploads(jobs)))
    ) {
        run(the_same_from_list_and_from_head(jobs, &uploads));
    }

    #[test]
    fn whoever_calls_the_roll_twice_learns_nothing_more(
        uploads in prop::collection::vec((any_key(), (20..=25u8, 0..24u8), "[ab]{0,5}"), 0..40)
    ) {
        run(nothing_new_at_the_same_time(&uploads));
    }
}
