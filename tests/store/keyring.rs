//! The keyring over a real database: caching, changes, outages, old schemes.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::time::DAY;
use quotalane::identity::key_text::{self, Pepper, crs_digest, sha256_digest};
use quotalane::identity::keyring::{KeyRefusal, Keyring, Schemes};
use quotalane::store::keys::{self, KeyStatus};
use quotalane::store::users::{self, UserStatus};
use secrecy::{ExposeSecret, SecretString};

use crate::builders::{NOW, key, stored_user, user};
use crate::servers::{TestDb, each_db};

const RAW: &str = "cr_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn pepper() -> Pepper {
    Pepper::new("p1", &[7; 32])
}

fn keyring(test: &TestDb, clock: &Clock) -> Keyring {
    let crs = Some(SecretString::from("0123456789abcdef0123456789abcdef"));
    let schemes = Schemes { peppers: vec![pepper(), Pepper::new("p0", &[6; 32])], crs, sha256: true };
    Keyring::new(test.db.clone(), schemes, clock.clone()).unwrap()
}

async fn stored_key(test: &TestDb) -> actors::domain::id::KeyId {
    let owner = stored_user(&test.db, "ada").await;
    let mut new = key(owner, "k", "");
    new.digest = pepper().digest(RAW);
    keys::create(&test.db, new, NOW).await.unwrap()
}

#[tokio::test]
async fn a_found_key_is_answered_from_memory() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let keyring = keyring(&test, &clock);
        let id = stored_key(&test).await;
        assert!(keyring.cached(RAW).is_none());
        let policy = keyring.find(RAW).await.unwrap();
        assert_eq!(policy.id, id);
        assert!(Arc::ptr_eq(&policy, &keyring.cached(RAW).unwrap()));
        let stats = keyring.stats();
        assert_eq!((stats.cached, stats.loads, stats.hits), (1, 1, 1));
        // The same first 40 characters are not the same key.
        let neighbour = format!("{}0", &RAW[..66]);
        assert_eq!(keyring.find(&neighbour).await, Err(KeyRefusal::Invalid));
        assert!(keyring.cached(&neighbour).is_none());
    })
    .await;
}

#[tokio::test]
async fn unknown_and_malformed_keys_get_one_answer_and_are_remembered() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let keyring = keyring(&test, &clock);
        stored_key(&test).await;
        for raw in ["", "x", "cr_", "' OR 1=1 --", "cr_\u{0}", &"z".repeat(10_000), &RAW.to_uppercase()] {
            assert_eq!(keyring.find(raw).await, Err(KeyRefusal::Invalid), "{raw:.20}");
        }
        let loads = keyring.stats().loads;
        assert_eq!(keyring.find("x").await, Err(KeyRefusal::Invalid));
        assert_eq!(keyring.stats().loads, loads, "not looked up again");
        clock.advance(10_000);
        assert_eq!(keyring.find("x").await, Err(KeyRefusal::Invalid));
        assert_eq!(keyring.stats().loads, loads + 1);
    })
    .await;
}

#[tokio::test]
async fn changes_made_elsewhere_are_seen_with_the_next_poll() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let keyring = keyring(&test, &clock);
        let id = stored_key(&test).await;
        let owner = keyring.find(RAW).await.unwrap().owner.id;
        keyring.poll().await.unwrap();
        assert!(keyring.cached(RAW).is_some(), "an unchanged key stays");

        keys::set_status(&test.db, id, KeyStatus::Revoked, NOW).await.unwrap();
        keyring.poll().await.unwrap();
        assert!(keyring.cached(RAW).is_none());
        assert_eq!(keyring.find(RAW).await, Err(KeyRefusal::Disabled));

        keys::set_status(&test.db, id, KeyStatus::Active, NOW).await.unwrap();
        keyring.invalidate(id);
        assert!(keyring.find(RAW).await.is_ok());

        let mut banned = user("ada");
        banned.status = UserStatus::Banned;
        users::update(&test.db, owner, 1, banned, true, NOW).await.unwrap();
        keyring.poll().await.unwrap();
        assert_eq!(keyring.find(RAW).await, Err(KeyRefusal::OwnerDisabled));
    })
    .await;
}

#[tokio::test]
async fn cached_keys_outlive_the_database_and_others_are_not_called_unknown() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let keyring = keyring(&test, &clock);
        stored_key(&test).await;
        keyring.find(RAW).await.unwrap();
        test.db.close().await;
        for _ in 0..3 {
            assert!(keyring.poll().await.is_err());
            clock.advance(60_000);
            assert!(keyring.cached(RAW).is_some());
            assert!(keyring.find(RAW).await.is_ok());
        }
        assert!(keyring.stats().stale);
        assert_eq!(keyring.find("cr_another").await, Err(KeyRefusal::Unavailable));
    })
    .await;
}

#[tokio::test]
async fn keys_end_at_their_time_also_in_memory() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let keyring = keyring(&test, &clock);
        let id = stored_key(&test).await;
        let mut config = keys::get(&test.db, id, None).await.unwrap().unwrap().config;
        config.activation_ms = Some(DAY);
        keys::update(&test.db, id, 1, config, NOW).await.unwrap();
        assert_eq!(keyring.find(RAW).await.unwrap().activation_ms, Some(DAY));
        keyring.activate(id).await.unwrap();
        assert_eq!(keyring.find(RAW).await.unwrap().expires_at, Some(NOW.plus(DAY)));
        clock.advance(DAY);
        assert!(keyring.cached(RAW).is_none());
        assert_eq!(keyring.find(RAW).await, Err(KeyRefusal::Expired));
    })
    .await;
}

#[tokio::test]
async fn old_schemes_find_their_keys_and_move_to_ours() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        let owner = stored_user(&test.db, "ada").await;
        let crs_key = SecretString::from("0123456789abcdef0123456789abcdef");
        for old in [crs_digest(RAW, &crs_key), sha256_digest(RAW), Pepper::new("p0", &[6; 32]).digest(RAW)] {
            let mut new = key(owner, "imported", "");
            new.digest = old.clone();
            let id = keys::create(&test.db, new, NOW).await.unwrap();
            let keyring = keyring(&test, &clock);
            assert_eq!(keyring.find(RAW).await.unwrap().id, id, "{}", old.scheme);
            while keys::find(&test.db, &[pepper().digest(RAW)], NOW).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            assert_eq!(keys::find(&test.db, &[old], NOW).await.unwrap(), None);
            keys::rotate(&test.db, id, pepper().digest(&id.to_string()), String::new(), String::new(), NOW, NOW)
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn made_keys_are_found_and_no_table_holds_their_text() {
    each_db(|test| async move {
        let keyring = keyring(&test, &Clock::frozen(NOW));
        let raw = key_text::make();
        let (prefix, last4) = key_text::shown(&raw);
        let mut new = key(stored_user(&test.db, "ada").await, "k", "");
        (new.digest, new.prefix, new.last4) = (keyring.digest(raw.expose_secret()), prefix, last4);
        keys::create(&test.db, new, NOW).await.unwrap();
        assert!(keyring.find(raw.expose_secret()).await.is_ok());
        if let Some(file) = test.db.file() {
            let file = file.to_owned();
            test.db.close().await;
            let bytes = std::fs::read(file).unwrap();
            let text = raw.expose_secret().as_bytes();
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    })
    .await;
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |sample: &[f64]| {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((a, va), (b, vb)) = (moments(one), moments(other));
    (a - b) / (va + vb).sqrt()
}

/// Texts of a kind. Each is one observation, by its median: where a hash puts it in memory takes its own time.
const TEXTS: usize = 128;
/// Calls per text.
const CALLS: usize = 265;

/// How long each text of two kinds takes to be refused, asked for in turns, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
async fn timed(keyring: &Keyring, kinds: [&[String]; 2]) -> [Vec<f64>; 2] {
    let mut times = [vec![Vec::new(); TEXTS], vec![Vec::new(); TEXTS]];
    let mut place = String::with_capacity(256);
    for round in 0..CALLS {
        for text in 0..TEXTS {
            for kind in [round % 2, 1 - round % 2] {
                // Read from one place, as from a connection: where a text lies in memory is not what is measured.
                place.clear();
                place.push_str(&kinds[kind][text]);
                let begun = std::time::Instant::now();
                let answer = keyring.find(&place).await;
                times[kind][text].push(begun.elapsed().as_nanos());
                assert_eq!(answer, Err(KeyRefusal::Invalid));
            }
        }
    }
    times.map(|texts| texts.into_iter().map(median).collect())
}

fn median(mut times: Vec<u128>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2] as f64
}

#[tokio::test]
async fn how_long_a_refusal_takes_tells_nothing() {
    each_db(|test| async move {
        let keyring = keyring(&test, &Clock::frozen(NOW));
        let owner = stored_user(&test.db, "ada").await;
        // Keys in every part of the memory.
        let known = |number: usize| format!("cr_{number:064x}");
        for number in 0..200 {
            let mut new = key(owner, "k", "");
            new.digest = pepper().digest(&known(number));
            keys::create(&test.db, new, NOW).await.unwrap();
            keyring.find(&known(number)).await.unwrap();
        }
        let kind = |make: &dyn Fn(usize) -> String| (0..TEXTS).map(make).collect::<Vec<String>>();
        let unknown = kind(&|number| format!("cr_{:064x}", number * 7_919 + 1_000_000_007));
        let wrong = kind(&|number| format!("cr_f{}", &known(number)[4..]));
        let malformed = kind(&|number| format!("cr {:064x}", number * 104_729));
        // Remembered in turns: a map finds what came first a little sooner.
        for number in 0..TEXTS {
            for at in 0..3 {
                let raw = &[&unknown, &wrong, &malformed][(number + at) % 3][number];
                assert_eq!(keyring.find(raw).await, Err(KeyRefusal::Invalid));
            }
        }
        for pair in [[&*unknown, &*wrong], [&*unknown, &*malformed]] {
            let mut seen = Vec::new();
            // A difference in the code shows every time; one of the machine does not.
            for _ in 0..5 {
                let [one, other] = timed(&keyring, pair).await;
                seen.push(welch(&one, &other).abs());
                if seen.last().is_some_and(|t| *t < 4.5) {
                    break;
                }
            }
            println!("Welch's t: {seen:.2?}");
            assert!(seen.iter().any(|t| *t < 4.5), "{seen:?}");
        }
    })
    .await;
}
