//! The charge formula against the shared vectors and the check cases of `metering.md` §4, over the shipped price file.
#![allow(clippy::unwrap_used, reason = "tests")]

use actors::domain::account::Service;
use actors::domain::id::PriceVersionId;
use actors::domain::money::{Nanos, PPM};
use actors::domain::price::{
    PatternKind, PriceBook, PriceNotes, PriceVersion, Rates, TierRates, effective_ppm, estimate, hit_ppm, import,
    savings,
};
use actors::domain::time::Timestamp;
use actors::domain::usage::{Tier, Tokens, Usage, UsagePart};
use proptest::prelude::*;
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_000);
const SHIPPED: &str = include_str!("../../configs/pricing.json");

fn vectors(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/billing_vectors.json")).unwrap();
    all[part].as_array().unwrap().clone()
}

fn version(rates: Rates) -> PriceVersion {
    let file = format!(
        "{{\"m\": {}}}",
        r#"{"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0}"#
    );
    let row = import::read(&file, Timestamp(0)).unwrap().versions.remove(0);
    PriceVersion { id: PriceVersionId(1), base: rates, kind: PatternKind::Exact, ..row }
}

fn usd(input: i64, output: i64, read: i64, w5m: i64, w1h: i64) -> Rates {
    let cents = |cents: i64| Some(cents * 10_000_000);
    Rates {
        input: cents(input),
        output: cents(output),
        cache_read: cents(read),
        cache_w5m: cents(w5m),
        cache_w1h: cents(w1h),
        reasoning: None,
    }
}

fn usage(tokens: Tokens) -> Usage {
    Usage { tokens, parts: vec![UsagePart { model: None, tokens }], ..Usage::default() }
}

fn charge(version: &PriceVersion, usage: &Usage, factors: &[i64]) -> i64 {
    let eff = effective_ppm(factors);
    PriceBook::default().cost(Service::Claude, version, usage, eff, PPM).unwrap().0.charge.0
}

fn sonnet() -> PriceVersion {
    version(usd(300, 1_500, 30, 375, 600))
}

fn mixed() -> Tokens {
    Tokens { input: 1_234, output: 567, cache_read: 10_000, cache_w5m: 2_000, cache_w1h: 500, ..Tokens::default() }
}

#[test]
fn every_charge_vector_is_exact() {
    let cases = vectors("charge");
    assert_eq!(cases.len(), 13);
    for case in cases {
        let price = |class: &str| case["price_nanos_per_mtok"][class].as_i64();
        let count = |class: &str| case["units"][class].as_u64().unwrap_or(0);
        let version = version(Rates {
            input: price("input"),
            output: price("output"),
            cache_read: price("cache_read"),
            cache_w5m: price("cache_w5m"),
            cache_w1h: price("cache_w1h"),
            reasoning: None,
        });
        let tokens = Tokens {
            input: count("input"),
            output: count("output"),
            cache_read: count("cache_read"),
            cache_w5m: count("cache_w5m"),
            cache_w1h: count("cache_w1h"),
            ..Tokens::default()
        };
        let factors: Vec<i64> =
            case["multipliers_ppm"].as_array().unwrap().iter().map(|m| m.as_i64().unwrap()).collect();
        let eff = effective_ppm(&factors);
        let (cost, _) = PriceBook::default().cost(Service::Claude, &version, &usage(tokens), eff, PPM).unwrap();
        let expected =
            [&case["effective_ppm"], &case["list_nanos"], &case["charge_nanos"]].map(|n| n.as_i64().unwrap());
        assert_eq!([eff, cost.list.0, cost.charge.0], expected, "{}", case["name"]);
    }
}

#[test]
fn searches_are_charged_beside_tokens() {
    let mut version = sonnet();
    version.web_search = Some(10_000_000);
    let searched = usage(Tokens { web_search: 2, ..mixed() });
    assert_eq!(charge(&version, &searched, &[]), 45_707_000);
    assert_eq!(charge(&version, &searched, &[800_000]), 36_565_600);
    version.per_request = Some(1_000);
    assert_eq!(charge(&version, &searched, &[]), 45_708_000);
}

#[test]
fn the_long_tier_starts_above_its_threshold() {
    let mut version = sonnet();
    version.long = usd(600, 2_250, 60, 750, 1_200);
    version.long_threshold = Some(200_000);
    let tokens = |input| usage(Tokens { input, cache_read: 60_000, output: 1_000, ..Tokens::default() });
    assert_eq!(charge(&version, &tokens(150_000), &[]), 958_500_000);
    assert_eq!(charge(&version, &tokens(140_000), &[]), 453_000_000);
}

#[test]
fn fast_mode_and_region_multiply_prices_without_rounding_between() {
    let mut version = version(usd(400, 2_000, 20, 500, 800));
    let mut one = usage(Tokens { output: 1, web_search: 1, ..Tokens::default() });
    version.web_search = Some(7);
    one.fast = true;
    one.geo = Some("us".to_owned());
    let cost =
        |version: &PriceVersion| PriceBook::default().cost(Service::Claude, version, &one, PPM, 500_000).unwrap();
    assert_eq!((cost(&version).0.list.0, cost(&version).1.tier_unpriced), (20_007, true));
    version.fast_ppm = Some(2_000_000);
    version.geo_us_ppm = Some(1_100_000);
    let (both, notes) = cost(&version);
    assert_eq!((both.list.0, both.upstream.0, notes), (44_007, 22_004, PriceNotes::default()));
    version.geo_us_ppm = Some(1_000_025);
    assert_eq!(cost(&version).0.list.0, 40_008, "40 001 + 7");
}

#[test]
fn a_service_tier_is_the_answers_and_never_cheaper_by_accident() {
    let mut version = sonnet();
    let mut batch = usage(mixed());
    batch.tier = Tier::Batch;
    let cost = |version: &PriceVersion| PriceBook::default().cost(Service::Claude, version, &batch, PPM, PPM).unwrap();
    assert_eq!((cost(&version).0.list.0, cost(&version).1.tier_unpriced), (25_707_000, true));
    version.batch = Some(TierRates { base: usd(150, 750, 15, 187, 300), long: Rates::default() });
    let (halved, notes) = cost(&version);
    assert_eq!((halved.list.0, notes.tier_unpriced), (12_843_500, false));
}

#[test]
fn reasoning_is_part_of_the_output_and_clamped_to_it() {
    let mut version = sonnet();
    let thought = |reasoning| usage(Tokens { output: 1_000, reasoning, ..Tokens::default() });
    assert_eq!(charge(&version, &thought(400), &[]), 15_000_000);
    version.base.reasoning = Some(30_000_000_000);
    assert_eq!(charge(&version, &thought(400), &[]), 21_000_000);
    assert_eq!(charge(&version, &thought(4_000), &[]), 30_000_000);
}

#[test]
fn each_part_is_priced_by_its_own_model() {
    let book = shipped();
    let opus = book.find(Service::Claude, "claude-opus-5", NOW).unwrap();
    let tokens = Tokens { output: 1_000, ..Tokens::default() };
    let part = |model: Option<&str>| UsagePart { model: model.map(str::to_owned), tokens };
    let mixed = Usage {
        tokens: Tokens { output: 3_000, ..Tokens::default() },
        parts: vec![part(None), part(Some("claude-haiku-4-5-20251001")), part(Some("unheard-of"))],
        ..Usage::default()
    };
    let (cost, notes) = book.cost_at(Service::Claude, &opus, &mixed, NOW, (PPM, PPM)).unwrap();
    assert_eq!(cost.list.0, 25_000_000 + 5_000_000 + 25_000_000);
    assert!(notes.part_unpriced);
    let bare = Usage { tokens, ..Usage::default() };
    assert_eq!(book.cost(Service::Claude, &opus, &bare, PPM, PPM).unwrap().0.list.0, 25_000_000);
}

#[test]
fn multipliers_are_rounded_once() {
    for (factors, eff) in [
        (vec![], PPM),
        (vec![PPM, PPM], PPM),
        (vec![0], 0),
        (vec![0, 10_000_000], 0),
        (vec![800_000, 1_100_000, 1_500_000], 1_320_000),
        (vec![1_500_000, 333_333], 500_000),
        (vec![1, 1], 0),
        (vec![1, 500_000], 1),
        (vec![333_333, 333_333, 333_333], 37_037),
        (vec![10_000_000; 7], 10_000_000_000_000),
        (vec![10_000_000; 20], i64::MAX),
        (vec![-5], 0),
    ] {
        assert_eq!(effective_ppm(&factors), eff, "{factors:?}");
    }
}

#[test]
fn savings_and_hits_follow_the_worked_example() {
    let version = sonnet();
    assert_eq!(savings(&version, Tier::Standard, &mixed()), Ok(Nanos(24_000_000)));
    assert_eq!(hit_ppm(&mixed()), 728_120);
    assert_eq!(hit_ppm(&Tokens::default()), 0);
    let only_writes = Tokens { cache_w1h: 1_000, ..Tokens::default() };
    assert_eq!(savings(&version, Tier::Standard, &only_writes), Ok(Nanos(-3_000_000)));
}

#[test]
fn estimates_reserve_the_dearest_input_that_may_be_used() {
    let mut version = sonnet();
    let nanos = |version: &PriceVersion, input, cached, eff| estimate(version, input, 1_024, cached, eff).unwrap().0;
    assert_eq!(nanos(&version, 1_000, false, PPM), 18_360_000);
    assert_eq!(nanos(&version, 1_000, true, PPM), 21_360_000);
    assert_eq!(nanos(&version, 1_000, false, 0), 0);
    version.long = usd(600, 2_250, 60, 750, 1_200);
    version.long_threshold = Some(200_000);
    assert_eq!(nanos(&version, 200_000, false, PPM), 615_360_000);
    assert_eq!(nanos(&version, 200_001, false, PPM), 1_223_046_000);
    assert!(estimate(&version, u64::MAX, u64::MAX, true, PPM).is_err());
}

fn shipped() -> PriceBook {
    let imported = import::read(SHIPPED, Timestamp(0)).unwrap();
    assert_eq!((imported.rejects.len(), imported.skipped, imported.versions.len()), (0, 0, 193));
    PriceBook::new(imported.versions)
}

#[test]
fn the_shipped_prices_give_what_claude_code_prints() {
    let book = shipped();
    let tokens = Tokens { input: 25, cache_read: 7, cache_w5m: 6, cache_w1h: 5, output: 12, ..Tokens::default() };
    for (model, nanos) in [
        ("claude-opus-5-5", 411_400),
        ("claude-opus-4-8", 516_000),
        ("claude-haiku-4-5", 103_200),
        ("claude-haiku-4-5-20251001", 103_200),
        ("claude-opus-4-8[1m]", 516_000),
    ] {
        let version = book.find(Service::Ccr, model, NOW).unwrap();
        assert_eq!(charge(&version, &usage(tokens), &[]), nanos, "{model}");
    }
    let haiku = book.find(Service::Claude, "claude-haiku-5-5", NOW).unwrap();
    assert_eq!((haiku.long_threshold, haiku.long.cache_w1h), (Some(100_000), Some(1_000_000_000)));
    assert!(book.find(Service::Claude, "claude-unknown-9", NOW).is_none());
}

proptest! {
    #[test]
    fn the_charge_differs_from_the_exact_value_by_at_most_half_a_nano(
        input in 0u64..10_000_000, output in 0u64..10_000_000, read in 0u64..10_000_000,
        price in 0i64..100_000_000_000, eff in 0i64..10_000_000,
    ) {
        let version = version(Rates { input: Some(price), output: Some(price * 5), cache_read: Some(price / 10), ..Rates::default() });
        let tokens = Tokens { input, output, cache_read: read, ..Tokens::default() };
        let (cost, _) = PriceBook::default().cost(Service::Claude, &version, &usage(tokens), eff, PPM).unwrap();
        let exact = (i128::from(input) * i128::from(price) + i128::from(output) * i128::from(price * 5)
            + i128::from(read) * i128::from(price / 10)) * i128::from(eff);
        let error = (i128::from(cost.charge.0) * 1_000_000_000_000 - exact).abs();
        prop_assert!(error * 2 <= 1_000_000_000_000);
    }
}
