//! Reads a LiteLLM-format price file: JSON text in, rows and rejects out (`metering.md` §12). Pure; storing them after a
//! person approved the [`diff`](super::diff) is not its business.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::entry::Entry;
use super::{PatternKind, PriceVersion, Rates};
use crate::domain::account::Service;
use crate::domain::id::PriceVersionId;
use crate::domain::time::Timestamp;

/// A file as a whole is unusable; it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Not a JSON object of objects.
    #[error("not a price file: {0}")]
    Malformed(String),
    /// No entry could be used.
    #[error("no usable price in the file")]
    Empty,
}

/// An entry that was refused; the others are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its key in the file.
    pub model: String,
    /// Why, with the field.
    pub reason: String,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Rows with id 0, by service and pattern.
    pub versions: Vec<PriceVersion>,
    /// Entries that were refused.
    pub rejects: Vec<Reject>,
    /// Entries of services that we do not serve, samples, and entries without a token price.
    pub skipped: usize,
    /// Prices of tiers that we do not know (`_ultrafast`, `_balanced`, `_decisions`).
    pub ignored_tiers: usize,
}

/// Reads a file. Its rows are in force from `effective_from`.
pub fn read(json: &str, effective_from: Timestamp) -> Result<Imported, ImportError> {
    let malformed = |error: serde_json::Error| ImportError::Malformed(error.to_string());
    let entries: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).map_err(malformed)?;
    let mut imported = Imported::default();
    for (model, raw) in entries {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw.get()).map_err(malformed)?;
        let entry = Entry::of(&fields);
        let Some(service) = entry.service().filter(|_| model != "sample_spec" && entry.is_priced()) else {
            imported.skipped += 1;
            continue;
        };
        imported.ignored_tiers += entry.ignored_tiers();
        let model = called(service, model);
        match row(&entry, service, &model, effective_from) {
            Ok(version) => imported.versions.push(version),
            Err(reason) => imported.rejects.push(Reject { model, reason }),
        }
    }
    if imported.versions.is_empty() { Err(ImportError::Empty) } else { Ok(imported) }
}

/// The name by which the vendor is asked: some files put the vendor before it.
fn called(service: Service, model: String) -> String {
    let prefix = match service {
        Service::Gemini => "gemini/",
        Service::Azure => "azure/",
        _ => return model,
    };
    model.strip_prefix(prefix).map_or_else(|| model.clone(), str::to_owned)
}

fn row(entry: &Entry<'_>, service: Service, model: &str, effective_from: Timestamp) -> Result<PriceVersion, String> {
    let long_threshold = entry.threshold()?;
    let mut version = PriceVersion {
        id: PriceVersionId(0),
        service,
        pattern: model.to_owned(),
        kind: if model.contains('*') { PatternKind::Glob } else { PatternKind::Exact },
        alias_of: None,
        source: "litellm".to_owned(),
        effective_from,
        effective_to: None,
        base: entry.rates(None, "")?,
        long: if long_threshold.is_some() { entry.rates(long_threshold, "")? } else { Rates::default() },
        long_threshold,
        priority: entry.tier(long_threshold, "_priority")?,
        flex: entry.tier(long_threshold, "_flex")?,
        batch: entry.tier(long_threshold, "_batches")?,
        fast_ppm: entry.nested_ppm("provider_specific_entry", "fast")?,
        geo_us_ppm: entry.regional_ppm("us")?,
        geo_eu_ppm: entry.regional_ppm("eu")?,
        per_request: entry.unit("input_cost_per_request")?,
        web_search: entry.web_search()?,
        max_input: entry.count("max_input_tokens"),
        max_output: entry.count("max_output_tokens"),
    };
    version.fill_cache_classes();
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0, "litellm_provider": "one of", "mode": "chat"},
        "claude-a": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 3e-06,
            "output_cost_per_token": 0.000015, "cache_read_input_token_cost": null, "max_input_tokens": 200000,
            "max_output_tokens": "64000", "input_cost_per_token_above_200k_tokens": 6e-06,
            "output_cost_per_token_above_200k_tokens": 2.25e-05, "unknown_field": {"x": [1]},
            "output_cost_per_token_batches": 7.5e-06, "input_cost_per_token_batches": 1.5e-06,
            "input_cost_per_token_ultrafast": 1, "input_cost_per_request": 0.001,
            "provider_specific_entry": {"us": 1.1, "fast": 2.0},
            "search_context_cost_per_query": {"search_context_size_low": 0.02, "search_context_size_medium": 0.01}},
        "claude-b": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 1e-06,
            "output_cost_per_token": 5e-06, "cache_creation_input_token_cost": 1.25e-06,
            "cache_creation_input_token_cost_above_1hr": 2e-06, "cache_read_input_token_cost": 1e-07,
            "cache_creation_input_token_cost_above_1hr_above_100k_tokens": 4e-06,
            "input_cost_per_token_above_100k_tokens": 2e-06, "regional_processing_uplift_multiplier_eu": 1.25},
        "claude-negative": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": -1e-06,
            "output_cost_per_token": 5e-06},
        "claude-absurd": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 0.02,
            "output_cost_per_token": 5e-06},
        "claude-text": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": "cheap",
            "output_cost_per_token": 5e-06},
        "claude-half": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 5e-06},
        "claude-steps": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 5e-06,
            "output_cost_per_token": 5e-06, "input_cost_per_token_above_128k_tokens": 6e-06,
            "input_cost_per_token_above_256k_tokens": 7e-06},
        "claude-no-mode": {"litellm_provider": "anthropic", "input_cost_per_token": 5e-06, "output_cost_per_token": 5e-06},
        "claude-free-form": {"litellm_provider": "anthropic", "mode": "chat"},
        "mistral-5": {"litellm_provider": "mistral", "mode": "chat", "input_cost_per_token": 1, "output_cost_per_token": 1}
    }"#;

    fn imported() -> Imported {
        read(FILE, Timestamp(7)).unwrap()
    }

    fn row_of(pattern: &str) -> PriceVersion {
        imported().versions.into_iter().find(|v| v.pattern == pattern).unwrap()
    }

    #[test]
    fn every_vendor_that_we_serve_has_its_shelf() {
        let entry = |provider: &str| {
            format!(
                r#"{{"litellm_provider": "{provider}", "mode": "chat", "input_cost_per_token": 2e-06,
                "output_cost_per_token": 8e-06}}"#
            )
        };
        let file = format!(
            r#"{{"gpt-5": {}, "azure/gpt-5": {}, "gemini/gemini-x": {}, "us.anthropic.claude-x": {}, "other": {}}}"#,
            entry("openai"),
            entry("azure"),
            entry("gemini"),
            entry("bedrock_converse"),
            entry("mistral")
        );
        let imported = read(&file, Timestamp(7)).unwrap();
        let found: Vec<_> = imported.versions.iter().map(|v| (v.service, v.pattern.as_str())).collect();
        assert_eq!(
            found,
            [
                (Service::Azure, "gpt-5"),
                (Service::Gemini, "gemini-x"),
                (Service::OpenAi, "gpt-5"),
                (Service::Bedrock, "us.anthropic.claude-x"),
            ]
        );
        assert_eq!(imported.skipped, 1);
        let openai = &imported.versions[2].base;
        assert_eq!((openai.cache_read, openai.cache_w5m), (openai.input, openai.input));
        assert_eq!(imported.versions[3].base.cache_w5m, Some(2_500_000_000));
    }

    #[test]
    fn every_mapped_field_reaches_the_book_without_a_float() {
        let v = row_of("claude-a");
        let rates = |input, output, read, w5m, w1h| Rates {
            input: Some(input),
            output: Some(output),
            cache_read: Some(read),
            cache_w5m: Some(w5m),
            cache_w1h: Some(w1h),
            reasoning: None,
        };
        assert_eq!(v.base, rates(3_000_000_000, 15_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000));
        assert_eq!(v.long, rates(6_000_000_000, 22_500_000_000, 600_000_000, 7_500_000_000, 12_000_000_000));
        assert_eq!((v.long_threshold, v.max_input, v.max_output), (Some(200_000), Some(200_000), Some(64_000)));
        let batch = v.batch.unwrap().base;
        assert_eq!((batch.input, batch.output), (Some(1_500_000_000), Some(7_500_000_000)));
        assert_eq!((v.priority, v.flex), (None, None));
        assert_eq!((v.fast_ppm, v.geo_us_ppm, v.geo_eu_ppm), (Some(2_000_000), Some(1_100_000), None));
        assert_eq!((v.web_search, v.per_request), (Some(10_000_000), Some(1_000_000)));
        assert_eq!((v.effective_from, v.service, v.source.as_str()), (Timestamp(7), Service::Claude, "litellm"));
    }

    #[test]
    fn a_long_hour_write_and_a_regional_uplift_are_read() {
        let v = row_of("claude-b");
        assert_eq!((v.long_threshold, v.geo_eu_ppm), (Some(100_000), Some(1_250_000)));
        assert_eq!((v.base.cache_w1h, v.long.cache_w1h), (Some(2_000_000_000), Some(4_000_000_000)));
        assert_eq!((v.long.output, v.long.cache_w5m), (Some(10_000_000_000), Some(2_500_000_000)));
    }

    #[test]
    fn bad_entries_are_refused_one_by_one_and_foreign_ones_skipped() {
        let imported = imported();
        let refused: Vec<&str> = imported.rejects.iter().map(|r| r.model.as_str()).collect();
        assert_eq!(refused, ["claude-absurd", "claude-half", "claude-negative", "claude-steps", "claude-text"]);
        assert!(imported.rejects.iter().all(|r| !r.reason.is_empty()));
        assert_eq!((imported.skipped, imported.ignored_tiers, imported.versions.len()), (4, 1, 2));
    }

    #[test]
    fn a_broken_file_is_refused_as_a_whole() {
        let cut = &FILE[..FILE.len() / 2];
        for broken in [cut, "", "[]", "{\"a\": 1}", "null"] {
            assert!(matches!(read(broken, Timestamp(0)), Err(ImportError::Malformed(_))), "{broken:.20}");
        }
        assert_eq!(read("{}", Timestamp(0)), Err(ImportError::Empty));
    }
}
