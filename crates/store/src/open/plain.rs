//! Objects that somebody else writes, to be judged by what is known of them.

use std::sync::Arc;

use bytes::Bytes;

use super::{OpenOptions, Target, connect, wrong};
use crate::Result;
use crate::directory::Directory;
use crate::object::objects::{After, ObjectMeta, Objects, PAGE, Published};

/// How much is read of each end of an object, where no tag tells of its content.
const END: u64 = 256 * 1024;

/// A place that holds plain objects.
#[derive(Clone, Debug)]
pub struct PlainObjects(Arc<dyn Objects>);

/// What a list gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SomeObjects {
    /// The objects, sorted by key.
    pub objects: Vec<ObjectMeta>,
    /// Whether there are no more of them.
    pub complete: bool,
}

/// Prepares to look at plain objects: a bucket or a directory. Only rights to read are needed.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if the URL names neither.
pub async fn open_objects(url: &str, options: &OpenOptions) -> Result<PlainObjects> {
    match Target::parse(url)? {
        Target::Directory(root) => Ok(PlainObjects(Arc::new(Directory::new(&root)))),
        Target::Bucket(bucket) => connect(&bucket, options).map(PlainObjects),
        _ => Err(wrong(url)
            .because("objects lie in a bucket or a directory")
            .hint("write s3://BUCKET/KEY or file:///PATH")),
    }
}

impl PlainObjects {
    /// Where they lie, as it may be shown.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// What is known of the object under a key; `None` only if the server said that there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where a right is missing, which is also the answer for a missing
    /// object to whoever may not list.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.0.head(key).await
    }

    /// One page (1000 objects) of those of which the key begins with `prefix`, from the first that is greater than `after`.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where the right to list is missing.
    pub async fn page(&self, prefix: &str, after: &str) -> Result<SomeObjects> {
        let page = self.0.list(prefix, &After::Key(after.to_owned()), PAGE).await?;
        let objects = page.objects.into_iter().filter(is_no_folder).collect();
        Ok(SomeObjects { objects, complete: page.next.is_none() })
    }

    /// The objects of which the key begins with `prefix` and has no `/` behind it, those of one directory, page by page;
    /// no more pages once there are `at_most` of them.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where the right to list is missing.
    pub async fn list_flat(&self, prefix: &str, at_most: usize) -> Result<SomeObjects> {
        let mut objects = Vec::new();
        let mut next = Some(After::Key(String::new()));
        while let Some(after) = next.as_ref().filter(|_| objects.len() < at_most) {
            let page = self.0.list_flat(prefix, after, PAGE).await?;
            objects.extend(page.objects.into_iter().filter(is_no_folder));
            next = page.next;
        }
        Ok(SomeObjects { objects, complete: next.is_none() })
    }

    /// The first bytes of an object, at most `at_most`; `None` if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where the right to read is missing.
    pub async fn read(&self, key: &str, at_most: usize) -> Result<Option<Bytes>> {
        self.0.get(key, at_most).await
    }

    /// Writes an object, in place of one that may be there. Needs the right to write, and no other.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where that right is missing.
    pub async fn put(&self, key: &str, body: Bytes, published: Published) -> Result<()> {
        self.0.put(key, body, published).await
    }

    /// Whether two objects have the same content, as far as can be told without reading all of it: they are equally long
    /// and have the same tag, or, where tags do not tell of content (Azure, a directory), the same first and last 256 KiB.
    /// `None` if one of them is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) where the right to read is missing.
    pub async fn have_same_content(&self, one: &ObjectMeta, other: &ObjectMeta) -> Result<Option<bool>> {
        if one.size != other.size {
            return Ok(Some(false));
        }
        if self.0.tags_tell_content() && one.etag.is_some() && other.etag.is_some() {
            return Ok(Some(one.etag == other.etag));
        }
        let size = one.size;
        for range in [0..END.min(size), size.saturating_sub(END).max(END.min(size))..size] {
            if range.is_empty() {
                continue;
            }
            let (one, other) =
                (self.0.part(&one.key, range.clone()).await?, self.0.part(&other.key, range).await?);
            let (Some(one), Some(other)) = (one, other) else { return Ok(None) };
            if one != other {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }
}

/// Consoles make folders as empty objects of which the key ends in a slash; lists spell such an end `%`.
fn is_no_folder(object: &ObjectMeta) -> bool {
    !object.key.ends_with("/%")
}
