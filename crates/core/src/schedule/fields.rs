//! What the fields of crontab and of EventBridge have in common: lists of values, ranges and steps.

use std::ops::Range;

use super::{
    error::{Flaw, quoted},
    zone::nearest_word,
};

/// A piece of an expression and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Token<'a> {
    pub(super) fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub(super) fn slice(self, from: usize, to: usize) -> Self {
        Self { text: &self.text[from..to], at: self.at + from }
    }

    pub(super) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let place = self.text.find(separator)?;
        Some((self.slice(0, place), self.slice(place + separator.len_utf8(), self.text.len())))
    }

    /// The parts between commas.
    pub(super) fn list(self) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.text.split(',').map(move |text| {
            let part = Token { text, at };
            at += text.len() + 1;
            part
        })
    }

    pub(super) fn strip_suffix(self, suffix: &str) -> Option<Self> {
        let cut = self.text.len().checked_sub(suffix.len())?;
        let tail = self.text.get(cut..)?;
        tail.eq_ignore_ascii_case(suffix).then(|| self.slice(0, cut))
    }

    pub(super) fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn flaw(self, problem: impl Into<String>) -> Flaw {
        Flaw::new(self.span(), problem)
    }
}

/// The parts of a token between white space.
pub(super) fn words(token: Token<'_>) -> Vec<Token<'_>> {
    let base = token.text.as_ptr().addr();
    let parts = token.text.split_ascii_whitespace();
    parts.map(|text| Token { text, at: token.at + (text.as_ptr().addr() - base) }).collect()
}

/// The values of one field.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) name: &'static str,
    pub(super) low: u32,
    pub(super) high: u32,
    /// Names of the values from `named_from` on.
    pub(super) names: &'static [&'static str],
    pub(super) named_from: u32,
    /// `5/15` means 5, 20, 35, 50. Not all crons agree.
    pub(super) open_step: bool,
}

pub(super) const MONTH_NAMES: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const DAY_NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Domain {
    /// The set of all values of a list, as bits.
    pub(super) fn set(&self, field: Token<'_>) -> Result<u64, Flaw> {
        field.list().try_fold(0, |set, part| Ok(set | self.element(part)?.bits()))
    }

    /// One part of a list: `*`, a value or a range, each perhaps with a step.
    pub(super) fn element(&self, part: Token<'_>) -> Result<Steps, Flaw> {
        if part.text.is_empty() {
            return Err(self.empty(part));
        }
        let Some((values, step)) = part.split_once('/') else {
            return self.range(part);
        };
        let step = self.step(part, step)?;
        let range = self.range(values)?;
        let single = values.text != "*" && !values.text.contains('-');
        if single && !self.open_step {
            let written = values.text;
            let flaw = part.flaw(format!("{} means different things to different crons", quoted(part.text)));
            return Err(flaw.hint(format!("write {written}-{}/{step} or {written}", self.high)));
        }
        let high = if single { self.high } else { range.high };
        Ok(Steps { high, step, ..range })
    }

    fn range(&self, values: Token<'_>) -> Result<Steps, Flaw> {
        if values.text == "*" {
            return Ok(Steps { low: self.low, high: self.high, step: 1 });
        }
        let Some((low, high)) = values.split_once('-') else {
            let value = self.value(values)?;
            return Ok(Steps { low: value, high: value, step: 1 });
        };
        let (first, last) = (self.value(low)?, self.value(high)?);
        if first <= last {
            return Ok(Steps { low: first, high: last, step: 1 });
        }
        let flaw = values.flaw(format!("{} runs backwards; ranges do not wrap around", quoted(values.text)));
        Err(flaw.hint(self.unwrapped(low.text, high.text, first, last)))
    }

    /// `22-2` as two ranges.
    fn unwrapped(&self, low: &str, high: &str, first: u32, last: u32) -> String {
        let name = |value: u32| self.name_of(value).map_or_else(|| value.to_string(), str::to_owned);
        let part = |from: &str, to: &str| if from == to { from.to_owned() } else { format!("{from}-{to}") };
        let named = self.name_of(first).is_some_and(|known| known.eq_ignore_ascii_case(low));
        let highest =
            if named { self.named_from as usize + self.names.len() - 1 } else { self.high as usize };
        let top = u32::try_from(highest).unwrap_or(self.high);
        let (bottom, top) =
            if named { (name(self.low), name(top)) } else { (self.low.to_string(), top.to_string()) };
        let first_part = if first == self.high { low.to_owned() } else { part(low, &top) };
        let second_part = if last == self.low { high.to_owned() } else { part(&bottom, high) };
        format!("write {first_part},{second_part}")
    }

    fn name_of(&self, value: u32) -> Option<&'static str> {
        self.names.get(value.checked_sub(self.named_from)? as usize).copied()
    }

    /// One number or name.
    pub(super) fn value(&self, token: Token<'_>) -> Result<u32, Flaw> {
        if token.text.is_empty() {
            return Err(self.empty(token));
        }
        if let Some(place) = self.names.iter().position(|name| token.is(name)) {
            return Ok(self.named_from + u32::try_from(place).unwrap_or(0));
        }
        if !token.text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.not_a_value(token));
        }
        let value = token.text.parse().unwrap_or(u32::MAX);
        if (self.low..=self.high).contains(&value) {
            return Ok(value);
        }
        let flaw =
            token.flaw(format!("{} {} is out of range {} to {}", self.name, token.text, self.low, self.high));
        Err(match (self.name, value) {
            ("hour", 24) => flaw.hint("midnight is hour 0"),
            ("minute", 60) => flaw.hint("the full hour is minute 0"),
            ("day of the week", 0) => flaw.hint("EventBridge counts from 1 (SUN) to 7 (SAT)"),
            _ => flaw,
        })
    }

    fn step(&self, part: Token<'_>, step: Token<'_>) -> Result<u32, Flaw> {
        match step.text.parse::<u32>() {
            Ok(0) => Err(part.flaw(format!("{} has a step of 0", quoted(part.text)))),
            Ok(number) if step.text.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
            _ => Err(step.flaw(format!("{} is not a step of the {} field", quoted(step.text), self.name))),
        }
    }

    fn empty(&self, token: Token<'_>) -> Flaw {
        token.flaw(format!("the {} field has an empty part", self.name))
    }

    fn not_a_value(&self, token: Token<'_>) -> Flaw {
        let (low, high) = (self.low, self.high);
        let flaw = token.flaw(format!("{} is not a {} ({low} to {high})", quoted(token.text), self.name));
        if token.text.contains('~') {
            return flaw.hint("a random time cannot be watched; write the time itself");
        }
        let long = self.names.iter().find(|name| token.text.to_ascii_uppercase().starts_with(**name));
        match long.copied().or_else(|| nearest_word(token.text, self.names.iter().copied())) {
            Some(near) => flaw.hint(format!("did you mean {near}?")),
            None => flaw,
        }
    }
}

/// `low`, `low + step`... up to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) low: u32,
    pub(super) high: u32,
    pub(super) step: u32,
}

impl Steps {
    /// The values as bits; those above 63 are left out.
    pub(super) fn bits(self) -> u64 {
        self.values().filter(|value| *value < 64).fold(0, |set, value| set | 1 << value)
    }

    pub(super) fn values(self) -> impl Iterator<Item = u32> {
        (self.low..=self.high).step_by(self.step.max(1) as usize)
    }
}

/// Cuts a set of minutes, hours and so on down to the size of its field.
pub(super) fn narrow<T: TryFrom<u64> + Default>(set: u64) -> T {
    T::try_from(set).unwrap_or_default()
}
