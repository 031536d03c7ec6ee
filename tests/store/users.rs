//! Users, the setup token, and the named values.

use quotalane::identity::{pepper, setup};
use quotalane::store::users::{self, PasswordHash, Role, UserFilter, UserStatus};
use quotalane::store::{Page, StoreError, meta};
use secrecy::{ExposeSecret, SecretString};

use crate::builders::{NOW, user, vault};
use crate::servers::each_db;

#[tokio::test]
async fn names_and_addresses_are_unique_ignoring_case() {
    each_db(|test| async move {
        let db = &test.db;
        let id = users::create(db, user("Ada"), None, NOW).await.unwrap();
        let mut other = user("ADA");
        other.email = None;
        let taken = users::create(db, other, None, NOW).await.unwrap_err();
        assert!(matches!(&taken, StoreError::Conflict(name) if name.contains("username_key")), "{taken:?}");
        let mut other = user("bob");
        other.email = Some("ADA@example.org".to_owned());
        let taken = users::create(db, other, None, NOW).await.unwrap_err();
        assert!(matches!(&taken, StoreError::Conflict(name) if name.contains("email")), "{taken:?}");
        for login in ["ada", "ADA@Example.ORG"] {
            assert_eq!(users::find_login(db, login).await.unwrap().unwrap().id, id);
        }
        assert_eq!(users::find_login(db, "äda").await.unwrap(), None, "accents are letters of their own");
    })
    .await;
}

#[tokio::test]
async fn an_update_needs_the_version_that_was_read() {
    each_db(|test| async move {
        let db = &test.db;
        let id = users::create(db, user("ada"), None, NOW).await.unwrap();
        let mut config = user("ada");
        config.role = Role::Auditor;
        users::update(db, id, 1, config.clone(), true, NOW).await.unwrap();
        let late = users::update(db, id, 1, config.clone(), false, NOW).await;
        assert_eq!(late, Err(StoreError::VersionConflict));
        let row = users::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.version, row.token_version, row.config), (2, 2, config));
        let password = PasswordHash { hash: "$2b$04$x".to_owned(), scheme: "bcrypt".to_owned() };
        users::set_password(db, id, password.clone(), false, NOW).await.unwrap();
        users::touch_login(db, id, NOW.plus(5)).await.unwrap();
        let row = users::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.token_version, row.password, row.last_login_at), (3, Some(password), Some(NOW.plus(5))));
        let nobody = users::update(db, actors::domain::id::UserId(99), 1, user("x"), false, NOW).await;
        assert_eq!(nobody, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_user_frees_the_name_and_stays_readable() {
    each_db(|test| async move {
        let db = &test.db;
        let id = users::create(db, user("ada"), None, NOW).await.unwrap();
        users::delete(db, id, NOW).await.unwrap();
        assert_eq!(users::delete(db, id, NOW).await, Err(StoreError::NotFound));
        assert!(users::find_login(db, "ada").await.unwrap().is_none());
        assert!(!users::get(db, id).await.unwrap().unwrap().owner().active);
        users::create(db, user("ada"), None, NOW).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn lists_filter_count_and_take_wildcards_literally() {
    each_db(|test| async move {
        let db = &test.db;
        for name in ["ada", "bob", "a_c", "a%d"] {
            users::create(db, user(name), None, NOW).await.unwrap();
        }
        let mut banned = user("eve");
        banned.status = UserStatus::Banned;
        users::create(db, banned, None, NOW).await.unwrap();
        let find = async |text: &str| {
            let filter = UserFilter { text: Some(text.to_owned()), ..UserFilter::default() };
            let (rows, total) = users::list(db, &filter, Page { offset: 0, limit: 10 }).await.unwrap();
            assert_eq!(i64::try_from(rows.len()).unwrap(), total);
            rows.into_iter().map(|row| row.config.username).collect::<Vec<_>>()
        };
        assert_eq!(find("A").await.len(), 5, "every address contains an a");
        assert_eq!(find("a_").await, ["a_c"]);
        assert_eq!(find("%").await, ["a%d"]);
        let (rows, total) = users::list(db, &UserFilter::default(), Page { offset: 2, limit: 2 }).await.unwrap();
        assert_eq!((rows.len(), total), (2, 5));
        let filter = UserFilter { status: Some(UserStatus::Banned), ..UserFilter::default() };
        assert_eq!(users::list(db, &filter, Page::default()).await.unwrap().1, 1);
    })
    .await;
}

#[tokio::test]
async fn a_setup_token_works_once() {
    each_db(|test| async move {
        let db = &test.db;
        assert!(setup::pending(db).await.unwrap());
        let old = setup::issue(db).await.unwrap();
        let token = setup::issue(db).await.unwrap();
        assert!(!setup::redeem(db, &old).await.unwrap(), "a restart prints a new one");
        assert!(!setup::redeem(db, &SecretString::from("")).await.unwrap());
        let stored = meta::get(db, meta::SETUP_TOKEN).await.unwrap().unwrap();
        assert!(!stored.contains(token.expose_secret()));
        assert!(setup::matches(db, &token).await.unwrap());
        let (one, other) = tokio::join!(setup::redeem(db, &token), setup::redeem(db, &token));
        assert_eq!(u8::from(one.unwrap()) + u8::from(other.unwrap()), 1, "of two at once one wins");
        let mut admin = user("root");
        admin.role = Role::SuperAdmin;
        users::create(db, admin, None, NOW).await.unwrap();
        assert!(!setup::pending(db).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_stored_pepper_is_made_once_and_sealed() {
    each_db(|test| async move {
        let vault = vault();
        let (one, other) =
            tokio::join!(pepper::load(&test.db, vault.as_ref(), None), pepper::load(&test.db, vault.as_ref(), None));
        assert_eq!(one.unwrap()[0].tag("x"), other.unwrap()[0].tag("x"));
        assert!(meta::get(&test.db, meta::KEY_PEPPER).await.unwrap().unwrap().starts_with("ql1:k1:"));
        let setting = SecretString::from("p2:0123456789abcdef0123456789abcdef");
        let both = pepper::load(&test.db, vault.as_ref(), Some(&setting)).await.unwrap();
        assert_eq!(both.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["p2", "p1"]);
    })
    .await;
}
