//! Accounts, their credentials, groups and proxies.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::account::{AccountKind, AccountStatus, ErrorRule, Platform, Visibility};
use actors::domain::credential::{Credential, Secret};
use actors::domain::group::{Membership, ModelRoute};
use actors::domain::id::{AccountId, GroupId, ProxyId};
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use actors::domain::window::WindowKind;
use actors::ports::AccountStore;
use quotalane::store::accounts::{self, AccountConfig, AccountFilter};
use quotalane::store::groups::{GroupConfig, GroupRow};
use quotalane::store::ports::SqlAccounts;
use quotalane::store::proxies::{PasswordChange, ProxyConfig, ProxyKind};
use quotalane::store::{Page, StoreError, groups, proxies};
use secrecy::{ExposeSecret, SecretString};

use crate::builders::{NOW, vault};
use crate::servers::each_db;

fn config(name: &str) -> AccountConfig {
    AccountConfig::new(name, AccountKind::ClaudeOfficial)
}

fn group_of(name: &str, priority: i32) -> GroupConfig {
    GroupConfig { name: name.to_owned(), priority, ..GroupConfig::default() }
}

fn oauth(access: &str) -> Credential {
    Credential {
        secret: Secret::OAuth {
            access: SecretString::from(access),
            refresh: Some(SecretString::from(format!("refresh of {access}"))),
        },
        expires_at: Some(NOW.plus(3_600_000)),
        version: 0,
    }
}

fn access(credential: &Credential) -> &str {
    match &credential.secret {
        Secret::OAuth { access, .. } => access.expose_secret(),
        Secret::ApiKey(key) => key.expose_secret(),
        Secret::Aws { access_key_id, .. } => access_key_id.expose_secret(),
    }
}

#[tokio::test]
async fn an_account_comes_back_whole_with_its_credential() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        let group = groups::create(db, group_of("eu", 5), Vec::new(), NOW).await.unwrap();
        let mut config = config("Köln 1");
        config.visibility = Visibility::Dedicated;
        config.tpm_limit = u64::try_from(i64::MAX).unwrap();
        config.daily_budget = Nanos(i64::MAX);
        config.priority = i32::MIN;
        config.groups = vec![group];
        config.tags = vec!["a\"b".to_owned()];
        config.auto_pause = BTreeMap::from([(WindowKind::FiveHour, 95)]);
        config.model_map = BTreeMap::from([("a".to_owned(), "б".to_owned())]);
        config.options = BTreeMap::from([("auth_style".to_owned(), "bearer".to_owned())]);
        config.error_rules = vec![ErrorRule {
            status: Some(429),
            keywords: vec!["quota".to_owned()],
            class: "blocked".to_owned(),
            scope: None,
            minutes: Some(5),
        }];
        let id = accounts::create(db, &vault, config.clone(), Some(oauth("access-token-1")), NOW).await.unwrap();
        let row = accounts::get(db, id).await.unwrap().unwrap();
        assert_eq!((&row.config, row.status, row.version), (&config, AccountStatus::Created, 1));
        assert_eq!(row.credential.masked.as_deref(), Some("acce****en-1"));
        let all = accounts::load_all(db, vault.as_ref()).await.unwrap();
        assert_eq!(*all[0].spec, row.into_spec());
        assert_eq!(all[0].spec.groups, [Membership::plain(group, 5)]);
        let credential = all[0].credential.as_ref().unwrap();
        assert_eq!((access(credential), credential.version), ("access-token-1", 1));
        assert_eq!(credential.expires_at, Some(NOW.plus(3_600_000)));
        assert!(!format!("{all:?}").contains("access-token"), "nothing prints a secret");
    })
    .await;
}

#[tokio::test]
async fn of_two_refreshes_the_first_wins_and_both_get_its_pair() {
    each_db(|test| async move {
        let vault = vault();
        let id = accounts::create(&test.db, &vault, config("a"), Some(oauth("first-access")), NOW).await.unwrap();
        let clock = Clock::frozen(NOW);
        let store = SqlAccounts { db: test.db.clone(), vault: Arc::clone(&vault), clock };
        let other = SqlAccounts { db: test.another().await, ..store.clone() };
        let (one, two) = tokio::join!(
            store.save_credential(id, 1, oauth("pair-of-one")),
            other.save_credential(id, 1, oauth("pair-of-two"))
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((access(&one), one.version, two.version), (access(&two), 2, 2));
        let newer = store.save_credential(id, 2, oauth("third-access")).await.unwrap();
        assert_eq!((access(&newer), newer.version), ("third-access", 3));
        let old = store.save_credential(id, 2, oauth("too-late-access")).await.unwrap();
        assert_eq!((access(&old), old.version), ("third-access", 3));
        assert!(store.save_credential(AccountId(99), 1, oauth("nobody")).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_credential_moved_to_another_row_does_not_open_and_does_not_hide_the_others() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        accounts::create(db, &vault, config("a"), Some(oauth("access-of-a")), NOW).await.unwrap();
        let b = accounts::create(db, &vault, config("b"), Some(oauth("access-of-b")), NOW).await.unwrap();
        if let Some(file) = db.file() {
            let url = format!("sqlite://{}", file.display());
            test.io
                .run(async move {
                    use sqlx::Connection;
                    let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
                    let swap =
                        "UPDATE accounts SET credential = (SELECT credential FROM accounts WHERE id = 1) WHERE id = 2";
                    sqlx::query(swap).execute(&mut raw).await.unwrap();
                    raw.close().await.unwrap();
                })
                .await
                .unwrap();
            let all = accounts::load_all(db, vault.as_ref()).await.unwrap();
            assert!(all[0].credential.is_some() && all[1].credential.is_none());
            assert!(accounts::export(db, vault.as_ref(), b).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn status_deletion_and_versions() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        let id = accounts::create(db, &vault, config("a"), Some(oauth("access-of-a")), NOW).await.unwrap();
        let before = accounts::versions(db).await.unwrap();
        accounts::save_status(db, id, AccountStatus::Error, Some("ы".repeat(2_000)), NOW).await.unwrap();
        let row = accounts::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.status, row.status_reason), (AccountStatus::Error, Some("ы".repeat(1_000))));
        assert!(accounts::versions(db).await.unwrap()[0].1 > before[0].1);
        assert_eq!(accounts::update(db, id, 1, config("a"), NOW).await, Err(StoreError::VersionConflict));
        accounts::update(db, id, 2, config("renamed"), NOW).await.unwrap();
        accounts::delete(db, id, NOW).await.unwrap();
        assert_eq!(accounts::get(db, id).await.unwrap(), None);
        assert!(accounts::load(db, vault.as_ref(), id).await.unwrap().is_none());
        assert!(accounts::versions(db).await.unwrap().is_empty());
        assert_eq!(accounts::delete(db, id, NOW).await, Err(StoreError::NotFound));
        assert_eq!(accounts::hint(db, id).await.unwrap().unwrap().masked, None, "the secret is gone");
    })
    .await;
}

#[tokio::test]
async fn groups_have_members_from_both_sides() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        let a = accounts::create(db, &vault, config("a"), None, NOW).await.unwrap();
        let b = accounts::create(db, &vault, config("b"), None, NOW).await.unwrap();
        let low = groups::create(db, group_of("low", 1), vec![a], NOW).await.unwrap();
        let high = groups::create(db, group_of("high", 9), vec![a, b, a], NOW).await.unwrap();
        let taken = groups::create(db, group_of("low", 1), Vec::new(), NOW).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))));
        let missing = groups::create(db, group_of("x", 1), vec![AccountId(99)], NOW).await;
        assert_eq!(missing, Err(StoreError::NotFound));
        let ids: Vec<GroupId> = groups::list(db).await.unwrap().iter().map(|group| group.id).collect();
        assert_eq!(ids, [high, low], "a failed creation leaves nothing behind");

        let version = accounts::get(db, a).await.unwrap().unwrap().version;
        let mut row = groups::get(db, low).await.unwrap().unwrap();
        row.config.priority = 7;
        groups::update(db, row.clone(), 1, None, NOW).await.unwrap();
        let account = accounts::get(db, a).await.unwrap().unwrap();
        assert_eq!(account.config.groups, [low, high], "absent members are left alone");
        assert!(account.version > version, "an account's version covers its groups");
        assert_eq!(groups::update(db, row, 1, Some(Vec::new()), NOW).await, Err(StoreError::VersionConflict));

        groups::add(db, low, b).await.unwrap();
        groups::add(db, low, b).await.unwrap();
        groups::remove(db, high, b).await.unwrap();
        assert_eq!(accounts::get(db, b).await.unwrap().unwrap().config.groups, [low]);
        groups::delete(db, low).await.unwrap();
        assert!(accounts::get(db, b).await.unwrap().unwrap().config.groups.is_empty());
        assert_eq!(groups::delete(db, low).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn rules_of_a_group_reach_its_members() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        let a = accounts::create(db, &vault, config("a"), None, NOW).await.unwrap();
        let b = accounts::create(db, &vault, config("b"), None, NOW).await.unwrap();
        assert_eq!(groups::ungrouped(db).await.unwrap(), [a, b]);
        let routes = vec![ModelRoute { pattern: Pattern("claude-opus-*".to_owned()), account_ids: vec![a] }];
        let ruled = GroupConfig { platform: Some(Platform::Claude), routes: routes.clone(), ..group_of("g", 4) };
        let group = groups::create(db, ruled.clone(), vec![a, b], NOW).await.unwrap();
        assert_eq!(groups::ungrouped(db).await.unwrap(), []);
        let row = groups::get(db, group).await.unwrap().unwrap();
        assert_eq!(row.config, ruled);
        let store = SqlAccounts { db: db.clone(), vault: vault.clone(), clock: Clock::frozen(NOW) };
        for account in store.load_all().await.unwrap() {
            let membership = &account.spec.groups[0];
            assert_eq!((membership.platform, &*membership.routes), (Some(Platform::Claude), routes.as_slice()));
        }
        let version = accounts::get(db, b).await.unwrap().unwrap().version;
        let plain = GroupRow { config: group_of("g", 4), ..row };
        groups::update(db, plain, 1, None, NOW).await.unwrap();
        assert_eq!(groups::get(db, group).await.unwrap().unwrap().config, group_of("g", 4));
        assert!(accounts::get(db, b).await.unwrap().unwrap().version > version, "every instance sees the change");
        groups::delete(db, group).await.unwrap();
        assert_eq!(groups::ungrouped(db).await.unwrap(), [a, b]);
    })
    .await;
}

#[tokio::test]
async fn lists_filter_by_kind_group_label_and_text() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        for n in 0..5 {
            let kind = if n < 2 { AccountKind::ClaudeConsole } else { AccountKind::Ccr };
            let mut config = AccountConfig::new(&format!("Account {n}"), kind);
            config.tags = vec!["eu".to_owned(), format!("n{n}")];
            accounts::create(db, &vault, config, None, NOW).await.unwrap();
        }
        let group = groups::create(db, group_of("g", 1), vec![AccountId(2)], NOW).await.unwrap();
        let find = async |filter: AccountFilter| {
            let (rows, total) = accounts::list(db, &filter, Page { offset: 0, limit: 2 }).await.unwrap();
            (rows.len(), total)
        };
        let filter = AccountFilter::default;
        assert_eq!(find(filter()).await, (2, 5));
        assert_eq!(find(AccountFilter { kind: Some(AccountKind::Ccr), ..filter() }).await, (2, 3));
        assert_eq!(find(AccountFilter { group: Some(group), ..filter() }).await, (1, 1));
        assert_eq!(find(AccountFilter { text: Some("ACCOUNT 4".to_owned()), ..filter() }).await, (1, 1));
        assert_eq!(find(AccountFilter { enabled: Some(false), ..filter() }).await, (0, 0));
        let tags = ["eu".to_owned(), "n3".to_owned()];
        assert_eq!(accounts::by_tags(db, &tags).await.unwrap().len(), 1);
        assert!(accounts::by_tags(db, &["n".to_owned()]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn proxies_seal_their_password_and_one_is_the_default() {
    each_db(|test| async move {
        let (db, vault) = (&test.db, vault());
        let config = |name: &str| ProxyConfig {
            name: name.to_owned(),
            kind: ProxyKind::Socks5h,
            host: "proxy.example.org".to_owned(),
            port: 1080,
            username: Some("u".to_owned()),
            enabled: true,
            is_default: true,
        };
        let secret = SecretString::from("p@ss:wörd");
        let a = proxies::create(db, &vault, config("a"), Some(secret), NOW).await.unwrap();
        let b = proxies::create(db, &vault, config("b"), None, NOW).await.unwrap();
        let row = proxies::get(db, vault.as_ref(), a).await.unwrap().unwrap();
        assert_eq!(row.password.unwrap().expose_secret(), "p@ss:wörd");
        assert!(
            !row.config.is_default && proxies::get(db, vault.as_ref(), b).await.unwrap().unwrap().config.is_default
        );
        let keep = proxies::update(db, &vault, a, 1, config("a2"), PasswordChange::Keep, NOW).await;
        assert_eq!(keep, Ok(()));
        assert!(proxies::get(db, vault.as_ref(), a).await.unwrap().unwrap().password.is_some());
        proxies::update(db, &vault, a, 2, config("a2"), PasswordChange::Clear, NOW).await.unwrap();
        assert!(proxies::get(db, vault.as_ref(), a).await.unwrap().unwrap().password.is_none());
        let late = proxies::update(db, &vault, a, 2, config("a2"), PasswordChange::Keep, NOW).await;
        assert_eq!(late, Err(StoreError::VersionConflict));
        let mut account = AccountConfig::new("x", AccountKind::Ccr);
        account.proxy = Some(a);
        accounts::create(db, &vault, account, None, NOW).await.unwrap();
        assert!(matches!(proxies::delete(db, a).await, Err(StoreError::Conflict(_))));
        proxies::delete(db, b).await.unwrap();
        assert_eq!(proxies::delete(db, ProxyId(99)).await, Err(StoreError::NotFound));
        assert_eq!(proxies::list(db, vault.as_ref()).await.unwrap().len(), 1);
    })
    .await;
}
