//! What is wrong with a configuration. Everything is collected, so that one start names every fault.

use std::fmt;

/// One fault, with the place where it can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and line, or variable.
    pub place: String,
    /// What is wrong there.
    pub text: String,
}

/// Everything that is wrong; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "the configuration has {count} {noun}:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.place, problem.text))
    }
}

/// The candidate that a person most likely meant, when one is close.
pub fn did_you_mean<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let limit = (word.len() / 3).clamp(1, 4);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over bytes, one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (b, cell) in right.bytes().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            *cell = (above + 1).min(before + 1).min(diagonal + usize::from(a != b));
            diagonal = above;
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested() {
        let keys = ["server.listen", "server.workers", "cache.url"];
        assert_eq!(did_you_mean("server.worker", &keys), Some("server.workers"));
        assert_eq!(did_you_mean("servre.listen", &keys), Some("server.listen"));
        assert_eq!(did_you_mean("billing.currency", &keys), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
