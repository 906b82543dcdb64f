//! Who may ping jobs by their names.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a ping key: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether both are the same; how long that takes does not depend on where they differ.
    fn is(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(other.0).fold(0, |differ, (ours, theirs)| differ | (ours ^ theirs));
        std::hint::black_box(differ) == 0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The ping keys that are known. They can be replaced while the server runs.
#[derive(Debug, Default)]
pub struct Keys(RwLock<Arc<[KeyHash]>>);

impl Keys {
    /// These keys.
    pub fn new(hashes: impl IntoIterator<Item = KeyHash>) -> Self {
        Self(RwLock::new(hashes.into_iter().collect()))
    }

    /// From now on, these keys and no others.
    pub fn replace(&self, hashes: impl IntoIterator<Item = KeyHash>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hashes.into_iter().collect();
    }

    /// Whether a key is known. Each known one is looked at, whether it is the right one or not.
    pub fn knows(&self, key: &str) -> bool {
        self.known(key).is_some()
    }

    /// The hash of a key, if it is known; found as [`knows`](Self::knows) finds it.
    pub(crate) fn known(&self, key: &str) -> Option<KeyHash> {
        let hash = KeyHash::of(key);
        let known = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        known.iter().fold(false, |found, known| found | known.is(&hash)).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_until_they_are_replaced() {
        let keys = Keys::new([KeyHash::of("first"), KeyHash::of("second")]);
        assert!(keys.knows("first") && keys.knows("second"));
        assert!(!keys.knows("third") && !keys.knows("") && !keys.knows("firs"));
        keys.replace([KeyHash::of("third")]);
        assert!(keys.knows("third") && !keys.knows("first"));
    }

    #[test]
    fn neither_keys_nor_their_hashes_are_shown() {
        assert_eq!(format!("{:?}", KeyHash::of("first")), "***");
    }
}
