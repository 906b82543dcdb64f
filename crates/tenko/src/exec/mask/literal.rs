//! Finding a known value, whole or cut by the edge of a text (Knuth, Morris, Pratt).

use std::ops::Range;

/// A value and, for each of its prefixes, how much of it a match can keep when the next byte differs.
#[derive(Clone)]
pub(super) struct Literal {
    forward: Pattern,
    backward: Pattern,
}

impl Literal {
    /// Returns `None` for an empty value, which is everywhere.
    pub(super) fn new(value: &[u8]) -> Option<Self> {
        let reversed = value.iter().rev().copied().collect();
        (!value.is_empty())
            .then(|| Self { forward: Pattern::new(value.to_vec()), backward: Pattern::new(reversed) })
    }

    /// Adds the value's places in the text, and at the text's edges the pieces of it that have at least `partial` bytes.
    pub(super) fn find(&self, text: &[u8], partial: usize, found: &mut Vec<Range<usize>>) {
        let size = self.forward.value.len();
        let cut = self.forward.run(text.iter(), |end| found.push(end - size..end));
        // What the value has in common with the text's beginning: enough bytes to hold the longest piece.
        let begin = self.backward.run(text[..text.len().min(size - 1)].iter().rev(), |_| {});
        if cut >= partial {
            found.push(text.len() - cut..text.len());
        }
        if begin >= partial {
            found.push(0..begin);
        }
    }
}

#[derive(Clone)]
struct Pattern {
    value: Vec<u8>,
    borders: Vec<usize>,
}

impl Pattern {
    fn new(value: Vec<u8>) -> Self {
        let mut borders = vec![0; value.len()];
        let mut matched = 0;
        for at in 1..value.len() {
            while matched > 0 && value[at] != value[matched] {
                matched = borders[matched - 1];
            }
            matched += usize::from(value[at] == value[matched]);
            borders[at] = matched;
        }
        Self { value, borders }
    }

    /// Calls `whole` with the end of each match, and returns how much of a further one the text ends with.
    fn run<'a>(&self, text: impl Iterator<Item = &'a u8>, mut whole: impl FnMut(usize)) -> usize {
        let mut matched = 0;
        for (at, byte) in text.enumerate() {
            while matched > 0 && self.value[matched] != *byte {
                matched = self.borders[matched - 1];
            }
            matched += usize::from(self.value[matched] == *byte);
            if matched == self.value.len() {
                whole(at + 1);
                matched = self.borders[matched - 1];
            }
        }
        matched
    }
}
