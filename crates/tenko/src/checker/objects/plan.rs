//! By which requests something is found out most cheaply.
//!
//! Prices are those of S3, of which others differ little: per thousand requests LIST costs $0.005 and HEAD $0.0004 (us-east-1)
//! or $0.0047 and $0.00037 (ap-northeast-1). A LIST tells of a thousand keys, but nobody knows beforehand whether
//! of those that are wanted. So it is tried where it may save half, and not gone on with where it has not saved anything.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Want;

/// A LIST costs as much as so many HEADs.
pub(super) const LIST_COST: usize = 13;
/// From so many keys on a LIST is tried: then it wastes at most half as much again.
pub(super) const WORTH_A_TRY: usize = 2 * LIST_COST;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Directories, or parts of them, that are listed to the end, by what their keys begin with.
    pub(super) lists: Vec<String>,
    /// Keys, sorted, that are looked for in pages of a list.
    pub(super) sweeps: Vec<Vec<String>>,
    /// Keys that are asked for one by one.
    pub(super) heads: Vec<String>,
    /// Pairs that are compared.
    pub(super) pairs: Vec<(String, String)>,
}

/// Says by which requests all that is wanted is found out. Where the right to list is missing, keys are asked for one by
/// one; what has wildcards is listed all the same, because there is no other way.
pub(super) fn plan(wants: BTreeSet<Want>, may_list: bool) -> Plan {
    let (mut keys, mut prefixes, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for want in wants {
        match want {
            Want::Object(key) => keys.push(key),
            Want::Listing(prefix) => prefixes.push(prefix),
            Want::Sameness(one, other) => pairs.push((one, other)),
        }
    }
    let lists: Vec<String> = prefixes
        .iter()
        .filter(|prefix| !prefixes.iter().any(|by| by != *prefix && covers(by, prefix)))
        .cloned()
        .collect();
    keys.retain(|key| !may_list || !lists.iter().any(|prefix| covers(prefix, key)));
    let (sweeps, heads) = if may_list { sweeps(keys) } else { (Vec::new(), keys) };
    Plan { lists, sweeps, heads, pairs }
}

/// Whether the list of a directory from `prefix` on tells of `key`, or of all that begins with it.
pub(super) fn covers(prefix: &str, key: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/'))
}

/// Keys that are many in one directory are looked for there, and those that are left, if they are many, all together.
fn sweeps(keys: Vec<String>) -> (Vec<Vec<String>>, Vec<String>) {
    let mut directories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in keys {
        let directory = &key[..key.rfind('/').map_or(0, |slash| slash + 1)];
        directories.entry(directory.to_owned()).or_default().push(key);
    }
    let (mut sweeps, few): (Vec<_>, Vec<_>) =
        directories.into_values().partition(|keys| keys.len() >= WORTH_A_TRY);
    let mut left: Vec<String> = few.into_iter().flatten().collect();
    left.sort();
    if left.len() >= WORTH_A_TRY {
        sweeps.push(std::mem::take(&mut left));
    }
    (sweeps, left)
}

/// Where a list begins that is to tell of sorted keys: what all of them begin with, and behind which key.
pub(super) fn beginning(keys: &[String]) -> (String, String) {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Default::default() };
    // Of sorted texts, what the first and the last begin with all begin with.
    let same = first.chars().zip(last.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c);
    let prefix: String = same.collect();
    // A text without its last character is less than it, with little in between.
    let behind = first.char_indices().next_back().map_or("", |(at, _)| &first[..at]);
    (prefix, behind.to_owned())
}

/// What follows from a page that told of all keys up to `last`, or of all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// All is known.
    Done,
    /// Of so many keys is known, and the next page pays.
    GoOn(usize),
    /// Of so many keys is known, and the others are asked for one by one.
    OneByOne(usize),
}

/// Whether to go on listing.
pub(super) fn after_page(keys: &[String], last: Option<&str>) -> Next {
    let Some(last) = last else { return Next::Done };
    let told = keys.partition_point(|key| key.as_str() <= last);
    match keys.len() - told {
        0 => Next::Done,
        left if told >= LIST_COST && left >= WORTH_A_TRY => Next::GoOn(told),
        _ => Next::OneByOne(told),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn objects(keys: impl IntoIterator<Item = String>) -> BTreeSet<Want> {
        keys.into_iter().map(Want::Object).collect()
    }

    fn numbered(directory: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{directory}{number:05}")).collect()
    }

    #[test]
    fn few_keys_are_asked_for_one_by_one() {
        let keys = numbered("a/", WORTH_A_TRY - 1);
        assert_eq!(plan(objects(keys.clone()), true), Plan { heads: keys, ..Plan::default() });
    }

    #[test]
    fn many_keys_of_one_directory_are_looked_for_in_a_list() {
        let keys = numbered("a/", WORTH_A_TRY);
        let alone = vec!["b/x".to_owned()];
        let wants = objects(keys.iter().chain(&alone).cloned());
        assert_eq!(plan(wants, true), Plan { sweeps: vec![keys], heads: alone, ..Plan::default() });
    }

    #[test]
    fn so_are_many_of_as_many_directories() {
        let keys: Vec<String> = numbered("a/", 31).iter().map(|day| format!("{day}/evidence.txt")).collect();
        assert_eq!(plan(objects(keys.clone()), true).sweeps, [keys]);
    }

    #[test]
    fn without_the_right_to_list_they_are_asked_for_one_by_one() {
        let keys = numbered("a/", 500);
        assert_eq!(plan(objects(keys.clone()), false), Plan { heads: keys, ..Plan::default() });
    }

    #[test]
    fn what_is_listed_anyway_is_not_asked_for_again() {
        let listings = ["db/", "db/dump-", "db/old/x", "restic/"].map(|prefix| Want::Listing(prefix.into()));
        let wants =
            objects(["db/dump-1", "db/old/1", "db/old/x1"].map(Into::into)).into_iter().chain(listings);
        let plan = plan(wants.collect(), true);
        assert_eq!(plan.lists, ["db/", "db/old/x", "restic/"]);
        assert_eq!(plan.heads, ["db/old/1"]);
    }

    #[test]
    fn a_list_begins_a_little_before_the_first_key() {
        let keys = ["2026-11-24/job1", "2026-11-24/job2"].map(str::to_owned);
        assert_eq!(beginning(&keys), ("2026-11-24/job".to_owned(), "2026-11-24/job".to_owned()));
        assert_eq!(beginning(&[]), (String::new(), String::new()));
        assert_eq!(beginning(&["日".to_owned()]), ("日".to_owned(), String::new()));
    }

    #[test]
    fn a_list_that_tells_too_little_is_given_up() {
        let keys = numbered("a/", 100);
        assert_eq!(after_page(&keys, None), Next::Done);
        assert_eq!(after_page(&keys, Some("a/00099")), Next::Done);
        assert_eq!(after_page(&keys, Some("a/00049")), Next::GoOn(50));
        assert_eq!(after_page(&keys, Some("a/00003")), Next::OneByOne(4));
        assert_eq!(after_page(&keys, Some("a/00090")), Next::OneByOne(91));
        assert_eq!(after_page(&keys, Some("a")), Next::OneByOne(0));
    }

    /// What a sweep costs in HEADs among all keys of a bucket, and for how many of its keys HEAD is asked.
    fn cost_of(sweep: &[String], bucket: &BTreeSet<String>) -> usize {
        let (mut keys, mut cost) = (sweep, 0);
        loop {
            let (prefix, behind) = beginning(keys);
            cost += LIST_COST;
            let page: Vec<&String> = bucket
                .range(behind.clone()..)
                .filter(|key| **key > behind && key.starts_with(&prefix))
                .take(1001)
                .collect();
            let last = (page.len() > 1000).then(|| page[999].as_str());
            match after_page(keys, last) {
                Next::Done => return cost,
                Next::GoOn(told) => keys = &keys[told..],
                Next::OneByOne(told) => return cost + keys.len() - told,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn everything_wanted_is_asked_for_once(
            keys in prop::collection::btree_set("[ab]{1,2}/[ab]{0,1}/?[a-f]{1,3}", 0..120),
            prefixes in prop::collection::btree_set("[ab]{1,2}/[a-f]{0,2}", 0..4),
            may_list: bool,
        ) {
            let wants = objects(keys.clone()).into_iter().chain(prefixes.iter().cloned().map(Want::Listing));
            let Plan { lists, sweeps, heads, .. } = plan(wants.collect(), may_list);
            for key in &keys {
                let listed = may_list && lists.iter().any(|prefix| covers(prefix, key));
                let asked = heads.iter().chain(sweeps.iter().flatten()).filter(|asked| *asked == key).count();
                prop_assert_eq!(asked, usize::from(!listed), "{}", key);
            }
            for prefix in &prefixes {
                prop_assert!(lists.iter().any(|list| list == prefix || covers(list, prefix)));
            }
            prop_assert!(may_list || sweeps.is_empty());
            prop_assert!(sweeps.iter().all(|keys| keys.is_sorted() && keys.len() >= WORTH_A_TRY));
        }

        #[test]
        fn a_sweep_costs_at_most_half_more_than_asking_one_by_one_whatever_the_bucket_holds(
            wanted in prop::collection::btree_set(0..20_000u32, WORTH_A_TRY..300),
            others in prop::collection::vec((0..20_000u32, 0..2000u32), 0..12),
        ) {
            let key = |number: u32| format!("a/{number:05}");
            let mut bucket: BTreeSet<String> = wanted.iter().copied().map(key).collect();
            for (from, count) in others {
                bucket.extend((from..from + count).map(key));
            }
            let sweep: Vec<String> = wanted.into_iter().map(key).collect();
            prop_assert!(cost_of(&sweep, &bucket) * 2 <= sweep.len() * 3);
        }
    }
}
