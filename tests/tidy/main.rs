//! Tidy: the rules on the source tree that a machine can check. A failure names every offender with its line.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a tree that cannot be read fails the test")]

mod edges;
mod hygiene;
mod items;
mod papers;
mod sealed;
mod size;
mod tree;
mod words;

/// Fails with the whole list when there are offenders.
#[track_caller]
fn assert_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}\n  {}\n", offenders.join("\n  "));
}
