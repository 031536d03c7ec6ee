//! What commands print: data on standard output as table, JSON or YAML; everything said to a person on standard error.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use super::exit::Failure;

/// Form of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
    /// YAML.
    Yaml,
}

/// Prints to the two streams.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Form of data.
    pub form: Form,
    /// Say nothing but data.
    pub quiet: bool,
}

impl Output {
    /// Prints rows; a table shows `columns` in order.
    pub fn rows<T: Serialize>(self, columns: &[&str], rows: &[T]) -> Result<(), Failure> {
        let value = serde_json::to_value(rows).map_err(|e| Failure::Failed(e.to_string()))?;
        match (self.form, value) {
            (Form::Table, Value::Array(rows)) => self.line(&table(columns, &rows)),
            (_, value) => self.document(&value),
        }
    }

    /// Prints one thing; a table shows a field per line.
    pub fn one<T: Serialize>(self, thing: &T) -> Result<(), Failure> {
        let value = serde_json::to_value(thing).map_err(|e| Failure::Failed(e.to_string()))?;
        match (self.form, &value) {
            (Form::Table, Value::Object(fields)) => {
                let width = fields.keys().map(String::len).max().unwrap_or(0);
                let lines: Vec<String> =
                    fields.iter().map(|(key, value)| format!("{key:width$}  {}", cell(value))).collect();
                self.line(&lines.join("\n"))
            }
            _ => self.document(&value),
        }
    }

    fn document(self, value: &Value) -> Result<(), Failure> {
        match self.form {
            Form::Yaml => self.line(yaml(value, 0).trim_end()),
            _ => self.line(&serde_json::to_string_pretty(value).unwrap_or_default()),
        }
    }

    /// Prints a line of data as it is.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        match writeln!(std::io::stdout().lock(), "{text}") {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Failure::from),
        }
    }

    /// Says something to a person. A closed stream is no failure.
    pub fn say(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn table(columns: &[&str], rows: &[Value]) -> String {
    let cells = |row: &Value| columns.iter().map(|c| cell(row.get(c).unwrap_or(&Value::Null))).collect::<Vec<_>>();
    let head = columns.iter().map(|column| column.to_uppercase()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let joined = lines.iter().map(|line| {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    joined.collect::<Vec<_>>().join("\n")
}

/// Block style; texts are quoted as JSON, which YAML reads.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = "  ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let line = |(key, value): (&String, &Value)| match value {
                Value::Object(inner) if !inner.is_empty() => format!("{pad}{key}:\n{}", yaml(value, indent + 1)),
                Value::Array(inner) if !inner.is_empty() => format!("{pad}{key}:\n{}", yaml(value, indent + 1)),
                _ => format!("{pad}{key}: {value}\n"),
            };
            fields.iter().map(line).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let item = |value: &Value| {
                let text = yaml(value, indent + 1);
                format!("{pad}- {}\n", text.trim())
            };
            items.iter().map(item).collect()
        }
        other => format!("{pad}{other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_yaml_nests() {
        let rows = [serde_json::json!({"id": 1, "name": "a"}), serde_json::json!({"id": 20, "tags": ["x", "y"]})];
        assert_eq!(table(&["id", "name", "tags"], &rows), "ID  NAME  TAGS\n1   a     -\n20  -     x,y");
        let value = serde_json::json!({"a": {"b": 1}, "c": [{"d": 2, "e": 3}], "f": "t: x"});
        assert_eq!(yaml(&value, 0), "a:\n  b: 1\nc:\n  - d: 2\n    e: 3\nf: \"t: x\"\n");
    }
}
