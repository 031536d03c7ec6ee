//! The mock's token endpoints of OpenAI, Google and WorkOS, and the code exchange of each vendor with PKCE.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::mock::{ask, start};
use crate::plain_http::{Answer, Client};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn form(client: &Client, path: &str, body: &str) -> Answer {
    client.send("POST", path, &[FORM], body).await
}

fn text(answer: &Answer, name: &str) -> String {
    answer.json()[name].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// Visits the consent page; gives the code.
async fn consent(client: &Client, page: &str, verifier: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let query = "response_type=code&client_id=c&redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fcb&code_challenge_method=S256&state=st4te";
    let answer = client.send("GET", &format!("{page}?{query}&code_challenge={challenge}"), &[], "").await;
    assert_eq!(answer.status, 302);
    let location = answer.header("location").unwrap();
    let (code, state) = location.strip_prefix("http://localhost:1455/cb?code=").unwrap().split_once("&state=").unwrap();
    assert_eq!(state, "st4te");
    code.to_owned()
}

#[tokio::test]
async fn every_vendor_checks_the_verifier() {
    let (_mock, client) = start().await;
    let redirect = "redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fcb";
    for (page, path, secret) in [
        ("/oauth/authorize", "/oauth/token", ""),
        ("/o/oauth2/v2/auth", "/token", "&client_secret=s"),
        ("/authorize", "/user_management/authenticate", ""),
    ] {
        let exchange = async |code: &str, verifier: &str, redirect: &str| {
            let body = format!(
                "grant_type=authorization_code&client_id=c{secret}&code={code}&code_verifier={verifier}&{redirect}"
            );
            form(&client, path, &body).await
        };
        let code = consent(&client, page, "right").await;
        let good = exchange(&code, "right", redirect).await;
        assert!(!text(&good, "access_token").is_empty() && !text(&good, "refresh_token").is_empty());
        assert_eq!(exchange(&code, "right", redirect).await.status, 400, "a code is used once");
        let code = consent(&client, page, "right").await;
        assert_eq!(text(&exchange(&code, "wrong", redirect).await, "error"), "invalid_grant");
        let code = consent(&client, page, "right").await;
        assert_eq!(exchange(&code, "right", "redirect_uri=other").await.status, 400);
    }
    let code = consent(&client, "/oauth/authorize", "right").await;
    let mut body = json!({"grant_type": "authorization_code", "client_id": "c", "code": code, "state": "st4te",
        "redirect_uri": "http://localhost:1455/cb", "code_verifier": "right", "expires_in": 31_536_000});
    let setup = client.send("POST", "/v1/oauth/token", &[], &body.to_string()).await.json();
    assert_eq!((setup["expires_in"].as_i64(), &setup["refresh_token"]), (Some(31_536_000), &Value::Null));
    body["code"] = consent(&client, "/oauth/authorize", "right").await.into();
    body["state"] = json!("forged");
    assert_eq!(client.send("POST", "/v1/oauth/token", &[], &body.to_string()).await.status, 400);
    assert_eq!(client.send("GET", "/authorize?response_type=code", &[], "").await.status, 400);
}

#[tokio::test]
async fn openai_rotates_and_names_the_account() {
    let (_mock, client) = start().await;
    let refresh = async |token: &str| {
        form(&client, "/oauth/token", &format!("grant_type=refresh_token&client_id=c&refresh_token={token}")).await
    };
    let first = refresh("seed").await;
    let claims = text(&first, "id_token").split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["https://api.openai.com/auth"]["chatgpt_account_id"], "acct_mock");
    assert_eq!(text(&refresh("seed").await, "error"), "refresh_token_reused");
    assert_eq!(text(&refresh(&text(&first, "refresh_token")).await, "error"), "invalid_grant", "the family is revoked");
    let json = json!({"grant_type": "refresh_token", "client_id": "c", "refresh_token": "other"}).to_string();
    assert_eq!(client.send("POST", "/oauth/token", &[], &json).await.status, 400, "a form is required");
}

#[tokio::test]
async fn google_wants_the_secret_and_does_not_rotate() {
    let (_mock, client) = start().await;
    let body = "grant_type=refresh_token&client_id=c&refresh_token=seed";
    assert_eq!(text(&form(&client, "/token", body).await, "error"), "invalid_client");
    for _ in 0..2 {
        let answer = form(&client, "/token", &format!("{body}&client_secret=s")).await;
        assert!(answer.json()["refresh_token"].is_null() && answer.json()["access_token"].is_string());
    }
    let answer = form(&client, "/token", &format!("{body}&client_secret=s")).await;
    let bearer = format!("Bearer {}", text(&answer, "access_token"));
    let load =
        async || client.send("POST", "/v1internal:loadCodeAssist", &[("authorization", &bearer)], "{}").await.status;
    assert_eq!(load().await, 200);
    client.control("POST", "oauth", &json!({"expire_all": true})).await;
    assert_eq!(load().await, 401, "an ended token is refused");
}

#[tokio::test]
async fn a_device_is_pending_for_a_while() {
    let (_mock, client) = start().await;
    client.control("POST", "oauth", &json!({"device_polls": 1})).await;
    let device = form(&client, "/user_management/authorize/device", "client_id=c").await;
    assert!(device.json()["interval"].is_u64() && device.json()["verification_uri"].is_string());
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
    let code = text(&device, "device_code");
    let poll = async || {
        form(&client, "/user_management/authenticate", &format!("grant_type={grant}&client_id=c&device_code={code}"))
            .await
    };
    assert_eq!(text(&poll().await, "error"), "authorization_pending");
    let done = poll().await;
    assert_eq!(text(&done, "organization_id"), "org_mock");
    assert_eq!(text(&poll().await, "error"), "expired_token");
    let refresh = format!(
        "grant_type=refresh_token&client_id=c&organization_id=org_1&refresh_token={}",
        text(&done, "refresh_token")
    );
    let next = form(&client, "/user_management/authenticate", &refresh).await;
    assert_eq!(text(&next, "organization_id"), "org_1");
    let bearer = format!("Bearer {}", text(&next, "access_token"));
    let headers = [("authorization", bearer.as_str())];
    let answer = client.send("POST", "/api/llm/a/v1/messages", &headers, &ask("hi", false).to_string()).await;
    assert_eq!(answer.status, 200);
    client.control("POST", "oauth", &json!({"expire_all": true})).await;
    assert_eq!(client.send("GET", "/api/cli/org", &[("authorization", "Bearer t")], "").await.status, 200);
    let ended = client.send("POST", "/a/v1/messages", &headers, &ask("hi", false).to_string()).await;
    assert_eq!(ended.status, 401);
}
