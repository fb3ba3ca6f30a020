//! A map for few entries: a list in the order of its keys. The standard library's tree takes some six kilobytes of a
//! browser's download for each type that it holds.

use alloc::vec::Vec;
use core::borrow::Borrow;

/// Entries in the order of their keys, each key once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<K, V>(Vec<(K, V)>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where the key stands, or where it would.
    #[inline(never)]
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// The value of a key, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// The value of a key, to change. `place` is where it may stand, and then where it does: what is asked for often is
    /// not searched each time.
    pub(crate) fn get_mut_near<Q: Ord + ?Sized>(&mut self, key: &Q, place: &mut u16) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = usize::from(*place);
        if self.0.get(at).is_none_or(|(own, _)| own.borrow() != key) {
            let found = self.find(key).ok()?;
            // Nobody follows more topics than that; whoever does has them searched.
            *place = u16::try_from(found).unwrap_or(u16::MAX);
            return self.0.get_mut(found).map(|(_, value)| value);
        }
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// The value that stands there, to change.
    pub(crate) fn at_mut(&mut self, at: usize) -> Option<&mut V> {
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The value of a key, made if there is none.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.find(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, make()));
                at
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just above")]
        &mut self.0[at].1
    }

    /// Adds an entry, or replaces the one with this key.
    pub fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => {
                if let Some(old) = self.0.get_mut(at) {
                    *old = (key, value);
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }
}

impl<K, V> Map<K, V> {
    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The first key whose entry fits.
    pub(crate) fn first(&self, fits: impl Fn(&K, &V) -> bool) -> Option<K>
    where
        K: Clone,
    {
        self.0.iter().find(|(key, value)| fits(key, value)).map(|(key, _)| key.clone())
    }

    /// All entries, in order, with values to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, in the order of their keys, to change.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = alloc::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Ord, V> core::ops::Index<&K> for Map<K, V> {
    type Output = V;

    /// The value of a key.
    ///
    /// # Panics
    ///
    /// If there is no such key, as of any map.
    #[expect(clippy::expect_used, reason = "that is what an index is for")]
    fn index(&self, key: &K) -> &V {
        self.get(key).expect("the key is in the map")
    }
}

/// Takes the first of a list. Lists here are short; a ring of its own for each type is not.
pub(crate) fn take_first<T>(list: &mut Vec<T>) -> Option<T> {
    (!list.is_empty()).then(|| list.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_holds_what_the_standard_map_holds() {
        let (mut own, mut other) = (Map::default(), BTreeMap::new());
        let mut random = 7_u32;
        for _ in 0..2_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, what) = (random >> 26, random >> 8 & 3);
            match what {
                0 => {
                    own.insert(key, random);
                    other.insert(key, random);
                }
                1 => assert_eq!(own.remove(&key), other.remove(&key)),
                2 => assert_eq!(own.entry(key, || random), other.entry(key).or_insert(random)),
                _ => assert_eq!(own.get(&key), other.get(&key)),
            }
            assert!(own.iter().eq(other.iter()));
        }
        assert!(own.len() > 10);
    }
}
