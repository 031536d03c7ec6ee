//! Settings and the price book.

use actors::domain::account::Service;
use actors::domain::id::PriceVersionId;
use actors::domain::price::{PatternKind, PriceVersion, Rates};
use actors::domain::settings::Settings;
use actors::domain::time::Timestamp;
use quotalane::store::{StoreError, prices, settings};
use serde_json::json;

use crate::builders::NOW;
use crate::servers::each_db;

#[tokio::test]
async fn settings_apply_over_their_defaults_and_keep_their_history() {
    each_db(|test| async move {
        let db = &test.db;
        let base = Settings::default();
        assert_eq!(settings::load(db, &base).await.unwrap(), (base.clone(), 0));
        let name = "sticky.ttl_min".to_owned();
        settings::put(db, vec![(name.clone(), Some(json!(90)))], "ada", NOW).await.unwrap();
        settings::put(db, vec![(name.clone(), Some(json!(90)))], "ada", NOW).await.unwrap();
        let (loaded, version) = settings::load(db, &base).await.unwrap();
        assert_eq!((loaded.sticky_ttl_min, version), (90, 1), "no change, no new version");
        // What a newer or older binary wrote does not keep this one from starting.
        let foreign = vec![("future.key".to_owned(), Some(json!([1]))), ("lease.ttl_ms".to_owned(), Some(json!(-1)))];
        settings::put(db, foreign, "ada", NOW).await.unwrap();
        let (loaded, version) = settings::load(db, &base).await.unwrap();
        assert_eq!((loaded.lease_ttl_ms, loaded.sticky_ttl_min, version), (base.lease_ttl_ms, 90, 3));
        settings::put(db, vec![(name.clone(), None)], "bob", NOW.plus(1)).await.unwrap();
        assert_eq!(settings::load(db, &base).await.unwrap().0.sticky_ttl_min, 60);
        let history = settings::history(db, &name, 10).await.unwrap();
        assert_eq!(history.len(), 2);
        assert_eq!(
            (&history[0].old, &history[0].new, history[0].changed_by.as_str()),
            (&Some(json!(90)), &None, "bob")
        );
        assert_eq!(settings::stored(db).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn parallel_changes_each_raise_the_version() {
    each_db(|test| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 1..=8 {
            let db = test.db.clone();
            tasks.spawn(async move {
                settings::put(&db, vec![("queue.max_total".to_owned(), Some(json!(n)))], "x", NOW).await
            });
        }
        tasks.join_all().await.into_iter().for_each(|result| result.unwrap());
        assert_eq!(settings::version(&test.db).await.unwrap(), 8);
        let history = settings::history(&test.db, "queue.max_total", 10).await.unwrap();
        let chained = history.windows(2).all(|pair| pair[0].old == pair[1].new);
        assert!(chained, "every old value is the new value of the change before");
    })
    .await;
}

fn price(pattern: &str, from: i64, input: i64) -> PriceVersion {
    PriceVersion {
        id: PriceVersionId(0),
        service: Service::Claude,
        pattern: pattern.to_owned(),
        kind: PatternKind::Exact,
        alias_of: None,
        source: "manual".to_owned(),
        effective_from: Timestamp(from),
        effective_to: None,
        base: Rates { input: Some(input), output: Some(i64::MAX), ..Rates::default() },
        long: Rates::default(),
        long_threshold: Some(200_000),
        priority: None,
        flex: None,
        batch: None,
        fast_ppm: Some(2_000_000),
        geo_us_ppm: None,
        geo_eu_ppm: None,
        per_request: None,
        web_search: Some(10_000_000),
        max_input: None,
        max_output: None,
    }
}

#[tokio::test]
async fn a_new_price_ends_the_one_before_and_changes_nothing_else() {
    each_db(|test| async move {
        let db = &test.db;
        let first = vec![price("claude-opus-5", 100, 5), price("claude-haiku-5", 100, 1)];
        let ids = prices::publish(db, first, "ada", "list", NOW).await.unwrap();
        let before = prices::version(db).await.unwrap();
        let newer = prices::publish(db, vec![price("claude-opus-5", 200, 4)], "ada", "", NOW).await.unwrap();
        assert!(prices::version(db).await.unwrap() > before);
        let book = prices::load(db).await.unwrap();
        assert_eq!(book.len(), 3);
        let expected =
            PriceVersion { id: ids[0], effective_to: Some(Timestamp(200)), ..price("claude-opus-5", 100, 5) };
        assert_eq!(book[0], expected);
        assert_eq!((book[1].effective_to, book[2].id, book[2].effective_to), (None, newer[0], None));

        let twice = prices::publish(db, vec![price("new", 1, 1), price("claude-opus-5", 200, 9)], "ada", "", NOW).await;
        assert!(matches!(twice, Err(StoreError::Conflict(_))));
        assert_eq!(prices::load(db).await.unwrap(), book, "all or nothing");
        prices::retire(db, ids[1], Timestamp(300)).await.unwrap();
        assert_eq!(prices::load(db).await.unwrap()[1].effective_to, Some(Timestamp(300)));
        assert_eq!(prices::retire(db, PriceVersionId(99), Timestamp(300)).await, Err(StoreError::NotFound));
    })
    .await;
}
