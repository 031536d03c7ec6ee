//! Rebuilds the embedded migrations and configuration when their files change, and tells the program its commit.

use std::process::Command;

fn main() {
    for path in ["migrations/sqlite", "migrations/mysql", "configs"] {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={head}");
    }
    println!("cargo:rustc-env=QUOTALANE_COMMIT={}", or_unknown(git(&["rev-parse", "--short=12", "HEAD"])));
    println!("cargo:rustc-env=QUOTALANE_COMMIT_TIME={}", or_unknown(git(&["show", "-s", "--format=%cI", "HEAD"])));
}

fn or_unknown(value: Option<String>) -> String {
    value.unwrap_or_else(|| "unknown".to_owned())
}

/// `None` outside of a repository, as in a source archive.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
