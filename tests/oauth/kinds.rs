//! Each kind's refresh on the wire: its form, its way out, and what stays secret.

use std::io::Write;
use std::sync::{Arc, Mutex};

use actors::clock::Clock;
use actors::domain::account::AccountKind;
use actors::ports::{RefreshError, Vendor};
use quotalane::cache::Cache;
use quotalane::upstream::oauth::OAuthBook;

use crate::servers::each_db;
use crate::stage::{NOW, account, behind_proxy, book, instance, refresh_of, store, strict_vendor};
use crate::token_server::TokenServer;

#[tokio::test]
async fn every_kind_is_refreshed_through_the_accounts_proxy() {
    each_db(|test| async move {
        for (kind, options, expected) in [
            (AccountKind::ClaudeOfficial, vec![], vec![("client_id", "client")]),
            (AccountKind::Codex, vec![], vec![("client_id", "client"), ("scope", "openid profile email")]),
            (AccountKind::Gemini, vec![], vec![("client_secret", "SECRET-client")]),
            (AccountKind::Droid, vec![("organization_id", "org_1")], vec![("organization_id", "org_1")]),
        ] {
            let (clock, server) = (Clock::frozen(NOW), strict_vendor());
            let stored = account(&test.db, kind, &options).await;
            let vendor = instance(&server, Cache::memory(clock.clone()), Arc::new(store(&test.db, &clock)), &clock);
            let new = vendor.refresh(behind_proxy(&stored), stored.credential.clone().unwrap()).await.unwrap();
            assert_eq!(refresh_of(&new), "SECRET-refresh-1", "{kind:?}");
            assert_eq!(server.tunnels(), 1, "{kind:?} goes through the proxy");
            let [seen] = &server.seen("POST /token")[..] else { unreachable!() };
            assert_eq!(seen.field("grant_type").as_deref(), Some("refresh_token"), "{kind:?}");
            assert_eq!(seen.field("refresh_token").as_deref(), Some("SECRET-refresh-0"), "{kind:?}");
            for (name, value) in expected {
                assert_eq!(seen.field(name).as_deref(), Some(value), "{kind:?} {name}");
            }
            let json = seen.head.contains("content-type: application/json");
            assert_eq!(json, kind == AccountKind::ClaudeOfficial, "{kind:?}: {}", seen.head);
            assert!(seen.head.contains("user-agent: quotalane/"), "{}", seen.head);
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_client_secret_is_said_and_nothing_is_sent() {
    each_db(|test| async move {
        let (clock, server) = (Clock::frozen(NOW), strict_vendor());
        let stored = account(&test.db, AccountKind::Gemini, &[]).await;
        let mut vendor = instance(&server, Cache::memory(clock.clone()), Arc::new(store(&test.db, &clock)), &clock);
        let mut without: OAuthBook = book(&server);
        without.gemini.client_secret = None;
        vendor.oauth = Arc::new(without);
        let error = vendor.refresh(stored.spec, stored.credential.unwrap()).await.unwrap_err();
        assert!(
            matches!(&error, RefreshError::Transient(text) if text.contains("oauth.gemini.client_secret")),
            "{error}"
        );
        assert!(server.seen("").is_empty());
    })
    .await;
}

/// Log lines of a test.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_a_log_or_an_error() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: what the other tests log is looked at as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    each_db(|test| async move {
        for (status, body) in [
            (200, r#"{"access_token":"SECRET-a","refresh_token":"SECRET-r","id_token":"SECRET-i"}"#),
            (400, r#"{"error":"invalid_grant","error_description":"SECRET"}"#),
            (400, r#"{"error":"SECRET"}"#),
            (500, "SECRET"),
            (200, "SECRET"),
        ] {
            let clock = Clock::frozen(NOW);
            let server = TokenServer::start(move |_| (status, body.to_owned()));
            let stored = account(&test.db, AccountKind::Codex, &[]).await;
            let vendor = instance(&server, Cache::memory(clock.clone()), Arc::new(store(&test.db, &clock)), &clock);
            let result = vendor.refresh(stored.spec, stored.credential.unwrap()).await;
            assert!(!format!("{result:?}").contains("SECRET"), "{status} {body}: {result:?}");
        }
    })
    .await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("token exchange begins"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
}
