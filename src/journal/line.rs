//! Names of journal files: `<instance>-<life>-w<worker>-<number>.journal`. A name is never used twice, because offsets in SQL
//! belong to it: the life is the start of the process with a random part.

use std::fmt;

use actors::domain::time::Timestamp;

/// Extension of a journal file.
const EXTENSION: &str = ".journal";

/// A journal file by name. Files sort by line (for one instance: by start) and then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileName {
    /// Instance, life and worker.
    pub(super) line: String,
    /// Position in the line, from 0.
    pub(super) number: u32,
}

impl FileName {
    /// Reads a name; `None` for other files.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (line, number) = name.strip_suffix(EXTENSION)?.rsplit_once('-')?;
        let digits = number.len() == 6 && number.bytes().all(|b| b.is_ascii_digit());
        (digits && !line.is_empty()).then_some(())?;
        Some(Self { line: line.to_owned(), number: number.parse().ok()? })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:06}{EXTENSION}", self.line, self.number)
    }
}

/// What the lines of one process life have in common.
pub(super) fn life(instance: &str, now: Timestamp) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let instance: String = instance.chars().map(|c| if plain(c) { c } else { '_' }).take(64).collect();
    format!("{instance}-{:013}{:08x}", now.0, rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let name = FileName { line: format!("{}-w3", life("node/1", Timestamp(1_700_000_000_000))), number: 12 };
        assert!(name.to_string().starts_with("node_1-1700000000000"));
        assert!(name.to_string().ends_with("-w3-000012.journal"));
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        for other in ["lock", "reserve", "a-000001.bad", "-000001.journal", "a-1.journal", "a-+00001.journal"] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
