//! Effective values with their source, secrets masked: what `config print` shows.

use super::keys::{self, Kind};
use super::layers::{Found, Layers, Raw};

/// One key as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its path.
    pub key: String,
    /// Its value; a secret shows `***`.
    pub value: String,
    /// `default`, `file` or `env`.
    pub source: String,
    /// The file with its line, or the variable.
    pub place: String,
}

/// Every key that has a value.
pub fn entries(layers: &Layers) -> Vec<Entry> {
    let plain = layers.values.iter().map(|(path, found)| entry(path, path, found));
    let locked = layers.locked.iter().map(|(path, found)| entry(&format!("settings.{path}"), path, found));
    plain.chain(locked).collect()
}

fn entry(shown: &str, path: &str, found: &Found) -> Entry {
    let text = match &found.raw {
        Raw::Text(text) => text.clone(),
        Raw::List(items) => items.join(","),
        Raw::Json(value) => value.to_string(),
    };
    let secret = keys::find(path).is_some_and(|key| key.kind == Kind::Secret);
    Entry {
        key: shown.to_owned(),
        value: if secret { masked(path, &text) } else { text },
        source: found.source.to_owned(),
        place: found.place.clone(),
    }
}

/// Addresses keep their host, so that a person sees which server is meant; everything else of a secret goes.
fn masked(path: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    if !path.ends_with(".url") {
        return "***".to_owned();
    }
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => format!("{scheme}://{rest}"),
    }
}
