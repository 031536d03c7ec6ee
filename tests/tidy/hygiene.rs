//! Hygiene: nothing unfinished, no test that sleeps or is skipped, no path of somebody's machine.

use crate::assert_none;
use crate::items;
use crate::tree;

#[test]
fn nothing_is_left_to_do() {
    let mut offenders = Vec::new();
    for source in tree::sources() {
        for (name, line) in items::macros(&source.syntax) {
            if name == "todo" || name == "unimplemented" {
                offenders.push(format!("{}: {name}!", source.at(line)));
            }
        }
    }
    assert_none("unfinished code:", &offenders);
}

#[test]
fn no_test_is_skipped() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .flat_map(|source| {
            items::functions(&source.syntax)
                .into_iter()
                .filter(|f| f.attributes.iter().any(|a| a == "ignore" || a.starts_with("ignore(")))
                .map(|f| format!("{}: {}", source.at(f.line), f.name))
        })
        .collect();
    assert_none("a test is never `#[ignore]`d:", &offenders);
}

/// A test waits for a condition or pauses the clock. Polling with a pause belongs into `tests/support`, not into a test.
#[test]
fn no_test_sleeps() {
    let mut offenders = Vec::new();
    for source in tree::sources() {
        for function in items::functions(&source.syntax).into_iter().filter(items::Function::is_test) {
            let paused = function.attributes.iter().any(|a| a.contains("start_paused=true"))
                || function.calls.iter().any(|c| c.ends_with("time::pause"));
            let sleeps = function.calls.iter().any(|c| c == "sleep" || c.ends_with("::sleep"));
            if sleeps && !paused {
                offenders.push(format!("{}: {}", source.at(function.line), function.name));
            }
        }
    }
    assert_none("a test never sleeps:", &offenders);
}

/// Captured requests and recorded answers under `tests/data` say what their authors' machines said.
#[test]
fn no_machine_path_is_committed() {
    let homes = ["/root", "/home", "/Users", "/work"].map(|home| format!("{home}/"));
    let mut offenders = Vec::new();
    for path in tree::files().iter().filter(|p| !p.starts_with("tests/data/") && !p.ends_with(".lock")) {
        let Some(text) = tree::read(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| names_path(line, home)) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("absolute path of a machine:", &offenders);
}

/// True when `home` starts a path in the line: not preceded by a letter, as in `docs/home/` or an URL path.
fn names_path(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"/._-}".contains(c))
    })
}
