//! Papers: project files exist, migrations come in pairs, the two READMEs say the same commands, banned crates stay out.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::tree;

#[test]
fn project_files_exist() {
    let wanted = [
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "Dockerfile",
        "Makefile",
        ".ci/run",
        ".env.example",
        "deny.toml",
        "docs/ARCHITECTURE.md",
        "docs/STYLE.md",
    ];
    let offenders: Vec<String> =
        wanted.iter().filter(|path| tree::read(path).is_none()).map(|path| (*path).to_owned()).collect();
    assert_none("missing:", &offenders);
}

#[test]
fn migrations_come_in_pairs() {
    let names = |dialect: &str| -> BTreeSet<String> {
        let folder = format!("migrations/{dialect}/");
        tree::files().iter().filter_map(|p| p.strip_prefix(&folder)).map(str::to_owned).collect()
    };
    let (sqlite, mysql) = (names("sqlite"), names("mysql"));
    let offenders: Vec<String> = sqlite.symmetric_difference(&mysql).cloned().collect();
    assert_none("a migration exists for one database only:", &offenders);
}

#[test]
fn both_readmes_say_the_same_commands() {
    let (english, chinese) = (commands("README.md"), commands("README.zh-CN.md"));
    assert!(!english.is_empty(), "README.md has no commands");
    let offenders: Vec<String> = english.symmetric_difference(&chinese).cloned().collect();
    assert_none("a command is in one README only:", &offenders);
}

#[test]
fn links_lead_somewhere() {
    let mut offenders = Vec::new();
    for path in tree::files().iter().filter(|path| path.ends_with(".md") && !path.starts_with("tests/data/")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&tree::read(path).unwrap_or_default()) {
            if !tree::root().join(folder).join(&link).exists() {
                offenders.push(format!("{path}: {link}"));
            }
        }
    }
    assert_none("a link leads nowhere:", &offenders);
}

#[test]
fn readme_targets_exist_in_the_makefile() {
    let makefile = tree::read("Makefile").unwrap_or_default();
    let mut offenders = Vec::new();
    for path in ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"] {
        for command in commands(path) {
            let Some(rest) = command.strip_prefix("make ") else { continue };
            let target = rest.split_whitespace().next().unwrap_or_default();
            if !makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
                offenders.push(format!("{path}: make {target}"));
            }
        }
    }
    assert_none("no such make target:", &offenders);
}

#[test]
fn every_variable_is_in_the_example() {
    let example = tree::read(".env.example").unwrap_or_default();
    let offenders: Vec<String> = default_keys()
        .into_iter()
        .map(|path| format!("QUOTALANE_{}", path.to_uppercase().replace('.', "__").replace('-', "_")))
        .filter(|name| !example.lines().any(|line| line.starts_with(&format!("{name}="))))
        .collect();
    assert_none(".env.example misses a key of configs/default.yaml:", &offenders);
}

#[test]
fn banned_crates_are_not_locked() {
    let rules = tree::read("deny.toml").unwrap_or_default();
    let lock = tree::read("Cargo.lock").unwrap_or_default();
    let banned = rules.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next());
    let offenders: Vec<String> =
        banned.filter(|name| lock.contains(&format!("name = \"{name}\"\n"))).map(str::to_owned).collect();
    assert_none("deny.toml bans it, Cargo.lock has it:", &offenders);
}

/// The targets of a paper's relative links, without anchors.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// The commands of a paper: the lines of its shell blocks, without prompts and comments.
fn commands(path: &str) -> BTreeSet<String> {
    let text = tree::read(path).unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside && (line.contains("```sh") || line.contains("```bash"));
            continue;
        }
        let command = line.split(" # ").next().unwrap_or_default().trim();
        if inside && !command.is_empty() && !command.starts_with('#') {
            found.insert(command.to_owned());
        }
    }
    found
}

/// The paths of `configs/default.yaml`: nested maps of scalars, two spaces per level.
fn default_keys() -> Vec<String> {
    let text = tree::read("configs/default.yaml").unwrap_or_default();
    let (mut path, mut found) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((key, value)) = line.split_once(':') else { continue };
        path.truncate(key.len().saturating_sub(key.trim_start().len()) / 2);
        path.push(key.trim());
        let value = value.split(" #").next().unwrap_or_default().trim();
        if !value.is_empty() {
            found.push(path.join("."));
        }
    }
    found
}
