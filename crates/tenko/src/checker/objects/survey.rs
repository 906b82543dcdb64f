//! Asks a bucket, with the rights that there are.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use tenko_store::open::{ObjectMeta, OpenOptions, PlainObjects, SomeObjects, open_objects};
use tenko_store::{ErrorKind, StoreError};

use super::known::{Known, Trouble, Want};
use super::plan::{self, Next, Plan};

/// How many requests are under way at once; and after so many that had no answer, a bucket that gave none is left alone,
/// because each of them takes its time.
const AT_ONCE: usize = 16;
/// How many objects of one directory are listed at most.
const MOST_LISTED: usize = 100_000;

/// A bucket, and how it answers in this roll call.
pub(super) struct Bucket {
    objects: Result<PlainObjects, StoreError>,
    answers: AtomicUsize,
    silences: AtomicUsize,
    /// Whether a LIST of more than one key was refused. That of a single key may still be allowed: rights to list can be
    /// limited to prefixes.
    may_not_sweep: AtomicBool,
    /// Whether a LIST of a single key was refused.
    may_not_list: AtomicBool,
    /// Whether a HEAD was refused of an object that is there.
    may_not_head: AtomicBool,
}

/// Something that was found out.
enum Fact {
    Object(String, Result<Option<ObjectMeta>, Trouble>),
    Listing(String, Result<Vec<ObjectMeta>, Trouble>),
    Sameness(String, String, Result<Option<bool>, Trouble>),
}

impl Bucket {
    pub(super) async fn open(url: &str, options: &OpenOptions) -> Self {
        Self {
            objects: open_objects(url, options).await,
            answers: AtomicUsize::new(0),
            silences: AtomicUsize::new(0),
            may_not_sweep: AtomicBool::new(false),
            may_not_list: AtomicBool::new(false),
            may_not_head: AtomicBool::new(false),
        }
    }

    /// Finds out all that is wanted, or why it can't be.
    pub(super) async fn find_out(&self, wants: BTreeSet<Want>, known: &mut Known) {
        let plan = plan::plan(wants, !self.may_not_sweep.load(Ordering::Relaxed));
        let mut asking = self.requests(plan, known).into_iter();
        // The first one finds out whether there is a bucket at all, for the others.
        let mut facts = match asking.next() {
            Some(first) => first.await,
            None => Vec::new(),
        };
        let others = futures::stream::iter(asking).buffer_unordered(AT_ONCE);
        facts.extend(others.collect::<Vec<_>>().await.into_iter().flatten());
        facts.into_iter().for_each(|fact| note(known, fact));
    }

    fn requests<'a>(&'a self, plan: Plan, known: &Known) -> Vec<BoxFuture<'a, Vec<Fact>>> {
        let lists = plan.lists.into_iter().map(|prefix| self.list(prefix).boxed());
        let sweeps = plan.sweeps.into_iter().map(|keys| self.sweep(keys).boxed());
        let heads = plan.heads.into_iter().map(|key| self.head(key).map(|fact| vec![fact]).boxed());
        let pairs = plan.pairs.into_iter().map(|(one, other)| {
            let metas = known.meta(&one).cloned().zip(known.meta(&other).cloned());
            self.compare(one, other, metas).map(|fact| vec![fact]).boxed()
        });
        lists.chain(sweeps).chain(heads).chain(pairs).collect()
    }

    /// One directory, to its end.
    async fn list(&self, prefix: String) -> Vec<Fact> {
        let found = self.ask(&prefix, async |objects| objects.list_flat(&prefix, MOST_LISTED).await).await;
        let found = found.and_then(|found| match found.complete {
            true => Ok(found.objects),
            false => Err(Trouble::plain(format!("there are over {MOST_LISTED} objects {prefix}*"))
                .hint("put a date into the directory or in front of the wildcard")),
        });
        vec![Fact::Listing(prefix, found)]
    }

    /// Keys, page by page while that pays, and then one by one.
    async fn sweep(&self, keys: Vec<String>) -> Vec<Fact> {
        let (mut facts, mut left) = (Vec::new(), keys.as_slice());
        loop {
            let next = match self.page(left).await {
                Ok(Some(page)) => told(left, &page, &mut facts),
                Ok(None) => Next::OneByOne(0),
                Err(trouble) => {
                    facts.extend(left.iter().map(|key| Fact::Object(key.clone(), Err(trouble.clone()))));
                    Next::Done
                }
            };
            match next {
                Next::Done => return facts,
                Next::GoOn(told) => left = &left[told..],
                Next::OneByOne(told) => {
                    let heads = left[told..].iter().cloned().map(|key| self.head(key));
                    let heads = futures::stream::iter(heads).buffer_unordered(AT_ONCE);
                    facts.extend(heads.collect::<Vec<_>>().await);
                    return facts;
                }
            }
        }
    }

    /// A page that begins with the first of some keys; `None` where lists are refused.
    async fn page(&self, keys: &[String]) -> Result<Option<SomeObjects>, Trouble> {
        if self.may_not_sweep.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (prefix, behind) = plan::beginning(keys);
        match self.ask(&prefix, async |objects| objects.page(&prefix, &behind).await).await {
            Err(trouble) if trouble.refused => {
                self.may_not_sweep.store(true, Ordering::Relaxed);
                Ok(None)
            }
            page => page.map(Some),
        }
    }

    /// One key. Where HEAD is refused, a list may tell: to whoever may not read, and of what is not there.
    async fn head(&self, key: String) -> Fact {
        let head = async |objects: &PlainObjects| objects.head(&key).await;
        let found = match self.may_not_head.load(Ordering::Relaxed) {
            true => self.listed(&key).await,
            false => match self.ask(&key, head).await {
                Err(refused) if refused.refused && !self.may_not_list.load(Ordering::Relaxed) => {
                    self.listed(&key).await.map_err(|_| refused)
                }
                found => found,
            },
        };
        Fact::Object(key, found)
    }

    async fn listed(&self, key: &str) -> Result<Option<ObjectMeta>, Trouble> {
        let page = self.ask(key, async |objects| objects.page(key, "").await).await;
        let found = page.map(|page| in_page(&page.objects, key));
        match &found {
            Err(trouble) if trouble.refused => self.may_not_list.store(true, Ordering::Relaxed),
            Ok(Some(_)) => self.may_not_head.store(true, Ordering::Relaxed),
            _ => {}
        }
        found
    }

    async fn compare(&self, one: String, other: String, metas: Option<(ObjectMeta, ObjectMeta)>) -> Fact {
        let same = match metas {
            Some((this, that)) => {
                self.ask(&one, async |objects| objects.have_same_content(&this, &that).await).await
            }
            None => Ok(None),
        };
        Fact::Sameness(one, other, same)
    }

    /// Asks for something about `key`, unless the bucket gives no answers.
    async fn ask<T>(
        &self,
        key: &str,
        request: impl AsyncFnOnce(&PlainObjects) -> Result<T, StoreError>,
    ) -> Result<T, Trouble> {
        let objects = self.objects.as_ref().map_err(Trouble::of)?;
        let silences = self.silences.load(Ordering::Relaxed);
        if silences >= AT_ONCE && self.answers.load(Ordering::Relaxed) == 0 {
            let problem =
                format!("{}/{key} was not asked for: {silences} others had no answer", objects.url());
            return Err(Trouble::plain(problem));
        }
        let answer = request(objects).await;
        let silent = matches!(&answer, Err(error) if error.kind() == ErrorKind::Unavailable);
        let count = if silent { &self.silences } else { &self.answers };
        count.fetch_add(1, Ordering::Relaxed);
        answer.map_err(|error| Trouble::of(&error))
    }
}

impl Trouble {
    fn plain(problem: String) -> Self {
        Self { problem, hint: None, refused: false }
    }

    fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }

    fn of(error: &StoreError) -> Self {
        let hint = error.help().map(str::to_owned);
        let denied = error.kind() == ErrorKind::Denied;
        // Where a right is missing something else may be allowed; not where the credentials are wrong.
        let missing_right = denied && hint.as_deref().is_some_and(|hint| hint.starts_with("grant "));
        let refused = missing_right || error.kind() == ErrorKind::Unfit;
        Self { problem: crate::error::chain(error), hint, refused }
    }
}

/// Notes what a page tells of keys.
fn told(keys: &[String], page: &SomeObjects, facts: &mut Vec<Fact>) -> Next {
    let last = page.objects.last().map_or("", |last| &last.key);
    let next = plan::after_page(keys, (!page.complete).then_some(last));
    let told = match next {
        Next::Done => keys.len(),
        Next::GoOn(told) | Next::OneByOne(told) => told,
    };
    facts.extend(keys[..told].iter().map(|key| Fact::Object(key.clone(), Ok(in_page(&page.objects, key)))));
    next
}

fn in_page(objects: &[ObjectMeta], key: &str) -> Option<ObjectMeta> {
    let found = objects.binary_search_by(|object| object.key.as_str().cmp(key));
    found.ok().map(|index| objects[index].clone())
}

fn note(known: &mut Known, fact: Fact) {
    match fact {
        Fact::Object(key, found) => known.add_object(&key, found),
        Fact::Listing(prefix, found) => known.add_listing(&prefix, found),
        Fact::Sameness(one, other, same) => known.add_sameness(one, other, same),
    }
}
