//! Tokens that must pass, and the list of forgeries that must not (`reliability.md` S8).

use actors::domain::time::{HOUR, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::store::users::{AuthSource, KeyLimits, Profile, UserConfig, UserStatus};

const OLD: &str = "old:oooooooooooooooooooooooooooooooo";
const NEW: &str = "new:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

fn user() -> UserRow {
    UserRow {
        id: UserId(7),
        config: UserConfig {
            external_id: None,
            username: "ada".to_owned(),
            email: None,
            display_name: String::new(),
            role: Role::Admin,
            status: UserStatus::Active,
            max_concurrency: 0,
            rpm_limit: 0,
            max_api_keys: 0,
            price_rate_ppm: 1_000_000,
            profile: Profile::default(),
            default_key_limits: KeyLimits::default(),
        },
        password: None,
        auth_source: AuthSource::Local,
        inviter: None,
        second_factor_at: None,
        token_version: 3,
        version: 1,
        last_login_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        deleted_at: None,
    }
}

fn tokens(setting: &str, clock: &Clock) -> Tokens {
    Tokens::new(&SecretString::from(setting), 86_400, clock.clone()).unwrap()
}

fn clock() -> Clock {
    Clock::frozen(Timestamp(1_800_000_000_000))
}

fn forged(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[test]
fn a_token_carries_the_claims_until_it_ends() {
    let clock = clock();
    let tokens = tokens(OLD, &clock);
    let (text, claims) = tokens.issue(&user()).unwrap();
    assert_eq!(tokens.check(text.expose_secret()), Ok(claims.clone()));
    assert_eq!((claims.user(), claims.ver, claims.role, claims.jti.len()), (UserId(7), 3, Role::Admin, 32));
    clock.advance(24 * HOUR + 29 * SECOND);
    assert!(tokens.check(text.expose_secret()).is_ok(), "skew is forgiven");
    clock.advance(SECOND);
    assert_eq!(tokens.check(text.expose_secret()), Err(TokenError::Expired));
}

#[test]
fn renewal_ends_with_the_session_and_step_up_with_five_minutes() {
    let clock = clock();
    let tokens = tokens(OLD, &clock);
    let (_, mut claims) = tokens.issue(&user()).unwrap();
    for _ in 0..6 {
        clock.advance(24 * HOUR);
        claims = tokens.renew(&user(), &claims).unwrap().1;
    }
    clock.advance(23 * HOUR);
    let (_, last) = tokens.step_up(&user(), &claims).unwrap();
    assert_eq!(last.exp, last.auth_at + SESSION_S);
    assert!(last.stepped_up(&clock) && !claims.stepped_up(&clock));
    clock.advance(STEP_UP_S * SECOND + SECOND);
    assert!(!last.stepped_up(&clock));
    clock.advance(HOUR);
    assert_eq!(tokens.renew(&user(), &last).map(drop), Err(TokenError::Expired));
}

#[test]
fn a_new_secret_signs_and_the_old_one_still_checks() {
    let clock = clock();
    let old = tokens(OLD, &clock).issue(&user()).unwrap().0;
    let both = tokens(&format!("{NEW},{OLD}"), &clock);
    assert!(both.check(old.expose_secret()).is_ok());
    let new = both.issue(&user()).unwrap().0;
    assert!(tokens(NEW, &clock).check(new.expose_secret()).is_ok());
    assert_eq!(tokens(OLD, &clock).check(new.expose_secret()), Err(TokenError::Invalid));
}

#[test]
fn forgeries_are_refused() {
    let clock = clock();
    let tokens = tokens(&format!("{NEW},{OLD}"), &clock);
    let secret = b"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    let good = serde_json::to_value(tokens.issue(&user()).unwrap().1).unwrap();
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": "new"});
    assert!(tokens.check(&forged(&header, &good, secret)).is_ok(), "the forger itself works");
    for (name, header) in [
        ("none", json!({"alg": "none", "kid": "new"})),
        ("other algorithm", json!({"alg": "HS512", "kid": "new"})),
        ("public key algorithm", json!({"alg": "RS256", "kid": "new"})),
        ("unknown kid", json!({"alg": "HS256", "kid": "../../dev/null"})),
        ("kid of another secret", json!({"alg": "HS256", "kid": "old"})),
        ("no kid", json!({"alg": "HS256"})),
    ] {
        assert_eq!(tokens.check(&forged(&header, &good, secret)), Err(TokenError::Invalid), "{name}");
    }
    for (name, field, value) in [
        ("issuer", "iss", json!("other")),
        ("audience", "aud", json!("other")),
        ("future", "nbf", json!(1_800_000_000 + 31)),
        ("issued later", "iat", json!(1_800_000_000 + 31)),
        ("subject", "sub", json!("8")),
        ("role", "role", json!("root")),
        ("no end", "exp", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[field] = value;
        assert_eq!(tokens.check(&forged(&header, &claims, secret)), Err(TokenError::Invalid), "{name}");
    }
    for text in ["", "a.b.c", "..", &forged(&header, &good, b"changeme"), &forged(&header, &good, b"")] {
        assert_eq!(tokens.check(text), Err(TokenError::Invalid));
    }
}

#[test]
fn short_secrets_are_refused() {
    for setting in ["", "short", "k1:short", "k1:oooooooooooooooooooooooooooooooo,k2:short"] {
        let refused = Tokens::new(&SecretString::from(setting), 60, clock()).map(drop);
        assert_eq!(refused, Err(TokenError::Secrets), "{setting}");
    }
}

#[tokio::test]
async fn a_logged_out_token_is_remembered_until_it_would_have_ended() {
    use crate::cache::Cache;
    use crate::identity::revocation::{is_revoked, revoke};
    let clock = clock();
    let tokens = tokens(OLD, &clock);
    let cache = Cache::memory(clock.clone());
    let (one, other) = (tokens.issue(&user()).unwrap().1, tokens.issue(&user()).unwrap().1);
    revoke(&cache, &one, &clock).await.unwrap();
    assert_eq!((is_revoked(&cache, &one).await, is_revoked(&cache, &other).await), (Ok(true), Ok(false)));
    clock.advance(24 * HOUR + 30 * SECOND);
    assert_eq!(is_revoked(&cache, &one).await, Ok(true), "the skew that the token is forgiven is covered");
    clock.advance(HOUR);
    assert_eq!(is_revoked(&cache, &one).await, Ok(false));
}
