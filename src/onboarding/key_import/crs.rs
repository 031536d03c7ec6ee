//! The export file of claude-relay-service: `{metadata, data: {apiKeys: […]}}`, where every value is a text as Redis keeps it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ImportOptions, Row, RowResult, digest};
use crate::onboarding::Invalid;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    metadata: Metadata,
    data: Data,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    sanitized: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default)]
    api_keys: Vec<Map<String, Value>>,
}

/// A field that binds a key to an account, and the platform that it holds for.
const BINDINGS: [(&str, &str); 7] = [
    ("claudeAccountId", "claude"),
    ("claudeConsoleAccountId", "claude"),
    ("bedrockAccountId", "claude"),
    ("openaiAccountId", "openai"),
    ("azureOpenaiAccountId", "openai"),
    ("geminiAccountId", "gemini"),
    ("droidAccountId", "droid"),
];
/// Fields that hold USD, and ours.
const COSTS: [(&str, &str); 3] = [
    ("dailyCostLimit", "daily_cost_limit"),
    ("totalCostLimit", "total_cost_limit"),
    ("weeklyOpusCostLimit", "weekly_claude_cost_limit"),
];

/// The rows of an export.
///
/// # Errors
/// When it is no export, or one without digests.
pub fn rows(content: &Value, options: &ImportOptions) -> Result<Vec<Result<Row, RowResult>>, Invalid> {
    let wrong = |error| Invalid::new("content", format!("is no export of claude-relay-service: {error}"));
    let file = File::deserialize(content).map_err(wrong)?;
    if file.metadata.sanitized {
        return Err(Invalid::new("content", "was sanitised: it holds no digests of keys"));
    }
    Ok(file.data.api_keys.iter().map(|key| Fields(key).row(options)).collect())
}

/// The fields of a key, read as the texts that they are.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) if text != "null" && text != "undefined" => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(list @ Value::Array(_)) => list.to_string(),
            _ => String::new(),
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// A JSON list in a text.
    fn list(&self, name: &str) -> Result<Vec<String>, String> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(&text).map_err(|_| format!("{name} is no list of texts"))
    }

    fn whole(&self, name: &str) -> Result<u32, String> {
        let text = self.text(name);
        if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| format!("{name} is no whole number")) }
    }

    /// USD; 0 = none.
    fn usd(&self, name: &str) -> Result<Option<actors::domain::money::Nanos>, String> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let amount: actors::domain::money::Nanos = text.parse().map_err(|e| format!("{name}: {e}"))?;
        Ok((amount.0 > 0).then_some(amount))
    }

    fn row(&self, options: &ImportOptions) -> Result<Row, RowResult> {
        let mut row = Row {
            id: self.text("id"),
            digest: digest(&self.text("apiKey")),
            // The text itself is not known; its first use shows it.
            shown: ("cr_".to_owned(), String::new()),
            disabled: self.text("isActive") == "false",
            deleted: self.flag("isDeleted"),
            ..Row::default()
        };
        row.key.insert("name".to_owned(), json!(self.text("name")));
        match self.fill(&mut row, options) {
            Ok(()) => Ok(row),
            Err(fault) => Err(row.result().ended(super::Outcome::Failed, fault)),
        }
    }

    fn fill(&self, row: &mut Row, options: &ImportOptions) -> Result<(), String> {
        if row.id.is_empty() {
            return Err("has no id".to_owned());
        }
        for (theirs, ours) in [("description", "description"), ("icon", "icon"), ("permissions", "permissions")] {
            row.key.insert(ours.to_owned(), json!(self.text(theirs)));
        }
        row.key.insert("tags".to_owned(), json!(self.list("tags")?));
        row.key.insert("concurrency_limit".to_owned(), json!(self.whole("concurrencyLimit")?));
        if self.flag("enableModelRestriction") {
            row.key.insert("model_deny".to_owned(), json!(self.list("restrictedModels")?));
        }
        if self.flag("enableClientRestriction") {
            let clients = self.list("allowedClients")?;
            // An empty list would open to everybody what nobody could use.
            if clients.is_empty() {
                return Err("allowedClients is empty although clients are restricted".to_owned());
            }
            row.key.insert("allowed_clients".to_owned(), json!(clients));
        }
        self.costs(row)?;
        self.windows(row)?;
        self.expiry(row)?;
        self.bindings(row, options)
    }

    fn costs(&self, row: &mut Row) -> Result<(), String> {
        for (theirs, ours) in COSTS {
            if let Some(limit) = self.usd(theirs)? {
                row.key.insert(ours.to_owned(), json!({ "amount": limit.to_string() }));
            }
        }
        if let Ok(day @ 1..=7) = self.whole("weeklyResetDay") {
            row.key.insert("weekly_reset_day".to_owned(), json!(day));
        }
        if let Ok(hour @ 0..=23) = self.whole("weeklyResetHour") {
            row.key.insert("weekly_reset_hour".to_owned(), json!(hour));
        }
        Ok(())
    }

    /// One window of minutes with up to three limits.
    fn windows(&self, row: &mut Row) -> Result<(), String> {
        let seconds = self.whole("rateLimitWindow")?.saturating_mul(60);
        let limits = [
            ("requests", i64::from(self.whole("rateLimitRequests")?)),
            ("tokens", i64::from(self.whole("tokenLimit")?)),
            ("cost", self.usd("rateLimitCost")?.map_or(0, |nanos| nanos.0)),
        ];
        let limits: Vec<_> = limits.into_iter().filter(|(_, limit)| *limit > 0).collect();
        if seconds == 0 {
            if !limits.is_empty() {
                row.notes.push("rate limits without a window were never in force there and are left out".to_owned());
            }
            return Ok(());
        }
        let window = |(dim, limit): (&str, i64)| json!({ "dim": dim, "seconds": seconds, "limit": limit });
        row.key.insert("windows".to_owned(), limits.into_iter().map(window).collect());
        Ok(())
    }

    fn expiry(&self, row: &mut Row) -> Result<(), String> {
        let waits = self.text("expirationMode") == "activation" && !self.flag("isActivated");
        if waits {
            row.key.insert("expiry_mode".to_owned(), json!("activation"));
            row.key.insert("activation_amount".to_owned(), json!(self.whole("activationDays")?.max(1)));
            let unit = if self.text("activationUnit") == "hours" { "hours" } else { "days" };
            row.key.insert("activation_unit".to_owned(), json!(unit));
            return Ok(());
        }
        let end = self.text("expiresAt");
        if !end.is_empty() {
            row.key.insert("expires_at".to_owned(), json!(end));
        }
        Ok(())
    }

    fn bindings(&self, row: &mut Row, options: &ImportOptions) -> Result<(), String> {
        let mut bindings: Vec<Value> = Vec::new();
        for (field, platform) in BINDINGS {
            let named = self.text(field);
            if named.is_empty() {
                continue;
            }
            if bindings.iter().any(|binding| binding["platform"] == platform) {
                row.notes.push(format!("{field}: the key is bound on this platform already"));
                continue;
            }
            match target(&named, options) {
                Some(target) => bindings.push(json!({ "platform": platform, "target": target })),
                None if options.drop_bindings => row.notes.push(format!("{field} was left out")),
                None => return Err(format!("{field} names \"{}\", which is nothing here", named.escape_debug())),
            }
        }
        row.key.insert("bindings".to_owned(), json!(bindings));
        Ok(())
    }
}

/// `group:<id>`, or an account with or without the prefix of its type.
fn target(named: &str, options: &ImportOptions) -> Option<String> {
    if let Some(group) = named.strip_prefix("group:") {
        return options.groups.get(group).map(|id| format!("group:{id}"));
    }
    let bare = ["api:", "responses:"].iter().find_map(|prefix| named.strip_prefix(prefix)).unwrap_or(named);
    options.accounts.get(named).or_else(|| options.accounts.get(bare)).map(|id| format!("account:{id}"))
}

#[cfg(test)]
mod tests {
    use actors::domain::account::Platform;
    use actors::domain::key::{BindingTarget, CostWindow};
    use actors::domain::limit::RateDimension;
    use actors::domain::money::Nanos;

    use super::*;

    fn export(key: Value) -> Value {
        json!({"metadata": {"version": "2", "sanitized": false}, "data": {"apiKeys": [key], "claudeAccounts": []}})
    }

    fn read(key: Value, options: &ImportOptions) -> Result<Row, RowResult> {
        rows(&export(key), options).unwrap().remove(0)
    }

    fn full() -> Value {
        json!({
            "id": "k-1", "name": "team", "description": "d", "apiKey": "AB".repeat(32), "isActive": "false",
            "permissions": "[\"claude\",\"gemini\"]", "concurrencyLimit": "3", "rateLimitWindow": "60",
            "rateLimitRequests": "100", "tokenLimit": "5000", "rateLimitCost": "1.5", "dailyCostLimit": "2.5",
            "totalCostLimit": "0", "weeklyOpusCostLimit": "7", "enableModelRestriction": "true",
            "restrictedModels": "[\"claude-opus-*\"]", "enableClientRestriction": "true",
            "allowedClients": "[\"claude_code\"]", "tags": "[\"a\"]", "claudeAccountId": "group:g1",
            "openaiAccountId": "responses:o1", "expiresAt": "2027-01-01T00:00:00.000Z", "weeklyResetDay": "3",
        })
    }

    #[test]
    fn every_field_finds_its_place() {
        let options = ImportOptions {
            accounts: [("o1".to_owned(), 7)].into(),
            groups: [("g1".to_owned(), 9)].into(),
            ..ImportOptions::default()
        };
        let row = read(full(), &options).unwrap();
        assert_eq!((row.id.as_str(), row.disabled, row.deleted), ("k-1", true, false));
        assert_eq!(row.digest, Some("ab".repeat(32)));
        let config = row.config().unwrap();
        assert_eq!(config.permissions, [Platform::Claude, Platform::Gemini]);
        assert_eq!(
            config.cost_limits,
            [(CostWindow::WeekClaude, Nanos(7_000_000_000)), (CostWindow::Day, Nanos(2_500_000_000)),]
        );
        let windows: Vec<_> = config.windows.iter().map(|w| (w.dim, w.seconds, w.limit)).collect();
        assert_eq!(
            windows,
            [
                (RateDimension::Requests, 3_600, 100),
                (RateDimension::Tokens, 3_600, 5_000),
                (RateDimension::Cost, 3_600, 1_500_000_000),
            ]
        );
        assert_eq!((config.weekly_reset_day, config.concurrency_limit), (3, 3));
        assert_eq!(config.allowed_clients, ["claude_code"]);
        assert_eq!(config.model_deny.len(), 1);
        assert!(config.expires_at.is_some() && config.activation_ms.is_none());
        let targets: Vec<_> = config.bindings.iter().map(|b| b.target).collect();
        assert_eq!(
            targets,
            [
                BindingTarget::Group(actors::domain::id::GroupId(9)),
                BindingTarget::Account(actors::domain::id::AccountId(7)),
            ]
        );
    }

    #[test]
    fn nothing_becomes_wider_than_it_was() {
        let options = ImportOptions::default();
        assert!(read(full(), &options).unwrap_err().reason.unwrap().contains("claudeAccountId"));
        let dropped = ImportOptions { drop_bindings: true, ..options.clone() };
        assert_eq!(read(full(), &dropped).unwrap().notes.len(), 2);
        for (field, value) in [
            ("permissions", json!("[\"nobody\"]")),
            ("permissions", json!("[1]")),
            ("allowedClients", json!("[]")),
            ("restrictedModels", json!("opus")),
            ("dailyCostLimit", json!("1e-3")),
            ("rateLimitRequests", json!("-5")),
            ("expiresAt", json!("soon")),
            ("id", json!("")),
        ] {
            let mut key = full();
            key[field] = value;
            let read = read(key, &dropped);
            assert!(read.is_err() || read.unwrap().config().is_err(), "{field}");
        }
    }

    #[test]
    fn a_key_that_waits_for_its_first_use_goes_on_waiting() {
        let fresh = json!({"id": "1", "name": "n", "apiKey": "00".repeat(32), "expirationMode": "activation",
            "activationDays": "7", "activationUnit": "hours", "isActivated": "false", "isActive": "true"});
        let config = read(fresh.clone(), &ImportOptions::default()).unwrap().config().unwrap();
        assert_eq!(config.activation_ms, Some(7 * 3_600_000));
        let mut used = fresh;
        used["isActivated"] = json!("true");
        used["expiresAt"] = json!("2027-01-01T00:00:00Z");
        let config = read(used, &ImportOptions::default()).unwrap().config().unwrap();
        assert!(config.activation_ms.is_none() && config.expires_at.is_some());
    }

    #[test]
    fn a_sanitised_export_is_refused() {
        let file = json!({"metadata": {"sanitized": true}, "data": {"apiKeys": []}});
        assert!(rows(&file, &ImportOptions::default()).is_err_and(|fault| fault.message.contains("sanitised")));
        assert!(rows(&json!([]), &ImportOptions::default()).is_err());
        let hidden = json!({"id": "1", "name": "n", "apiKey": "[REDACTED]"});
        assert_eq!(read(hidden, &ImportOptions::default()).unwrap().digest, None);
    }
}
