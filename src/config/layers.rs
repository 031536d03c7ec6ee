//! Where values come from: the embedded defaults, files in order, then the environment. The last one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Source, Value, ValueKind};

use super::alias;
use super::keys::{self, Kind};
use super::problem::{Problem, did_you_mean};

const DEFAULTS: &str = include_str!("../../configs/default.yaml");
const PREFIX: &str = "QUOTALANE_";
const LOCK_SECTION: &str = "settings.";

/// A value as written, before it has a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// A scalar's text.
    Text(String),
    /// A list of scalars.
    List(Vec<String>),
    /// A list of maps, for settings that hold one.
    Json(serde_json::Value),
}

/// A value with its origin.
#[derive(Debug, Clone)]
pub struct Found {
    /// What was written.
    pub raw: Raw,
    /// `default`, a file with its line, or a variable.
    pub place: String,
    /// `default`, `file` or `env`.
    pub source: &'static str,
}

/// The merged layers.
#[derive(Debug, Default)]
pub struct Layers {
    /// Value by key.
    pub values: BTreeMap<String, Found>,
    /// Dynamic settings that the environment locks.
    pub locked: BTreeMap<String, Found>,
    /// Faults found while merging.
    pub problems: Vec<Problem>,
    /// Things that work but should be changed.
    pub warnings: Vec<String>,
}

impl Layers {
    /// Merges every layer. `environment` is the process's, or a test's.
    pub fn read(files: &[PathBuf], environment: &[(String, String)]) -> Self {
        let mut layers = Self::default();
        layers.add_document(DEFAULTS, "default", "default");
        for file in files {
            layers.add_file(file);
        }
        layers.add_environment(environment);
        layers
    }

    fn problem(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), text: text.into() });
    }

    fn add_file(&mut self, file: &Path) {
        match std::fs::read_to_string(file) {
            Ok(text) => self.add_document(&text, &file.display().to_string(), "file"),
            Err(error) => self.problem(file.display().to_string(), format!("cannot be read: {error}")),
        }
    }

    fn add_document(&mut self, text: &str, name: &str, source: &'static str) {
        let map = match File::from_str(text, FileFormat::Yaml).collect() {
            Ok(map) => map,
            Err(error) => return self.problem(name, format!("is not valid YAML: {error}")),
        };
        let mut flat = Vec::new();
        for (key, value) in map {
            flatten(key, value, &mut flat);
        }
        flat.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, raw) in flat {
            let place = match source {
                "default" => "default".to_owned(),
                _ => format!("{name}:{}", line_of(text, &path)),
            };
            self.insert(&path, Found { raw, place, source });
        }
    }

    fn insert(&mut self, path: &str, found: Found) {
        if keys::find(path).is_some() {
            self.values.insert(path.to_owned(), found);
            return;
        }
        let hint = did_you_mean(path, &keys::paths()).map(|key| format!(", did you mean \"{key}\"?"));
        self.problem(found.place, format!("unknown key \"{path}\"{}", hint.unwrap_or_default()));
    }

    fn add_environment(&mut self, environment: &[(String, String)]) {
        let mut sorted = environment.to_vec();
        sorted.sort();
        let canonical: Vec<(String, String)> =
            sorted.iter().filter(|(name, _)| name.starts_with(PREFIX)).cloned().collect();
        for (name, value) in &sorted {
            alias::apply(self, name, value, &canonical);
        }
        for (name, value) in &canonical {
            self.add_variable(name, value, &canonical);
        }
    }

    fn add_variable(&mut self, name: &str, value: &str, all: &[(String, String)]) {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else {
            return self.warn_about_single_underscores(name);
        };
        let path = env_path(rest);
        if let Some(base) = rest.strip_suffix("_FILE").filter(|_| keys::find(&path).is_none()) {
            let base_name = format!("{PREFIX}{base}");
            if all.iter().any(|(other, _)| *other == base_name) {
                return self.problem(name, format!("{base_name} is set as well; set only one of them"));
            }
            return match std::fs::read_to_string(value) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
                    self.add_text(&env_path(base), text, name);
                }
                Err(error) => self.problem(name, format!("cannot read {value}: {error}")),
            };
        }
        self.add_text(&path, value, name);
    }

    /// Takes a text from a variable into a key.
    pub fn add_text(&mut self, path: &str, text: &str, variable: &str) {
        let locked = path.strip_prefix(LOCK_SECTION);
        let key = keys::find(locked.unwrap_or(path));
        let raw = match key.map(|key| key.kind) {
            Some(Kind::List) => Raw::List(split_list(text)),
            Some(Kind::Setting | Kind::Json) => setting_text(text),
            _ => Raw::Text(text.to_owned()),
        };
        let found = Found { raw, place: variable.to_owned(), source: "env" };
        match (locked, key) {
            (Some(setting), Some(key)) if key.kind == Kind::Setting => {
                self.locked.insert(setting.to_owned(), found);
            }
            _ => self.insert(path, found),
        }
    }

    fn warn_about_single_underscores(&mut self, name: &str) {
        let flat = |text: &str| text.to_ascii_lowercase().replace(['.', '-'], "_");
        let meant = keys::paths().into_iter().find(|path| Some(flat(path).as_str()) == flat(name).get(PREFIX.len()..));
        if let Some(path) = meant {
            self.warnings.push(format!("{name} is ignored; the variable of {path} is {}", variable(path)));
        }
    }
}

/// The variable that sets a key.
pub fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "__").replace('-', "_"))
}

/// The key that a variable's rest names. `-` in a key is written `_`.
fn env_path(rest: &str) -> String {
    let plain = rest.to_ascii_lowercase().replace("__", ".");
    let same = |path: &&&str| path.replace('-', "_") == plain;
    keys::paths().iter().find(same).map_or(plain.clone(), ToString::to_string)
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A dynamic setting in the environment: JSON when it is one, else a text.
fn setting_text(text: &str) -> Raw {
    serde_json::from_str(text).map_or_else(|_| Raw::Text(text.to_owned()), Raw::Json)
}

fn flatten(path: String, value: Value, out: &mut Vec<(String, Raw)>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (key, value) in table {
                flatten(format!("{path}.{key}"), value, out);
            }
        }
        ValueKind::Array(items) if items.iter().any(|i| matches!(i.kind, ValueKind::Table(_))) => {
            out.push((path, Raw::Json(serde_json::Value::Array(items.into_iter().map(json).collect()))));
        }
        ValueKind::Array(items) => out.push((path, Raw::List(items.into_iter().map(|i| i.to_string()).collect()))),
        _ => out.push((path, Raw::Text(value.to_string()))),
    }
}

fn json(value: Value) -> serde_json::Value {
    match value.kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(flag) => flag.into(),
        ValueKind::I64(number) => number.into(),
        ValueKind::U64(number) => number.into(),
        ValueKind::Table(table) => {
            serde_json::Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
        ValueKind::Array(items) => items.into_iter().map(json).collect(),
        _ => value.to_string().into(),
    }
}

/// The line on which a key stands in a YAML text; the last one that was found on the way when it is written inline.
fn line_of(text: &str, path: &str) -> usize {
    let mut parts = path.split('.').peekable();
    let mut best = 1;
    for (number, line) in text.lines().enumerate() {
        let Some(part) = parts.peek() else { break };
        let trimmed = line.trim_start().trim_start_matches(['"', '\'']).to_ascii_lowercase();
        let rest = trimmed.strip_prefix(&part.to_ascii_lowercase());
        if rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':')) {
            best = number + 1;
            parts.next();
        }
    }
    best
}
