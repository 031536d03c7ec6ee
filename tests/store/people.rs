//! Invite codes, second factors and identities: what several instances decide at once.

use actors::domain::id::UserId;
use actors::domain::time::DAY;
use futures_util::future::join_all;
use quotalane::identity::{second_factor, totp};
use quotalane::store::invites::{self, InviteState, InviteTerms};
use quotalane::store::users::{self, AuthSource, Newcomer};
use quotalane::store::{Page, StoreError, identities, second_factors};
use secrecy::SecretString;

use crate::builders::{NOW, stored_user, user, vault};
use crate::servers::each_db;

fn newcomer(name: &str, invite: Option<&str>) -> Newcomer {
    let invite = invite.map(str::to_owned);
    Newcomer { config: user(name), password: None, source: AuthSource::Local, invite, identity: None }
}

#[tokio::test]
async fn a_code_has_as_many_uses_as_it_says_however_many_come_at_once() {
    each_db(|test| async move {
        let (db, other) = (&test.db, test.another().await);
        let maker = stored_user(db, "maker").await;
        let terms = InviteTerms { max_uses: 3, expires_at: NOW.plus(DAY), active: true };
        let id = invites::create(db, "CODE", maker, terms, NOW).await.unwrap();
        assert!(matches!(invites::create(db, "CODE", maker, terms, NOW).await, Err(StoreError::Conflict(_))));
        let tries = (0..12).map(|n| {
            let db = if n % 2 == 0 { db.clone() } else { other.clone() };
            async move { users::admit(&db, newcomer(&format!("guest{n}"), Some("CODE")), NOW).await }
        });
        let (in_, out): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
        assert_eq!((in_.len(), out.len()), (3, 9));
        assert!(out.iter().all(|refused| *refused == Err(StoreError::NotFound)), "{out:?}");
        let row = invites::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.current_uses, row.max_uses), (3, 3));
        let guest = users::get(db, *in_[0].as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!((guest.inviter, guest.auth_source), (Some(maker), AuthSource::Local));
        let (_, total) = users::list(db, &users::UserFilter::default(), Page::default()).await.unwrap();
        assert_eq!(total, 4, "who was refused left nothing behind");
    })
    .await;
}

#[tokio::test]
async fn a_user_who_cannot_be_made_uses_no_code_and_an_old_code_lets_nobody_in() {
    each_db(|test| async move {
        let db = &test.db;
        let maker = stored_user(db, "maker").await;
        let terms = |active, expires_at| InviteTerms { max_uses: 1, expires_at, active };
        let good = invites::create(db, "GOOD", maker, terms(true, NOW.plus(1)), NOW).await.unwrap();
        invites::create(db, "OLD", maker, terms(true, NOW), NOW).await.unwrap();
        invites::create(db, "OFF", maker, terms(false, NOW.plus(1)), NOW).await.unwrap();
        let taken = users::admit(db, newcomer("maker", Some("GOOD")), NOW).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))));
        assert_eq!(invites::get(db, good).await.unwrap().unwrap().current_uses, 0);
        for code in ["OLD", "OFF", "NONE"] {
            assert_eq!(users::admit(db, newcomer("x", Some(code)), NOW).await, Err(StoreError::NotFound), "{code}");
        }
        let listed = async |state| invites::list(db, Some(state), NOW, Page::default()).await.unwrap().0;
        assert_eq!(listed(InviteState::Active).await[0].code, "GOOD");
        assert_eq!(listed(InviteState::Expired).await[0].code, "OLD");
        assert_eq!(listed(InviteState::Inactive).await[0].code, "OFF");
        assert_eq!(invites::update(db, good, 9, terms(true, NOW), NOW).await, Err(StoreError::VersionConflict));
        invites::delete(db, good).await.unwrap();
        assert_eq!(invites::delete(db, good).await, Err(StoreError::NotFound));
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_counts_once_confirmed_and_each_code_once() {
    each_db(|test| async move {
        let (db, other, vault) = (&test.db, test.another().await, vault());
        let id = stored_user(db, "ada").await;
        second_factor::begin(db, vault.as_ref(), id, "ada", NOW).await.unwrap();
        let begun = second_factor::begin(db, vault.as_ref(), id, "ada", NOW).await.unwrap();
        let code = |ms| SecretString::from(totp::code_at(&begun.secret, NOW.plus(ms)).unwrap());
        let prove =
            async |db, code: &SecretString| second_factor::prove(db, vault.as_ref(), id, code, NOW).await.unwrap();
        assert!(!prove(db, &code(0)).await, "not before it was confirmed");
        let confirm =
            async |code: &SecretString| second_factor::confirm(db, vault.as_ref(), id, code, NOW).await.unwrap();
        assert!(confirm(&code(90_000)).await.is_none());
        let codes = confirm(&code(-30_000)).await.unwrap();
        assert!(confirm(&code(0)).await.is_none(), "confirmed once");
        assert!(matches!(second_factor::begin(db, vault.as_ref(), id, "ada", NOW).await, Err(StoreError::Conflict(_))));
        assert!(!prove(db, &code(-30_000)).await, "the code that confirmed it was used");
        let now = code(0);
        let both = futures_util::future::join(prove(db, &now), prove(&other, &now)).await;
        assert_eq!(u8::from(both.0) + u8::from(both.1), 1, "of two instances one accepts it");
        assert!(!prove(db, &code(-30_000)).await, "and none before it");
        let recovery = SecretString::from(codes[0].as_str());
        let both = futures_util::future::join(prove(db, &recovery), prove(&other, &recovery)).await;
        assert_eq!(u8::from(both.0) + u8::from(both.1), 1);
        assert_eq!(second_factors::codes_left(db, id).await.unwrap(), 9);
        let row = users::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.second_factor_at, row.token_version), (Some(NOW), 2));
        second_factors::remove(db, id, NOW).await.unwrap();
        let row = users::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.second_factor_at, row.token_version), (None, 3));
        assert!(!prove(db, &SecretString::from(codes[1].as_str())).await);
    })
    .await;
}

#[tokio::test]
async fn a_person_of_a_provider_is_one_user_for_ever() {
    each_db(|test| async move {
        let db = &test.db;
        let person = |name: &str, issuer: &str, subject: &str| Newcomer {
            source: AuthSource::Oidc,
            identity: Some((issuer.to_owned(), subject.to_owned())),
            ..newcomer(name, None)
        };
        let id = users::admit(db, person("ada", "https://a", "1"), NOW).await.unwrap();
        let other = users::admit(db, person("ada2", "https://b", "1"), NOW).await.unwrap();
        assert!(matches!(users::admit(db, person("ada3", "https://a", "1"), NOW).await, Err(StoreError::Conflict(_))));
        assert_eq!(identities::find(db, "https://a", "1").await.unwrap(), Some(id));
        assert_eq!(identities::find(db, "https://b", "1").await.unwrap(), Some(other));
        assert_eq!(identities::find(db, "https://a", "2").await.unwrap(), None::<UserId>);
        users::delete(db, id, NOW).await.unwrap();
        assert_eq!(identities::find(db, "https://a", "1").await.unwrap(), None, "a deleted user frees the person");
    })
    .await;
}
