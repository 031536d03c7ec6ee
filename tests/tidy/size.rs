//! Sizes: no file over 500 lines, no function over 80.

use crate::assert_none;
use crate::items;
use crate::tree;

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 80;

#[test]
fn files_fit() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect();
    assert_none("a file has at most 500 lines; split it by reason:", &offenders);
}

#[test]
fn functions_fit() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .flat_map(|source| {
            items::functions(&source.syntax)
                .into_iter()
                .filter(|f| f.lines > FUNCTION_LINES)
                .map(|f| format!("{}: {} has {} lines", source.at(f.line), f.name, f.lines))
        })
        .collect();
    assert_none("a function has at most 80 lines:", &offenders);
}
