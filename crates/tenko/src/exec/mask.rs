//! Keeps credentials out of what leaves the machine.

mod known;
mod literal;

use std::ops::Range;

use super::capture::Captured;
use literal::Literal;

/// What stands in the place of a secret, whatever its length.
const MASK: &[u8] = b"***";
/// Partial secrets at an edge are masked from this length on when it is not known whether something was cut there.
const PARTIAL: usize = 4;

/// Replaces secrets in output: the values it was given, and what looks like a credential (keys of AWS, GitHub, Slack and
/// others, webhook URLs, `Authorization` headers, JSON web tokens, private keys, passwords in URLs and `password=...`).
///
/// Works on bytes of any encoding, in time linear in their number. It would rather hide too much than too little.
#[derive(Clone, Default)]
pub struct Masker {
    literals: Vec<Literal>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker").field("literals", &self.literals.len()).finish()
    }
}

impl Masker {
    /// Takes the values to hide. Empty ones are ignored; of those with several lines, each line of 8 bytes or more is
    /// hidden also alone.
    pub fn new<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut literals = Vec::new();
        for value in values {
            let value = value.as_ref().trim_ascii();
            literals.extend(Literal::new(value));
            let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            literals.extend(
                lines.filter(|line| line.len() >= 8 && line.len() < value.len()).filter_map(Literal::new),
            );
        }
        Self { literals }
    }

    /// Masks a text of which nothing is known; a value cut by its edges is masked from its fourth byte on.
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        render(text, 0..text.len(), &self.secrets(text, PARTIAL))
    }

    /// Masks a record and returns its head and tail. Secrets are looked for across the cuts, so that not even one byte of
    /// a value that begins in the head or ends in the tail remains.
    pub fn mask_captured(&self, output: &Captured) -> (Vec<u8>, Vec<u8>) {
        if output.is_contiguous() {
            let text = [&output.head[..], &output.before_tail, &output.tail].concat();
            let secrets = self.secrets(&text, usize::MAX);
            let (head, tail) = (0..output.head.len(), text.len() - output.tail.len()..text.len());
            return (render(&text, head, &secrets), render(&text, tail, &secrets));
        }
        let first = [&output.head[..], &output.after_head].concat();
        let last = [&output.before_tail[..], &output.tail].concat();
        let tail = output.before_tail.len()..last.len();
        let mut in_last = self.secrets(&last, 1);
        in_last.extend(known::end_of_cut_key(&last));
        let head = render(&first, 0..output.head.len(), &self.secrets(&first, 1));
        (head, render(&last, tail, &merge(in_last)))
    }

    /// Returns where secrets are, in order and without overlap.
    fn secrets(&self, text: &[u8], partial: usize) -> Vec<Range<usize>> {
        let mut found = known::credentials(text);
        for literal in &self.literals {
            literal.find(text, partial, &mut found);
        }
        merge(found)
    }
}

fn merge(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for range in found.into_iter().filter(|range| !range.is_empty()) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Copies `part` of the text with the secrets replaced.
fn render(text: &[u8], part: Range<usize>, secrets: &[Range<usize>]) -> Vec<u8> {
    let (mut rendered, mut at) = (Vec::with_capacity(part.len()), part.start);
    for secret in secrets.iter().filter(|secret| secret.start < part.end && secret.end > part.start) {
        rendered.extend_from_slice(&text[at..secret.start.max(at)]);
        rendered.extend_from_slice(MASK);
        at = secret.end.min(part.end);
    }
    rendered.extend_from_slice(&text[at..part.end]);
    rendered
}

#[cfg(test)]
mod tests;
