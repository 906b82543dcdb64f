//! What may have been meant by a word that is not known.

/// The longest word for which a near one is looked for, in characters.
const LONGEST: usize = 60;

/// The word among `known` that was probably meant by `name`: at most a third of it is different. `None` if none is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let lowered = name.to_lowercase().replace('-', "_");
    let distance = |word: &str| strsim::osa_distance(&lowered, &word.to_lowercase().replace('-', "_"));
    let (edits, word) = known.map(|word| (distance(word), word)).min()?;
    (edits <= length.div_ceil(3).min(3)).then(|| word.to_owned())
}

/// `did you mean x?`, or else the list of all that is known, if that is short.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(name, known.clone()) {
        return Some(format!("did you mean {near}?"));
    }
    let all: Vec<&str> = known.collect();
    (1..=25).contains(&all.len()).then(|| format!("known here: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_something_else_is_not() {
        let known = ["grace", "every", "max_runtime"];
        let near = |name: &str| nearest(name, known.into_iter());
        assert_eq!(near("garce").as_deref(), Some("grace"));
        assert_eq!(near("Grace").as_deref(), Some("grace"));
        assert_eq!(near("max-runtime").as_deref(), Some("max_runtime"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(&"g".repeat(1000)), None);
    }
}
