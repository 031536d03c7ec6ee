//! The command line beside a running server.

use crate::support::app::TestApp;

const ADD: [&str; 6] = ["account", "add", "--name", "main", "--type", "claude-console"];

#[actix_rt::test]
async fn an_address_that_would_be_refused_when_it_is_dialled_is_refused_when_it_is_added() {
    let app = TestApp::start(&[("NETWORK__ALLOW_PRIVATE_CIDRS", "")]).await;
    let local = app.mock_url();
    for url in [&local, "https://127.0.0.1:8443", "https://10.1.2.3"] {
        let ended = app.command(&[&ADD[..], &["--base-url", url]].concat(), "sk-ant-main").await;
        assert_eq!(ended.code, Some(2), "{url}: {ended:?}");
        assert!(ended.err.contains("network.allow_private_cidrs"), "{url}: {ended:?}");
    }
    let listed = app.command(&["account", "list", "--format", "json"], "").await;
    assert_eq!((listed.code, listed.out.trim()), (Some(0), "[]"), "{listed:?}");
    app.finish().await;
}
