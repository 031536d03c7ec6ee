//! Words: every file says its reason, and no module is called after what it is not.

use crate::assert_none;
use crate::tree;

/// Names that say nothing about what is inside. Under `src/http` a file is named after its resource, which may be `models`.
const BANNED: [&str; 8] = ["utils", "util", "helpers", "common", "manager", "service", "types", "models"];

#[test]
fn every_file_says_its_reason_in_the_first_line() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    assert_none("a Rust file starts with a `//!` line:", &offenders);
}

#[test]
fn no_module_has_an_empty_name() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .filter(|source| {
            let is_resource = |part: &str| part == "models" && source.path.starts_with("src/http/");
            source.path.trim_end_matches(".rs").split('/').any(|part| BANNED.contains(&part) && !is_resource(part))
        })
        .map(|source| source.path.clone())
        .collect();
    assert_none("a module is named for its reason, not `utils`, `common`, `types` …:", &offenders);
}
