//! Login at an OpenID provider: a test provider with real keys, and every way in which its token can be wrong.

use std::sync::{Arc, Mutex};

use actix_http::header::{COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quotalane::store::users::Role;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, with_app};
use crate::token_server::{Seen, TokenServer};

const CLIENT: &str = "quotalane-test";
const SECRET: &str = "p@ss word";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
}

impl Keys {
    fn new() -> Self {
        let pem = include_str!("../data/oidc/rsa.pem");
        let rsa =
            RsaKeyPair::from_pkcs8(PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_pkcs8_der());
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        Self { rsa: rsa.unwrap(), ec }
    }

    fn published(&self) -> Value {
        let parts = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "use": "enc", "kid": "e1", "n": b64(&parts.n), "e": b64(&parts.e)},
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "r1", "n": b64(&parts.n), "e": b64(&parts.e)},
            {"kty": "EC", "crv": "P-256", "kid": "c1", "x": b64(&point[1..33]), "y": b64(&point[33..])},
            {"kty": "oct", "kid": "s1", "k": b64("shared")},
        ]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match header["alg"].as_str().unwrap() {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            }
            "ES256" => self.ec.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
            // Confusion: the published key as the secret of an HMAC.
            "HS256" => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &parts.n);
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{text}.{}", b64(signature))
    }
}

/// What the provider's next token says; changed by each test case.
#[derive(Clone)]
struct Script {
    header: Value,
    change: Arc<dyn Fn(&mut Value) + Send + Sync>,
    nonce: String,
    cut: bool,
}

struct Provider {
    server: TokenServer,
    script: Arc<Mutex<Script>>,
}

fn now() -> i64 {
    actors::clock::Clock::system().now().0 / 1_000
}

impl Provider {
    fn start() -> Self {
        let script = Arc::new(Mutex::new(Script {
            header: json!({"alg": "RS256", "kid": "r1"}),
            change: Arc::new(|_| {}),
            nonce: String::new(),
            cut: false,
        }));
        let (keys, said, issuer) = (Keys::new(), Arc::clone(&script), Arc::new(Mutex::new(String::new())));
        let own = Arc::clone(&issuer);
        let server = TokenServer::start(move |seen| answer(seen, &keys, &said.lock().unwrap(), &own.lock().unwrap()));
        *issuer.lock().unwrap() = server.url("");
        Self { server, script }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("QUOTALANE_OIDC__ENABLED", "true".to_owned()),
            ("QUOTALANE_OIDC__NAME", "Test".to_owned()),
            ("QUOTALANE_OIDC__ISSUER", self.server.url("")),
            ("QUOTALANE_OIDC__CLIENT_ID", CLIENT.to_owned()),
            ("QUOTALANE_OIDC__CLIENT_SECRET", SECRET.to_owned()),
            ("QUOTALANE_OIDC__REDIRECT_URI", "http://127.0.0.1:1/callback".to_owned()),
            ("QUOTALANE_OIDC__GROUP_ROLE_MAP", r#"{"ops": "admin", "watch": "auditor"}"#.to_owned()),
        ]
    }
}

fn answer(seen: &Seen, keys: &Keys, script: &Script, issuer: &str) -> (u16, String) {
    match seen.line.as_str() {
        "GET /.well-known/openid-configuration" => {
            let at = |path: &str| format!("{issuer}{path}");
            let metadata = json!({"issuer": issuer, "authorization_endpoint": at("/authorize"),
                "token_endpoint": at("/token"), "jwks_uri": at("/keys")});
            (200, metadata.to_string())
        }
        "GET /keys" => (200, keys.published().to_string()),
        "POST /token" if script.cut => (400, json!({"error": "invalid_grant"}).to_string()),
        "POST /token" => {
            let mut claims = json!({"iss": issuer, "aud": CLIENT, "sub": "person-7", "nonce": script.nonce,
                "iat": now(), "exp": now() + 300, "email": "Ada@Example.org", "email_verified": true,
                "name": "Ada L.", "preferred_username": "ada", "groups": ["watch", "others"]});
            (script.change)(&mut claims);
            let token = keys.sign(&script.header, &claims);
            (200, json!({"id_token": token, "access_token": "x", "token_type": "Bearer"}).to_string())
        }
        other => (404, other.to_owned()),
    }
}

fn query(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned()
}

struct Begun {
    url: String,
    cookie: String,
}

async fn begin(app: &TestApp) -> Begun {
    let answer = app.get("/auth/oidc/start", "").await;
    let cookie = answer.headers.get(SET_COOKIE).unwrap().to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let url = answer.data()["auth_url"].as_str().unwrap().to_owned();
    Begun { url, cookie: cookie.split(';').next().unwrap().to_owned() }
}

async fn come_back(app: &TestApp, state: &str, cookie: &str) -> Answer {
    let url = format!("http://{}/api/v1/auth/oidc/callback?state={state}&code=abc", app.app.addr);
    app.call_with("GET", url, "", None, vec![(COOKIE, HeaderValue::from_str(cookie).unwrap())]).await
}

async fn whole(app: &TestApp, provider: &Provider) -> Answer {
    let begun = begin(app).await;
    provider.script.lock().unwrap().nonce = query(&begun.url, "nonce");
    come_back(app, &query(&begun.url, "state"), &begun.cookie).await
}

fn with_provider<F: Future<Output = ()>>(test: impl FnOnce(std::rc::Rc<TestApp>, Provider) -> F) {
    let provider = Provider::start();
    let variables = provider.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    with_app(&variables, |app| async move {
        app.owner().await;
        test(app, provider).await;
    });
}

#[test]
fn a_person_of_the_provider_gets_a_user_and_the_same_one_again() {
    with_provider(|app, provider| async move {
        assert_eq!(app.get("/auth/methods", "").await.data()["oidc"], "Test");
        let first = whole(&app, &provider).await.data();
        assert_eq!((&first["username"], &first["role"]), (&json!("ada"), &json!("auditor")));
        let me = app.get("/users/me", first["token"].as_str().unwrap()).await.data();
        assert_eq!((&me["auth_source"], &me["email"]), (&json!("oidc"), &json!("ada@example.org")));
        // The address of the provider changes nothing about who it is; the group does about the role.
        provider.script.lock().unwrap().change = Arc::new(|claims| {
            claims["email"] = json!("new@example.org");
            claims["groups"] = json!("ops");
        });
        let second = whole(&app, &provider).await.data();
        assert_eq!((&second["user_id"], &second["role"]), (&first["user_id"], &json!("admin")));
        assert_eq!(app.get("/users/me", first["token"].as_str().unwrap()).await.status, 401, "the role has changed");

        let exchange = provider.server.seen("POST /token").pop().unwrap();
        assert_eq!(exchange.field("grant_type").as_deref(), Some("authorization_code"));
        assert!(exchange.field("code_verifier").unwrap().len() == 43 && exchange.field("client_secret").is_none());
        assert!(exchange.head.contains("authorization: basic "), "{}", exchange.head);
        assert_eq!(provider.server.seen("GET /keys").len(), 1, "metadata and keys are kept");
    });
}

#[test]
fn a_login_by_the_page_of_the_console_is_audited() {
    with_provider(|app, provider| async move {
        let owner = app.session("watcher", Role::SuperAdmin).await.1;
        let begun = begin(&app).await;
        provider.script.lock().unwrap().nonce = query(&begun.url, "nonce");
        let url = format!("http://{}/api/v1/auth/oidc/callback", app.app.addr);
        let back = json!({"state": query(&begun.url, "state"), "code": "abc"});
        let cookie = vec![(COOKIE, HeaderValue::from_str(&begun.cookie).unwrap())];
        let person = app.call_with("POST", url, "", Some(back), cookie).await.data();
        let entry = app.get("/audit-logs?action=login", &owner).await.data()["items"][0].clone();
        assert_eq!((&entry["actor_id"], &entry["result"]), (&person["user_id"], &json!("ok")), "{entry}");
        assert_eq!(entry["changes"]["method"], json!([null, "oidc"]), "{entry}");
    });
}

#[test]
fn elliptic_keys_and_redirects_work_too() {
    with_provider(|app, provider| async move {
        provider.script.lock().unwrap().header = json!({"alg": "ES256", "kid": "c1"});
        assert_eq!(whole(&app, &provider).await.status, 200);
        let answer = app.get("/auth/oidc/start?redirect=true", "").await;
        let to = answer.headers.get(LOCATION).unwrap().to_str().unwrap();
        assert_eq!((answer.status, query(to, "code_challenge_method").as_str()), (302, "S256"));
        assert!(to.starts_with(&provider.server.url("/authorize?")), "{to}");
        assert_eq!(query(to, "redirect_uri"), "http://127.0.0.1:1/callback");
        assert_eq!(query(to, "scope"), "openid profile email");
    });
}

type Change = fn(&mut Value);

#[test]
fn a_token_that_is_wrong_in_any_way_lets_nobody_in() {
    let claims: &[(&str, Change)] = &[
        ("issuer", |c| c["iss"] = json!("https://other.example")),
        ("audience", |c| c["aud"] = json!("another-client")),
        ("audiences without a party", |c| c["aud"] = json!([CLIENT, "another-client"])),
        ("party", |c| {
            c["aud"] = json!([CLIENT, "another-client"]);
            c["azp"] = json!("another-client");
        }),
        ("nonce", |c| c["nonce"] = json!("another")),
        ("no nonce", |c| drop(c.as_object_mut().unwrap().remove("nonce"))),
        ("ended", |c| c["exp"] = json!(now() - 40)),
        ("issued in the future", |c| c["iat"] = json!(now() + 90)),
        ("not yet", |c| c["nbf"] = json!(now() + 90)),
        ("nobody", |c| c["sub"] = json!("")),
        ("no subject", |c| drop(c.as_object_mut().unwrap().remove("sub"))),
    ];
    let headers = [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "r1"}),
        json!({"alg": "HS256", "kid": "s1"}),
        json!({"alg": "RS256", "kid": "unknown"}),
        json!({"alg": "RS256", "kid": "c1"}),
        json!({"alg": "ES256", "kid": "r1"}),
        json!({"alg": "RS256", "kid": "e1"}),
        json!({"alg": "PS256", "kid": "r1"}),
    ];
    with_provider(|app, provider| async move {
        // More tries than one address may make in earnest.
        let plain = provider.script.lock().unwrap().clone();
        for (name, change) in claims {
            app.app.storage.cache.clear_window("login:ip:127.0.0.1").await.unwrap();
            forget_failures(&app).await;
            *provider.script.lock().unwrap() = Script { change: Arc::new(*change), ..plain.clone() };
            assert_eq!(whole(&app, &provider).await.failure(), (401, "INVALID_CREDENTIALS".to_owned()), "{name}");
        }
        for header in headers {
            app.app.storage.cache.clear_window("login:ip:127.0.0.1").await.unwrap();
            forget_failures(&app).await;
            *provider.script.lock().unwrap() = Script { header: header.clone(), ..plain.clone() };
            assert_eq!(whole(&app, &provider).await.failure().0, 401, "{header}");
        }
        forget_failures(&app).await;
        *provider.script.lock().unwrap() = plain;
        assert_eq!(whole(&app, &provider).await.status, 200, "and the right one does");
        assert_eq!(app.get("/users?q=ada", &app.session("looker", Role::Auditor).await.1).await.data()["total"], 1);
    });
}

/// Failures of this test's name from this address.
async fn forget_failures(app: &TestApp) {
    let clock = app.app.engine.clock.clone();
    let throttle = quotalane::identity::throttle::Throttle::new(app.app.storage.cache.clone(), clock);
    throttle.succeeded("oidc", "127.0.0.1".parse().unwrap()).await;
    let name = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest("oidc")[..16]);
    app.app.storage.cache.clear_window(&format!("login:name:{name}")).await.unwrap();
}

#[test]
fn a_state_counts_once_and_only_for_its_browser() {
    with_provider(|app, provider| async move {
        let begun = begin(&app).await;
        let (state, other) = (query(&begun.url, "state"), begin(&app).await);
        provider.script.lock().unwrap().nonce = query(&begun.url, "nonce");
        assert_eq!(come_back(&app, &"A".repeat(43), &begun.cookie).await.status, 401);
        assert_eq!(come_back(&app, &state, &begun.cookie).await.status, 200);
        assert_eq!(come_back(&app, &state, &begun.cookie).await.failure().0, 401, "replayed");
        let theirs = query(&other.url, "state");
        provider.script.lock().unwrap().nonce = query(&other.url, "nonce");
        assert_eq!(come_back(&app, &theirs, &begun.cookie).await.failure().0, 401, "of another browser");
        provider.script.lock().unwrap().cut = true;
        assert_eq!(whole(&app, &provider).await.failure().0, 401, "the code is refused");
    });
}

#[test]
fn a_local_user_is_never_taken_over() {
    with_provider(|app, provider| async move {
        let (_, owner) = app.session("chief", Role::SuperAdmin).await;
        let body = json!({"username": "ada", "password": "correct horse"});
        let local = app.post("/users", &owner, body).await.data();
        assert_eq!(whole(&app, &provider).await.failure(), (409, "ACCOUNT_CONFLICT".to_owned()));
        let path = format!("/users/{}", local["id"]);
        let moved = json!({"username": "someone", "email": "ada@example.org"});
        app.patch(&path, &owner, moved).await.data();
        assert_eq!(whole(&app, &provider).await.failure(), (409, "ACCOUNT_CONFLICT".to_owned()));
        // An address that nobody checked proves nothing and takes nothing.
        provider.script.lock().unwrap().change = Arc::new(|claims| claims["email_verified"] = json!(false));
        let in_ = whole(&app, &provider).await.data();
        assert_eq!((&in_["username"], &in_["email"]), (&json!("ada"), &json!(null)));
        let banned = json!({"status": "banned"});
        app.post(&format!("/users/{}/status", in_["user_id"]), &owner, banned).await.data();
        assert_eq!(whole(&app, &provider).await.failure().0, 401, "the local status wins");
    });
}

#[test]
fn without_a_provider_there_is_no_such_login() {
    with_app(&[], |app| async move {
        app.owner().await;
        assert_eq!(app.get("/auth/oidc/start", "").await.status, 404);
        assert_eq!(app.get("/auth/methods", "").await.data()["oidc"], json!(null));
    });
    let away = [
        ("QUOTALANE_OIDC__ENABLED", "true"),
        ("QUOTALANE_OIDC__ISSUER", "http://127.0.0.1:9"),
        ("QUOTALANE_OIDC__CLIENT_ID", CLIENT),
        ("QUOTALANE_SERVER__PUBLIC_URL", "http://127.0.0.1:1"),
    ];
    with_app(&away, |app| async move {
        app.owner().await;
        let answer = app.get("/auth/oidc/start", "").await;
        assert_eq!(answer.failure(), (503, "OIDC_UNAVAILABLE".to_owned()));
    });
}
