//! The commands of the READMEs work: each `quotalane` command line is known to the binary.

use std::collections::BTreeSet;
use std::process::Command;

/// The `quotalane` command lines in the shell blocks of a paper, as words.
fn command_lines(text: &str) -> BTreeSet<Vec<String>> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.contains("```sh");
            continue;
        }
        let line = line.split(['#', '>', '|', '&']).next().unwrap_or_default().trim();
        let Some(rest) = ["quotalane ", "target/release/quotalane "].iter().find_map(|name| line.strip_prefix(name))
        else {
            continue;
        };
        if inside {
            found.insert(rest.split_whitespace().map(str::to_owned).collect());
        }
    }
    found
}

#[test]
fn every_command_of_the_readmes_exists() {
    let texts = [include_str!("../README.md"), include_str!("../README.zh-CN.md")];
    let commands: BTreeSet<Vec<String>> = texts.into_iter().flat_map(command_lines).collect();
    assert!(commands.len() >= 5, "the READMEs show how to use the command line");
    for command in commands {
        let verbs = command.iter().take_while(|word| !word.starts_with('-'));
        let output = Command::new(env!("CARGO_BIN_EXE_quotalane")).args(verbs).arg("--help").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "quotalane {}: {said}", command.join(" "));
    }
}
