//! Turns merged layers into typed values, noting every value that does not fit.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::layers::{Layers, Raw, variable};
use super::problem::Problem;

/// Reads keys of the layers; faults are collected in them.
pub struct Reader<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader of these layers, which goes on with their faults.
    pub fn new(layers: &'a Layers) -> Self {
        Self { layers, problems: layers.problems.clone() }
    }

    /// Every fault so far.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Notes a fault at the place where the key was set.
    pub fn problem(&mut self, path: &str, text: impl Into<String>) {
        let place = match self.layers.values.get(path) {
            Some(found) if found.source != "default" => format!("{} ({path})", found.place),
            _ => format!("{path} (or {})", variable(path)),
        };
        self.problems.push(Problem { place, text: text.into() });
    }

    /// The text of a key; empty when it is not set.
    pub fn text(&mut self, path: &str) -> String {
        match self.layers.values.get(path).map(|found| &found.raw) {
            Some(Raw::Text(text)) => text.trim().to_owned(),
            Some(_) => {
                self.problem(path, "must be a single value, not a list");
                String::new()
            }
            None => String::new(),
        }
    }

    /// The text of a key, `None` when it is empty.
    pub fn optional(&mut self, path: &str) -> Option<String> {
        Some(self.text(path)).filter(|text| !text.is_empty())
    }

    /// A secret, `None` when it is empty. Not trimmed inside: a secret is used exactly as given.
    pub fn secret(&mut self, path: &str) -> Option<SecretString> {
        self.optional(path).map(SecretString::from)
    }

    /// Anything that parses from a text; `what` says what is accepted.
    pub fn parsed<T: FromStr + Default>(&mut self, path: &str, what: &str) -> T {
        let text = self.text(path);
        text.parse().unwrap_or_else(|_| {
            self.problem(path, format!("must be {what}, is \"{text}\""));
            T::default()
        })
    }

    /// A whole number inside of bounds.
    pub fn number<T>(&mut self, path: &str, low: T, high: T) -> T
    where
        T: FromStr + Copy + PartialOrd + std::fmt::Display,
    {
        let text = self.text(path);
        match text.parse::<T>() {
            Ok(number) if number >= low && number <= high => number,
            _ => {
                self.problem(path, format!("must be a whole number from {low} to {high}, is \"{text}\""));
                low
            }
        }
    }

    /// An address to listen on; `None` when it is empty.
    pub fn address(&mut self, path: &str) -> Option<SocketAddr> {
        let text = self.optional(path)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(path, format!("must be an address with a port, such as 127.0.0.1:8000, is \"{text}\""));
        }
        parsed
    }

    /// A length of time.
    pub fn duration(&mut self, path: &str) -> Duration {
        let text = self.text(path);
        parse_duration(&text).unwrap_or_else(|| {
            self.problem(path, format!("must be a time such as 500ms, 5s, 2m or 24h, is \"{text}\""));
            Duration::ZERO
        })
    }

    /// One of a few words.
    pub fn word(&mut self, path: &str, words: &[&str]) -> String {
        let text = self.text(path).to_ascii_lowercase();
        if !words.contains(&text.as_str()) {
            self.problem(path, format!("must be one of {}, is \"{text}\"", words.join(", ")));
        }
        text
    }

    /// A list or an object as JSON; null when it is neither.
    pub fn json(&mut self, path: &str) -> serde_json::Value {
        match self.layers.values.get(path).map(|found| &found.raw) {
            Some(Raw::Json(value)) => value.clone(),
            Some(Raw::List(items)) => serde_json::json!(items),
            Some(Raw::Text(text)) if text.is_empty() => serde_json::json!([]),
            Some(Raw::Text(_)) | None => serde_json::Value::Null,
        }
    }

    /// A list of texts.
    pub fn list(&mut self, path: &str) -> Vec<String> {
        match self.layers.values.get(path).map(|found| &found.raw) {
            Some(Raw::List(items)) => items.clone(),
            Some(Raw::Text(text)) if text.is_empty() => Vec::new(),
            Some(Raw::Text(text)) => text.split(',').map(|item| item.trim().to_owned()).collect(),
            Some(Raw::Json(_)) => {
                self.problem(path, "must be a list of texts");
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(split)?;
    let amount: u64 = digits.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(amount)),
        "" | "s" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_secs(amount.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(amount.checked_mul(3_600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_units() {
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("2 m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse_duration("-1s"), None);
        assert_eq!(parse_duration("1d"), None);
    }
}
