//! Keys: settings, digests, rotation, activation, and the policy that the relay gets.

use actors::domain::account::Platform;
use actors::domain::id::{AccountId, KeyId, UserId};
use actors::domain::key::{Binding, BindingTarget, CostWindow, DisconnectPolicy, StickyMode};
use actors::domain::limit::{RateDimension, RateWindow};
use actors::domain::model::{Family, Pattern};
use actors::domain::money::Nanos;
use actors::domain::time::DAY;
use quotalane::store::keys::{self, Digest, KeyConfig, KeyFilter, KeyStatus};
use quotalane::store::{Page, StoreError, users};

use crate::builders::{NOW, key, stored_user, user};
use crate::servers::each_db;

fn full() -> KeyConfig {
    KeyConfig {
        name: "ключ 🔑".to_owned(),
        description: "it's \"quoted\" \\ and 100%".to_owned(),
        tags: vec!["a\"b".to_owned(), "京".to_owned()],
        icon: "🔑".to_owned(),
        expires_at: Some(NOW.plus(DAY)),
        activation_ms: None,
        permissions: vec![Platform::Claude],
        model_allow: vec![Pattern("claude-*".to_owned())],
        model_deny: vec![Pattern("*opus*".to_owned())],
        allowed_clients: vec!["claude_code".to_owned()],
        ip_allow: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ip_deny: vec!["10.1.2.3".parse().unwrap()],
        concurrency_limit: u32::MAX,
        rpm_limit: 60,
        windows: vec![RateWindow {
            dim: RateDimension::Tokens,
            seconds: 3_600,
            limit: i64::MAX,
            family: Some(Family("opus".into())),
        }],
        cost_limits: vec![(CostWindow::Day, Nanos(i64::MAX)), (CostWindow::Total, Nanos(1))],
        weekly_reset_day: 7,
        weekly_reset_hour: 23,
        price_rate_ppm: 0,
        bindings: vec![Binding {
            platform: Platform::Claude,
            target: BindingTarget::Account(AccountId(4)),
            strict: true,
        }],
        account_tags: vec!["eu".to_owned()],
        sticky_mode: StickyMode::Strict,
        disconnect: DisconnectPolicy::DrainFull,
    }
}

fn digest(text: &str) -> Digest {
    Digest { scheme: "hmac1:p1".to_owned(), hex: text.repeat(64) }
}

#[tokio::test]
async fn every_setting_survives_and_reaches_the_policy() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        let mut new = key(owner, "x", &"a".repeat(64));
        new.config = full();
        let id = keys::create(db, new, NOW).await.unwrap();
        let row = keys::get(db, id, Some(owner)).await.unwrap().unwrap();
        assert_eq!(row.config, full());
        assert_eq!(keys::get(db, id, Some(UserId(99))).await.unwrap(), None, "the keys of others do not exist");
        let found = keys::find(db, &[digest("b"), digest("a")], NOW).await.unwrap().unwrap();
        assert_eq!((found.policy.id, found.digest, found.valid_until), (id, digest("a"), None));
        assert_eq!(found.policy.cost_limits, full().cost_limits);
        assert_eq!(
            (found.policy.owner.id, found.policy.owner.max_concurrency, found.policy.enabled),
            (owner, 10, true)
        );
        assert_eq!(found.policy.version, 2, "one of the key, one of the owner");
        assert_eq!(keys::find(db, &[digest("c")], NOW).await.unwrap(), None);
        let mut twice = key(owner, "y", &"a".repeat(64));
        twice.config.name = "y".to_owned();
        assert!(matches!(keys::create(db, twice, NOW).await, Err(StoreError::Conflict(_))));
    })
    .await;
}

#[tokio::test]
async fn changes_raise_versions_and_the_generation() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        let id = keys::create(db, key(owner, "x", &"a".repeat(64)), NOW).await.unwrap();
        let mut generation = keys::generation(db).await.unwrap();
        let mut version = 2;
        for step in 0..4 {
            match step {
                0 => keys::update(db, id, 1, full(), NOW).await.unwrap(),
                1 => keys::set_status(db, id, KeyStatus::Disabled, NOW).await.unwrap(),
                2 => keys::set_status(db, id, KeyStatus::Active, NOW).await.unwrap(),
                _ => users::update(db, owner, 1, user("ada"), false, NOW).await.unwrap(),
            }
            let (newer, versions) = (keys::generation(db).await.unwrap(), keys::versions(db, &[id]).await.unwrap());
            assert!(newer > generation && versions[0].version > version, "step {step}");
            (generation, version) = (newer, versions[0].version);
        }
        assert_eq!(keys::update(db, id, 1, full(), NOW).await, Err(StoreError::VersionConflict));
        assert_eq!(keys::update(db, KeyId(99), 1, full(), NOW).await, Err(StoreError::NotFound));
        assert!(keys::versions(db, &[KeyId(99)]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_rotated_key_keeps_its_old_text_for_the_grace_time() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        let id = keys::create(db, key(owner, "x", &"a".repeat(64)), NOW).await.unwrap();
        let until = NOW.plus(60_000);
        keys::rotate(db, id, digest("b"), "cr_9999".to_owned(), "9999".to_owned(), until, NOW).await.unwrap();
        let old = keys::find(db, &[digest("a")], NOW.plus(59_999)).await.unwrap().unwrap();
        assert_eq!(old.valid_until, Some(until));
        assert_eq!(keys::find(db, &[digest("a")], until).await.unwrap(), None);
        assert!(keys::find(db, &[digest("b")], until).await.unwrap().is_some());
        // A second rotation without grace ends both earlier texts.
        keys::rotate(db, id, digest("c"), "cr_8888".to_owned(), "8888".to_owned(), NOW, NOW).await.unwrap();
        for gone in ["a", "b"] {
            assert_eq!(keys::find(db, &[digest(gone)], NOW).await.unwrap(), None, "{gone}");
        }
        assert_eq!(keys::get(db, id, None).await.unwrap().unwrap().last4, "8888");
    })
    .await;
}

#[tokio::test]
async fn activation_starts_the_clock_once() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        let mut new = key(owner, "x", &"a".repeat(64));
        new.config.activation_ms = Some(30 * DAY);
        let id = keys::create(db, new, NOW).await.unwrap();
        assert_eq!(keys::load(db, id).await.unwrap().unwrap().activation_ms, Some(30 * DAY));
        let (one, other) = tokio::join!(keys::activate(db, id, NOW), keys::activate(db, id, NOW));
        assert_eq!(u8::from(one.unwrap()) + u8::from(other.unwrap()), 1);
        let policy = keys::load(db, id).await.unwrap().unwrap();
        assert_eq!((policy.activation_ms, policy.expires_at), (None, Some(NOW.plus(30 * DAY))));
        assert!(!keys::activate(db, id, NOW.plus(DAY)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn lists_find_labels_whole_and_text_literally() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        for (n, tag) in ["red", "reddish", "a%"].into_iter().enumerate() {
            let mut new = key(owner, &format!("key {n}"), &n.to_string().repeat(64));
            new.config.tags = vec![tag.to_owned()];
            keys::create(db, new, NOW).await.unwrap();
        }
        let count = async |filter: KeyFilter| keys::list(db, &filter, Page::default()).await.unwrap().1;
        assert_eq!(count(KeyFilter { tag: Some("red".to_owned()), ..KeyFilter::default() }).await, 1);
        assert_eq!(count(KeyFilter { tag: Some("%".to_owned()), ..KeyFilter::default() }).await, 0);
        assert_eq!(count(KeyFilter { text: Some("KEY".to_owned()), ..KeyFilter::default() }).await, 3);
        assert_eq!(count(KeyFilter { user: Some(UserId(9)), ..KeyFilter::default() }).await, 0);
        assert_eq!(keys::count_by_user(db, owner).await.unwrap(), 3);
        users::delete(db, owner, NOW).await.unwrap();
        assert_eq!(keys::count_by_user(db, owner).await.unwrap(), 0);
        assert_eq!(count(KeyFilter { status: Some(KeyStatus::Revoked), ..KeyFilter::default() }).await, 3);
    })
    .await;
}
