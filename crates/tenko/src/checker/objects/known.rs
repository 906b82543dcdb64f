//! What is known of the objects in a bucket, and what is to be found out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tenko_store::open::ObjectMeta;

use super::plan::covers;

/// Something to be found out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// The object under a key.
    Object(String),
    /// All objects of one directory of which the key begins with this.
    Listing(String),
    /// Whether the objects under two keys have the same content.
    Sameness(String, String),
}

/// Why something could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The problem.
    pub(super) problem: String,
    /// What helps, if that is known.
    pub(super) hint: Option<String>,
    /// Whether it is the right to ask in this way that is missing, so that another way may be open.
    pub(super) refused: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Gap {
    /// Nobody has asked yet.
    Unasked(Want),
    /// It could not be found out.
    Blind(Trouble),
}

type Found<T> = Result<T, Trouble>;

/// What is known of a bucket.
#[derive(Debug, Default)]
pub(super) struct Known {
    objects: BTreeMap<String, Found<Option<ObjectMeta>>>,
    listings: BTreeMap<String, Found<Vec<ObjectMeta>>>,
    sameness: BTreeMap<(String, String), Found<Option<bool>>>,
}

impl Known {
    /// The object under a key, if there is one.
    pub(super) fn object(&self, key: &str) -> Result<Option<&ObjectMeta>, Gap> {
        match self.objects.get(key) {
            Some(Ok(found)) => Ok(found.as_ref()),
            Some(Err(trouble)) => Err(Gap::Blind(trouble.clone())),
            None => self.listed(key).ok_or_else(|| Gap::Unasked(Want::Object(key.to_owned()))),
        }
    }

    /// What a list says of a key: that there is none is an answer too. `None` if no list reaches it.
    fn listed(&self, key: &str) -> Option<Option<&ObjectMeta>> {
        Some(self.reaching(key)?.iter().find(|object| object.key == key))
    }

    /// A list that tells of all that begins with a text.
    fn reaching(&self, text: &str) -> Option<&[ObjectMeta]> {
        let covering = self.listings.iter().filter(|(prefix, _)| covers(prefix, text));
        covering.filter_map(|(_, found)| found.as_deref().ok()).next()
    }

    /// The objects of one directory of which the key begins with `prefix`, and maybe others, in the order of their time.
    pub(super) fn listing(&self, prefix: &str) -> Result<&[ObjectMeta], Gap> {
        match self.listings.get(prefix) {
            Some(Ok(found)) => Ok(found),
            Some(Err(trouble)) => Err(Gap::Blind(trouble.clone())),
            None => self.reaching(prefix).ok_or_else(|| Gap::Unasked(Want::Listing(prefix.to_owned()))),
        }
    }

    /// Whether two objects have the same content; `None` if one of them is gone.
    pub(super) fn sameness(&self, one: &str, other: &str) -> Result<Option<bool>, Gap> {
        let pair = (one.to_owned(), other.to_owned());
        match self.sameness.get(&pair) {
            Some(Ok(same)) => Ok(*same),
            Some(Err(trouble)) => Err(Gap::Blind(trouble.clone())),
            None => Err(Gap::Unasked(Want::Sameness(pair.0, pair.1))),
        }
    }

    /// What is known of an object, from wherever.
    pub(super) fn meta(&self, key: &str) -> Option<&ObjectMeta> {
        let alone = self.objects.get(key).and_then(|found| found.as_ref().ok()?.as_ref());
        alone.or_else(|| {
            let listings = self.listings.values().filter_map(|found| found.as_ref().ok());
            listings.flatten().find(|object| object.key == key)
        })
    }

    pub(super) fn add_object(&mut self, key: &str, found: Found<Option<ObjectMeta>>) {
        self.objects.insert(key.to_owned(), found.map(|found| found.map(in_whole_seconds)));
    }

    pub(super) fn add_listing(&mut self, prefix: &str, found: Found<Vec<ObjectMeta>>) {
        let found = found.map(|objects| {
            let mut objects: Vec<ObjectMeta> = objects.into_iter().map(in_whole_seconds).collect();
            objects.sort_unstable_by(|a, b| (a.last_modified, &a.key).cmp(&(b.last_modified, &b.key)));
            objects
        });
        self.listings.insert(prefix.to_owned(), found);
    }

    pub(super) fn add_sameness(&mut self, one: String, other: String, found: Found<Option<bool>>) {
        self.sameness.insert((one, other), found);
    }
}

/// Some servers tell fractions of seconds in lists and none of single objects.
fn in_whole_seconds(object: ObjectMeta) -> ObjectMeta {
    let whole = Timestamp::from_second(object.last_modified.as_second());
    ObjectMeta { last_modified: whole.unwrap_or(object.last_modified), ..object }
}
