//! Known decorations of model names, removed one at a time when a name has no price of its own (`metering.md` §3).

/// Bedrock's geographies; a prefixed name with a row of its own never gets here.
const GEOGRAPHIES: [&str; 9] = ["us.", "eu.", "apac.", "jp.", "au.", "ca.", "sa.", "us-gov.", "global."];

/// The name itself, then every name that is left when known decorations are removed: suffixes first, then prefixes.
/// Allocates nothing.
pub(super) fn candidates(model: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(model), |name| without_prefix(name))
        .flat_map(|start| std::iter::successors(Some(start), |name| without_suffix(name)))
        .filter(|name| !name.is_empty())
}

/// Without `type,`, `vendor/` or a geography.
fn without_prefix(name: &str) -> Option<&str> {
    name.split_once([',', '/'])
        .map(|(_, rest)| rest)
        .or_else(|| GEOGRAPHIES.iter().find_map(|geography| name.strip_prefix(geography)))
}

/// Without `[1m]`, `-vN:M` or a date.
fn without_suffix(name: &str) -> Option<&str> {
    name.strip_suffix("[1m]").or_else(|| without_revision(name)).or_else(|| without_date(name))
}

fn without_revision(name: &str) -> Option<&str> {
    let (stem, revision) = name.rsplit_once("-v")?;
    let (major, minor) = revision.split_once(':')?;
    (digits(major) && digits(minor)).then_some(stem)
}

/// `-YYYYMMDD`, `@YYYYMMDD` and `-YYYY-MM-DD`.
fn without_date(name: &str) -> Option<&str> {
    let compact = |stem_and_date: (&'_ str, &str)| stem_and_date.1.len() == 8 && digits(stem_and_date.1);
    if let Some(pair) = name.rsplit_once(['-', '@']).filter(|pair| compact(*pair)) {
        return Some(pair.0);
    }
    let cut = name.len().checked_sub("-YYYY-MM-DD".len())?;
    let date = name.get(cut..)?;
    let shape = |(at, byte): (usize, u8)| if matches!(at, 0 | 5 | 8) { byte == b'-' } else { byte.is_ascii_digit() };
    date.bytes().enumerate().all(shape).then(|| name.get(..cut)).flatten()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations_come_off_one_at_a_time() {
        for (model, names) in [
            ("claude-opus-5", vec!["claude-opus-5"]),
            ("claude-opus-5[1m]", vec!["claude-opus-5[1m]", "claude-opus-5"]),
            ("claude-opus-4-5-20251101", vec!["claude-opus-4-5-20251101", "claude-opus-4-5"]),
            ("claude-opus-4-5@20251101", vec!["claude-opus-4-5@20251101", "claude-opus-4-5"]),
            ("gpt-5-2025-08-07", vec!["gpt-5-2025-08-07", "gpt-5"]),
            ("ccr,a/b-20250101", vec!["ccr,a/b-20250101", "ccr,a/b", "a/b-20250101", "a/b", "b-20250101", "b"]),
            (
                "us.x-20250929-v1:0",
                vec!["us.x-20250929-v1:0", "us.x-20250929", "us.x", "x-20250929-v1:0", "x-20250929", "x"],
            ),
            ("claude-opus-4-1", vec!["claude-opus-4-1"]),
            ("a-v1:", vec!["a-v1:"]),
            ("vendor/", vec!["vendor/"]),
        ] {
            assert_eq!(candidates(model).collect::<Vec<_>>(), names, "{model}");
        }
    }

    #[test]
    fn names_that_are_not_ascii_are_cut_nowhere() {
        assert_eq!(candidates("模型模型模型模型").count(), 1);
    }
}
