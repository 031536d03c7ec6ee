//! Requests and answers of every kind that has tokens.

use std::collections::BTreeMap;

use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use actors::ports::RefreshError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::authorize::{Intent, link};
use super::device::{self, Poll};
use super::exchange::{self, Redemption};
use super::*;

const NOW: Timestamp = Timestamp(1_760_000_000_000);

fn config(name: &str, scopes: &[&str]) -> OAuthConfig {
    OAuthConfig {
        authorize_url: format!("https://{name}.example/authorize"),
        token_url: format!("https://{name}.example/token"),
        client_id: format!("{name}-client"),
        client_secret: None,
        redirect_uri: "http://localhost:1455/auth/callback".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        account_url: String::new(),
    }
}

fn book() -> OAuthBook {
    OAuthBook {
        user_agent: USER_AGENT.to_owned(),
        claude_official: config("claude", &["user:profile", "user:inference"]),
        codex: config("codex", &["openid", "offline_access"]),
        gemini: OAuthConfig { client_secret: Some("shh".into()), ..config("gemini", &["https://g.example/auth/x"]) },
        droid: config("droid", &[]),
    }
}

fn credential(refresh: Option<&str>) -> Credential {
    let secret = Secret::OAuth { access: "old-access".into(), refresh: refresh.map(Into::into) };
    Credential { secret, expires_at: Some(NOW), version: 7 }
}

fn parts(credential: &Credential) -> (String, Option<String>) {
    let Secret::OAuth { access, refresh } = &credential.secret else { unreachable!() };
    (access.expose_secret().to_owned(), refresh.as_ref().map(|r| r.expose_secret().to_owned()))
}

fn jwt(claims: &str) -> String {
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
}

fn refresh_body(kind: AccountKind, token: &str, options: &[(&str, &str)]) -> (String, String) {
    let (book, options) = (book(), options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    let call = refresh::request(&book.party(kind).unwrap(), &credential(Some(token)), &options).unwrap();
    assert_eq!(call.method, actix_http::Method::POST);
    let kind = call.headers.iter().find(|(name, _)| name == "content-type").unwrap().1.to_str().unwrap().to_owned();
    (kind, String::from_utf8(call.body.to_vec()).unwrap())
}

#[test]
fn each_kind_refreshes_in_its_own_form() {
    let form = "application/x-www-form-urlencoded".to_owned();
    assert_eq!(
        refresh_body(AccountKind::ClaudeOfficial, "r\"1", &[]),
        (
            "application/json".to_owned(),
            r#"{"grant_type":"refresh_token","refresh_token":"r\"1","client_id":"claude-client"}"#.to_owned()
        )
    );
    let codex = "grant_type=refresh_token&refresh_token=r%2B1%26&client_id=codex-client&scope=openid+profile+email";
    assert_eq!(refresh_body(AccountKind::Codex, "r+1&", &[]), (form.clone(), codex.to_owned()));
    let gemini = "grant_type=refresh_token&refresh_token=1%2F%2F0&client_id=gemini-client&client_secret=shh";
    assert_eq!(refresh_body(AccountKind::Gemini, "1//0", &[]), (form.clone(), gemini.to_owned()));
    let droid = "grant_type=refresh_token&refresh_token=r1&client_id=droid-client&organization_id=org_1";
    assert_eq!(refresh_body(AccountKind::Droid, "r1", &[(ORGANIZATION_ID, "org_1")]), (form, droid.to_owned()));
}

#[test]
fn a_missing_client_secret_is_named_and_is_not_the_owners_fault() {
    let book = OAuthBook { gemini: config("gemini", &[]), ..book() };
    let party = book.party(AccountKind::Gemini).unwrap();
    let refused = refresh::request(&party, &credential(Some("r")), &BTreeMap::new()).err().unwrap();
    assert!(
        matches!(&refused, RefreshError::Transient(text) if text.contains("oauth.gemini.client_secret")),
        "{refused}"
    );
    let (state, verifier) = (SecretString::from("s"), SecretString::from("v"));
    let intent = Intent { state: &state, verifier: &verifier, redirect_uri: "", scopes: &[], consent: false };
    assert_eq!(link(&party, &intent), Err(Unready::NoClientSecret("oauth.gemini.client_secret")));
    let none = refresh::request(&party, &credential(None), &BTreeMap::new()).err().unwrap();
    assert!(matches!(none, RefreshError::Permanent(_)));
}

#[test]
fn links_ask_for_what_each_vendor_wants() {
    let book = book();
    let (state, verifier) =
        (SecretString::from("st"), SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    let of = |kind, consent| {
        let party = book.party(kind).unwrap();
        let (redirect_uri, scopes) = (party.config.redirect_uri.as_str(), party.config.scopes.as_slice());
        link(&party, &Intent { state: &state, verifier: &verifier, redirect_uri, scopes, consent })
    };
    let pkce = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=st";
    let redirect = "redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback";
    assert_eq!(
        of(AccountKind::ClaudeOfficial, false).unwrap(),
        format!(
            "https://claude.example/authorize?code=true&client_id=claude-client&response_type=code&{redirect}\
             &scope=user%3Aprofile+user%3Ainference&{pkce}"
        )
    );
    assert_eq!(
        of(AccountKind::Codex, false).unwrap(),
        format!(
            "https://codex.example/authorize?client_id=codex-client&response_type=code&{redirect}\
             &scope=openid+offline_access&{pkce}&id_token_add_organizations=true&codex_cli_simplified_flow=true"
        )
    );
    assert!(of(AccountKind::Gemini, false).unwrap().ends_with("&access_type=offline&prompt=select_account"));
    assert!(of(AccountKind::Gemini, true).unwrap().ends_with("&access_type=offline&prompt=consent"));
    assert_eq!(of(AccountKind::Droid, false), Err(Unready::OtherFlow));
    for kind in AccountKind::ALL {
        assert_eq!(book.party(kind).is_some(), kind.is_oauth(), "{kind:?}");
    }
}

#[test]
fn a_code_is_exchanged_in_the_form_of_its_vendor() {
    let book = book();
    let (code, state, verifier) = ("c/1".into(), "st".into(), "ve".into());
    let body = |kind, setup_token| {
        let redemption =
            Redemption { code: &code, state: &state, verifier: &verifier, redirect_uri: "http://r", setup_token };
        let call = exchange::request(&book.party(kind).unwrap(), &redemption).unwrap();
        String::from_utf8(call.body.to_vec()).unwrap()
    };
    assert_eq!(
        body(AccountKind::ClaudeOfficial, true),
        r#"{"grant_type":"authorization_code","client_id":"claude-client","code":"c/1","redirect_uri":"http://r","code_verifier":"ve","state":"st","expires_in":31536000}"#
    );
    let codex =
        "grant_type=authorization_code&client_id=codex-client&code=c%2F1&redirect_uri=http%3A%2F%2Fr&code_verifier=ve";
    assert_eq!(body(AccountKind::Codex, false), codex);
    assert!(body(AccountKind::Gemini, false).ends_with("&code_verifier=ve&client_secret=shh"));
}

#[test]
fn a_new_pair_replaces_the_old_one() {
    let book = book();
    let read = |kind, body: &str| {
        refresh::read(&book.party(kind).unwrap(), 200, body.as_bytes(), &credential(Some("r1")), NOW).unwrap()
    };
    let new = read(
        AccountKind::ClaudeOfficial,
        r#"{"access_token":"a2","refresh_token":"r2","expires_in":28800,"scope":"x"}"#,
    );
    assert_eq!(parts(&new), ("a2".to_owned(), Some("r2".to_owned())));
    assert_eq!((new.expires_at, new.version), (Some(NOW.plus(8 * HOUR - 30_000)), 7));
    let new = read(AccountKind::ClaudeOfficial, r#"{"access_token":"a2"}"#);
    assert_eq!((parts(&new).1.as_deref(), new.expires_at), (Some("r1"), None));
    let token = jwt(&format!(r#"{{"exp":{}}}"#, NOW.plus(HOUR).0 / 1_000));
    let new = read(AccountKind::Codex, &format!(r#"{{"access_token":"{token}"}}"#));
    assert_eq!(new.expires_at, Some(NOW.plus(HOUR - 30 * SECOND)));
    for life in ["", r#","expires_in":999999"#] {
        let new = read(AccountKind::Droid, &format!(r#"{{"access_token":"a","refresh_token":"r2"{life}}}"#));
        assert_eq!(new.expires_at, Some(NOW.plus(6 * HOUR + 30 * MINUTE - 30 * SECOND)), "refreshed every 6 h");
    }
}

#[test]
fn only_listed_refusals_are_permanent() {
    let book = book();
    for kind in [AccountKind::ClaudeOfficial, AccountKind::Codex, AccountKind::Gemini, AccountKind::Droid] {
        let party = book.party(kind).unwrap();
        let read = |status, body: &str| {
            refresh::read(&party, status, body.as_bytes(), &credential(Some("SECRET")), NOW).unwrap_err()
        };
        for word in outcome::PERMANENT {
            let permanent = RefreshError::Permanent(word.to_owned());
            assert_eq!(read(400, &format!(r#"{{"error":"{word}","error_description":"SECRET"}}"#)), permanent);
            assert_eq!(read(401, &format!(r#"{{"error":{{"type":"{word}"}}}}"#)), permanent);
            assert_eq!(read(401, &format!(r#"{{"error":{{"type":"x","code":"{word}"}}}}"#)), permanent);
        }
        for (status, body) in [
            (429, r#"{"error":"invalid_grant"}"#),
            (500, r#"{"error":"invalid_grant"}"#),
            (400, r#"{"error":"slow_down"}"#),
            (403, "<html>SECRET"),
            (200, "{}"),
        ] {
            let error = read(status, body);
            assert!(matches!(error, RefreshError::Transient(_)), "{status} {body}");
            assert!(!error.to_string().contains("SECRET"));
        }
    }
}

#[test]
fn a_failed_exchange_says_what_to_do() {
    let class = |status, body: &str| {
        let failure = answer::granted(manner(AccountKind::Codex).unwrap(), status, body.as_bytes(), NOW).unwrap_err();
        assert!(!failure.to_string().contains("SECRET") && !format!("{failure:?}").contains("SECRET"));
        failure.class
    };
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_grant","error_description":"SECRET"}"#, Class::Rejected),
        (401, "SECRET", Class::Rejected),
        (400, r#"{"error":"invalid_client"}"#, Class::Config),
        (400, r#"{"error":"redirect_uri_mismatch"}"#, Class::Config),
        (404, "", Class::Config),
        (302, "", Class::Config),
        (429, "", Class::RetrySafe),
        (403, "<html>SECRET</html>", Class::Blocked),
        (500, "", Class::Ambiguous),
        (200, "{}", Class::Ambiguous),
        (200, r#"{"access_token":"SECRET"}"#, Class::Rejected),
    ] {
        assert_eq!(class(status, body), expected, "{status} {body}");
    }
    use crate::transport::OwnCallError as E;
    assert_eq!(Failure::from(E::NotSent("dns")).class, Class::RetrySafe);
    assert_eq!(Failure::from(E::Unanswered("reset")).class, Class::Ambiguous);
}

#[test]
fn codex_tokens_name_their_account_and_plan() {
    let claims = r#"{"aud":["a","b"],"https://api.openai.com/auth":{"chatgpt_account_id":"acc-1","chatgpt_plan_type":"plus",
        "organizations":[{"id":"org"}]}}"#;
    let body =
        format!(r#"{{"access_token":"at","refresh_token":"rt","id_token":"{}","expires_in":3600}}"#, jwt(claims));
    let granted = answer::granted(manner(AccountKind::Codex).unwrap(), 200, body.as_bytes(), NOW).unwrap();
    assert_eq!(granted.options, BTreeMap::from([(CHATGPT_ACCOUNT_ID.to_owned(), "acc-1".to_owned())]));
    assert_eq!(granted.plan.as_deref(), Some("plus"));
    assert_eq!(granted.credential.expires_at, Some(NOW.plus(HOUR - 30 * SECOND)));
    for odd in ["x", "a.b.c", "a.e30.c", &jwt(r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"a\r\nb"}}"#)] {
        assert_eq!(claims::chatgpt(&odd.into()), claims::ChatGpt::default(), "{odd}");
    }
}

#[test]
fn the_device_flow_ends_in_one_of_its_states() {
    let book = book();
    let party = book.party(AccountKind::Droid).unwrap();
    let text = |call: crate::transport::OwnCall| String::from_utf8(call.body.to_vec()).unwrap();
    assert_eq!(text(device::start(&party).unwrap()), "client_id=droid-client");
    let started = r#"{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://v.example",
        "verification_uri_complete":"https://v.example?c=ABCD","interval":7,"expires_in":300}"#;
    let started = device::started(200, started.as_bytes()).unwrap();
    assert_eq!((started.interval_ms, started.life_ms), (7 * SECOND, 300 * SECOND));
    assert_eq!(started.verification_uri, "https://v.example?c=ABCD");
    assert!(!format!("{started:?}").contains("dc\""));
    let script = r#"{"device_code":"dc","user_code":"x","verification_uri":"javascript:alert(1)"}"#;
    assert_eq!(device::started(200, script.as_bytes()).unwrap_err().class, Class::Config);
    assert_eq!(
        text(device::poll(&party, &started.device_code).unwrap()),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=dc&client_id=droid-client"
    );
    let poll = |status, body: &str| device::polled(&party, status, body.as_bytes(), NOW);
    assert!(matches!(poll(400, r#"{"error":"authorization_pending"}"#), Poll::Pending));
    assert!(matches!(poll(400, r#"{"error":"slow_down"}"#), Poll::SlowDown));
    assert!(matches!(poll(400, r#"{"error":"access_denied"}"#), Poll::Denied));
    assert!(matches!(poll(400, r#"{"error":"expired_token"}"#), Poll::Expired));
    assert!(matches!(poll(500, ""), Poll::Failed(_)));
    let granted = r#"{"access_token":"a","refresh_token":"r","organization_id":"org_1"}"#;
    let Poll::Granted(granted) = poll(200, granted) else { unreachable!() };
    assert_eq!(granted.options[ORGANIZATION_ID], "org_1");
    assert_eq!(organization::read(br#"{"workosOrgIds":["org_2"]}"#).as_deref(), Some("org_2"));
}
