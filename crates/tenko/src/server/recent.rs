//! What was asked for lately: a bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers the entries that were used last: at least half as many as it may hold, and no more than that.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    generations: Mutex<Generations<K, V>>,
}

/// The entries that were used since the last change of generations, and those that were used before.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, generations: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }) }
    }

    pub(super) fn get(&self, key: &K) -> Option<V>
    where
        K: Clone,
    {
        let mut generations = self.generations();
        if let Some(value) = generations.young.get(key) {
            return Some(value.clone());
        }
        let value = generations.old.remove(key)?;
        self.put_in(&mut generations, key.clone(), value.clone());
        Some(value)
    }

    pub(super) fn put(&self, key: K, value: V) {
        self.put_in(&mut self.generations(), key, value);
    }

    fn put_in(&self, generations: &mut Generations<K, V>, key: K, value: V) {
        if generations.young.len() >= self.most / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, value);
    }

    fn generations(&self) -> MutexGuard<'_, Generations<K, V>> {
        // Whatever is in it is true, also after a panic.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_remembered_and_the_rest_is_bounded() {
        let recent = Recent::new(10);
        for number in 0..1000 {
            recent.put(number, number * 2);
            assert_eq!(recent.get(&0), Some(0));
        }
        assert_eq!(recent.get(&999), Some(1998));
        assert_eq!(recent.get(&900), None);
        let generations = recent.generations();
        assert!(generations.young.len() + generations.old.len() <= 10);
    }
}
