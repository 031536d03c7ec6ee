//! The source tree as tidy sees it: every committed text file, parsed when it is Rust.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours (`.git` is a file in a linked worktree).
const SKIPPED: [&str; 8] = [".git", "target", "node_modules", "data", ".cache", "results", "dist", ".venv"];

/// A Rust file.
pub struct Source {
    /// Path from the root, with slashes.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its syntax.
    pub syntax: syn::File,
}

impl Source {
    /// True for files whose whole content is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The top-level module of the product crate that the file belongs to: `src/relay/x.rs` → `relay`.
    pub fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let first = rest.split('/').next()?.trim_end_matches(".rs");
        (first != "lib" && first != "main").then_some(first)
    }

    /// The module path inside its crate: `src/http/relay/mod.rs` → `["http", "relay"]`.
    pub fn module_path(&self) -> Vec<String> {
        let rest = ["src/", "actors/src/", "bench/src/"].iter().find_map(|root| self.path.strip_prefix(root));
        let mut parts: Vec<String> =
            rest.unwrap_or_default().trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        parts
    }

    /// `path:line`, for messages.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the workspace.
pub fn sources() -> Vec<Source> {
    files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{path} does not parse: {e}"));
            Source { path, text, syntax }
        })
        .collect()
}

/// The path of every file that is ours, from the root, sorted.
pub fn files() -> Vec<String> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    let mut paths: Vec<String> = found
        .iter()
        .filter_map(|path| path.strip_prefix(root()).ok())
        .map(|path| path.to_string_lossy().replace('\\', "/"))
        .collect();
    paths.sort();
    paths
}

/// The text of a file, or nothing when it does not exist or is binary.
pub fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().unwrap();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}
