//! The record of a command's output: its beginning and its end, in constant memory.

use std::collections::VecDeque;

/// Bytes kept beyond each cut, so that a secret across the cut is still recognised as one.
const CONTEXT: usize = 4096;

/// How many bytes of output are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureLimits {
    /// Bytes kept from the beginning.
    pub head: usize,
    /// Bytes kept from the end, not counting those already in the head.
    pub tail: usize,
}

impl Default for CaptureLimits {
    fn default() -> Self {
        Self { head: 2048, tail: 8192 }
    }
}

/// The recorded output of a command, stdout and stderr together in the order they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes; empty if everything fits in the head.
    pub tail: Vec<u8>,
    /// Bytes written by the command in all.
    pub total: u64,
    /// Whether some other process still held the command's stdout or stderr open when it was given up.
    pub pipe_left_open: bool,
    /// What follows the head directly.
    pub(super) after_head: Vec<u8>,
    /// What precedes the tail directly.
    pub(super) before_tail: Vec<u8>,
}

impl Captured {
    /// Returns the number of bytes between head and tail that were not kept.
    pub fn omitted(&self) -> u64 {
        self.total.saturating_sub((self.head.len() + self.tail.len()) as u64)
    }

    /// Says whether the context closes the gap between head and tail.
    pub(super) fn is_contiguous(&self) -> bool {
        (self.head.len() + self.before_tail.len() + self.tail.len()) as u64 == self.total
    }
}

/// Takes output as it comes and keeps its head and tail.
#[derive(Debug)]
pub(super) struct Capture {
    limits: CaptureLimits,
    first: Vec<u8>,
    last: VecDeque<u8>,
    total: u64,
}

impl Capture {
    pub(super) fn new(limits: CaptureLimits) -> Self {
        Self { limits, first: Vec::new(), last: VecDeque::new(), total: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (self.limits.head + CONTEXT).saturating_sub(self.first.len());
        let past_head = self.limits.head.saturating_sub(self.first.len()).min(bytes.len());
        self.first.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.push_last(&bytes[past_head..]);
        self.total += bytes.len() as u64;
    }

    fn push_last(&mut self, bytes: &[u8]) {
        let limit = self.limits.tail + CONTEXT;
        let bytes = &bytes[bytes.len().saturating_sub(limit)..];
        let surplus = (self.last.len() + bytes.len()).saturating_sub(limit);
        self.last.drain(..surplus);
        self.last.extend(bytes);
    }

    pub(super) fn finish(mut self, pipe_left_open: bool) -> Captured {
        let after_head = self.first.split_off(self.limits.head.min(self.first.len()));
        let mut before_tail = Vec::from(self.last);
        let tail = before_tail.split_off(before_tail.len().saturating_sub(self.limits.tail));
        Captured { head: self.first, tail, total: self.total, pipe_left_open, after_head, before_tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(limits: CaptureLimits, chunks: &[Vec<u8>]) -> Captured {
        let mut capture = Capture::new(limits);
        for chunk in chunks {
            capture.push(chunk);
        }
        capture.finish(false)
    }

    proptest! {
        #[test]
        fn head_and_tail_are_those_of_the_whole_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..12),
            head in 0usize..600, tail in 0usize..600,
        ) {
            let whole = chunks.concat();
            let got = captured(CaptureLimits { head, tail }, &chunks);
            let cut = head.min(whole.len());
            let rest = &whole[cut..];
            prop_assert_eq!(&got.head[..], &whole[..cut]);
            prop_assert_eq!(&got.tail[..], &rest[rest.len().saturating_sub(tail)..]);
            prop_assert_eq!(got.total, whole.len() as u64);
            prop_assert_eq!(got.omitted(), rest.len().saturating_sub(tail) as u64);
            prop_assert!(whole.starts_with(&[&got.head[..], &got.after_head].concat()));
            prop_assert!(whole.ends_with(&[&got.before_tail[..], &got.tail].concat()));
        }
    }

    #[test]
    fn short_output_has_no_tail() {
        let got = captured(CaptureLimits::default(), &[b"ok\n".to_vec()]);
        assert_eq!((&got.head[..], &got.tail[..], got.omitted()), (&b"ok\n"[..], &b""[..], 0));
        assert!(got.is_contiguous());
    }
}
