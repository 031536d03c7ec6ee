//! Sealed columns: counted by key, sealed anew without losing what is saved meanwhile, refused when a key is missing.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::AccountId;
use quotalane::identity::reseal::Reseal;
use quotalane::identity::seal::{CheckError, Sealer};
use quotalane::store::accounts::{self, AccountConfig};
use quotalane::store::audit::AuditEntry;
use quotalane::store::proxies::{self, ProxyConfig, ProxyKind};
use quotalane::store::sealed::{self, COLUMNS, SealedValue};
use quotalane::store::vault::Vault;
use quotalane::store::{Db, audit};
use secrecy::{ExposeSecret, SecretString};

use crate::builders::NOW;
use crate::servers::each_db;

const K1: &str = "0123456789abcdef0123456789abcdef";
const K2: &str = "fedcba9876543210fedcba9876543210";
/// What QuotaLane's predecessor would have stored for `sk-test-123456` with the first key.
const LEGACY: &str = "AAECAwQFBgcICQoLXo6WCLxrpoGZ7kKKRPlI/8h9tbMx3RGtj8RIE+Vi";

fn sealer(setting: &str) -> Arc<Sealer> {
    Arc::new(Sealer::new(&SecretString::from(setting)).unwrap())
}

async fn account(db: &Db, vault: &Arc<dyn Vault>, name: &str) -> AccountId {
    let secret = Secret::ApiKey(SecretString::from(format!("key of {name}")));
    let credential = Credential { secret, expires_at: None, version: 0 };
    let config = AccountConfig::new(name, AccountKind::ClaudeConsole);
    accounts::create(db, vault, config, Some(credential), NOW).await.unwrap()
}

async fn proxy(db: &Db, vault: &Arc<dyn Vault>, name: &str) {
    let config = ProxyConfig {
        name: name.to_owned(),
        kind: ProxyKind::Http,
        host: "proxy.example".to_owned(),
        port: 3128,
        username: Some("u".to_owned()),
        enabled: true,
        is_default: false,
    };
    proxies::create(db, vault, config, Some("a proxy's password".to_owned().into()), NOW).await.unwrap();
}

async fn stored(db: &Db, column: usize) -> Vec<SealedValue> {
    COLUMNS[column].stale(db, 0, "none of them").await.unwrap()
}

#[tokio::test]
async fn every_sealed_column_changes_its_key() {
    each_db(|test| async move {
        let db = &test.db;
        let old = sealer(K1);
        old.check(db).await.unwrap();
        let vault: Arc<dyn Vault> = old.clone();
        let many = usize::try_from(sealed::STEP).unwrap() + 3;
        for n in 0..many {
            account(db, &vault, &format!("a{n}")).await;
        }
        proxy(db, &vault, "p").await;
        let alone = sealer(&format!("k2:{K2}"));
        assert!(matches!(alone.check(db).await, Err(CheckError::Mismatch(_))));

        let both = sealer(&format!("k2:{K2},k1:{K1}"));
        both.check(db).await.unwrap();
        let versions = accounts::versions(db).await.unwrap();
        let reseal = Reseal::new(db.clone(), both.clone(), Clock::system());
        let done = reseal.run(AuditEntry::system(NOW, "reencrypt_started")).await.unwrap();
        // The accounts, the proxy, the check value; this database has no pepper.
        assert_eq!((done.resealed, done.failed), (many as u64 + 2, 0));
        assert_eq!(accounts::versions(db).await.unwrap(), versions, "nobody has to read anything again");
        alone.check(db).await.unwrap();
        let opened = accounts::load_all(db, alone.as_ref()).await.unwrap();
        assert!(opened.iter().all(|account| account.credential.is_some()));
        assert_eq!(
            proxies::list(db, alone.as_ref()).await.unwrap()[0].password.as_ref().unwrap().expose_secret(),
            "a proxy's password"
        );
        let again = reseal.run(AuditEntry::system(NOW, "reencrypt_started")).await.unwrap();
        assert_eq!(again.resealed, 0, "there is nothing left to do");
        let filter = audit::AuditFilter { action: Some("reencrypt_finished".to_owned()), ..Default::default() };
        let entries = audit::list(db, &filter, 10).await.unwrap();
        assert_eq!((entries.len(), entries[1].result.as_str()), (2, "ok"));
    })
    .await;
}

#[tokio::test]
async fn a_value_that_does_not_open_stays_and_keeps_the_old_key_needed() {
    each_db(|test| async move {
        let db = &test.db;
        let old = sealer(K1);
        old.check(db).await.unwrap();
        let vault: Arc<dyn Vault> = old.clone();
        let (good, moved, legacy) =
            (account(db, &vault, "good").await, account(db, &vault, "moved").await, account(db, &vault, "old").await);
        let texts = stored(db, 0).await;
        let of = |id: AccountId| texts.iter().find(|value| value.row == id.0).unwrap().clone();
        let put = vec![(of(moved), of(good).text), (of(legacy), LEGACY.to_owned())];
        assert_eq!(COLUMNS[0].replace(db, put).await.unwrap(), 2);
        let uses = sealed::keys_in_use(db).await.unwrap();
        assert_eq!(uses.into_iter().collect::<Vec<_>>(), [(String::new(), 1), ("k1".to_owned(), 2)]);

        let both = sealer(&format!("k2:{K2},k1:{K1}"));
        let reseal = Reseal::new(db.clone(), both, Clock::system());
        let done = reseal.run(AuditEntry::system(NOW, "reencrypt_started")).await.unwrap();
        assert_eq!((done.resealed, done.failed), (2, 1));
        let uses = sealed::keys_in_use(db).await.unwrap();
        assert_eq!(uses.into_iter().collect::<Vec<_>>(), [("k1".to_owned(), 1), ("k2".to_owned(), 2)]);
        let column = COLUMNS[0];
        let texts = stored(db, 0).await;
        let text = &texts.iter().find(|value| value.row == legacy.0).unwrap().text;
        let alone = sealer(&format!("k2:{K2}"));
        assert_eq!(alone.open(column.place(legacy.0), text).unwrap().expose_secret(), "sk-test-123456");

        // Only when the account that cannot be saved is gone may the old key go.
        assert!(alone.check(db).await.is_err());
        accounts::delete(db, moved, NOW).await.unwrap();
        let reseal = Reseal::new(db.clone(), sealer(&format!("k2:{K2},k1:{K1}")), Clock::system());
        assert_eq!(reseal.run(AuditEntry::system(NOW, "reencrypt_started")).await.unwrap().failed, 0);
        alone.check(db).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_saved_meanwhile_wins_and_a_missing_key_is_named() {
    each_db(|test| async move {
        let db = &test.db;
        let both = sealer(&format!("k2:{K2},k1:{K1}"));
        both.check(db).await.unwrap();
        let vault: Arc<dyn Vault> = sealer(K1);
        let id = account(db, &vault, "a").await;
        let seen = stored(db, 0).await.remove(0);
        let vault: Arc<dyn Vault> = both.clone();
        let secret = Secret::ApiKey("the key that was saved meanwhile".to_owned().into());
        accounts::set_credential(db, &vault, id, Credential { secret, expires_at: None, version: 0 }).await.unwrap();
        assert_eq!(COLUMNS[0].replace(db, vec![(seen, "an older one".to_owned())]).await.unwrap(), 0);
        assert!(accounts::load(db, both.as_ref(), id).await.unwrap().unwrap().credential.is_some());

        let vault: Arc<dyn Vault> = sealer(K1);
        account(db, &vault, "b").await;
        let refused = sealer(&format!("k2:{K2}")).check(db).await;
        assert!(matches!(&refused, Err(CheckError::MissingKey { key, values: 1 }) if key == "k1"), "{refused:?}");
    })
    .await;
}
