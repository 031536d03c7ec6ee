//! Rows for the tests of the price book.

use super::{PatternKind, PriceVersion, Rates};
use crate::domain::account::Service;
use crate::domain::id::PriceVersionId;
use crate::domain::time::Timestamp;

pub(super) fn exact(id: i64, pattern: &str) -> PriceVersion {
    PriceVersion {
        id: PriceVersionId(id),
        service: Service::Claude,
        pattern: pattern.to_owned(),
        kind: PatternKind::Exact,
        alias_of: None,
        source: "litellm".to_owned(),
        effective_from: Timestamp(0),
        effective_to: None,
        base: Rates::default(),
        long: Rates::default(),
        long_threshold: None,
        priority: None,
        flex: None,
        batch: None,
        fast_ppm: None,
        geo_us_ppm: None,
        geo_eu_ppm: None,
        per_request: None,
        web_search: None,
        max_input: None,
        max_output: None,
    }
}

pub(super) fn alias(id: i64, pattern: &str, target: &str) -> PriceVersion {
    PriceVersion { kind: PatternKind::Alias, alias_of: Some(target.to_owned()), ..exact(id, pattern) }
}

pub(super) fn glob(id: i64, pattern: &str) -> PriceVersion {
    PriceVersion { kind: PatternKind::Glob, ..exact(id, pattern) }
}
