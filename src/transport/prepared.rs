//! URLs that were read, checked and written for the HTTP client once, because an account calls the same few for ever.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::Uri;
use actix_http::header::HeaderValue;
use actors::domain::id::AccountId;

use super::error::TransportError;
use super::guard::{Allowed, EgressRules};
use super::target::Target;

/// URLs remembered per account: its base URL with a few paths. Paths that name a model are more; then it begins anew.
const PER_ACCOUNT: usize = 8;
/// Accounts remembered.
const MOST_ACCOUNTS: usize = 4_096;

/// A URL in the forms that a call needs.
pub(super) struct Prepared {
    pub(super) target: Rc<Target>,
    /// What the HTTP client gets: always `http`, and the account in front of the host, which makes the account's own
    /// keep-alive pool. It appears neither in the request line nor in `host`.
    pub(super) uri: Uri,
    /// The `host` header.
    pub(super) host: HeaderValue,
}

/// What was prepared under the rules in force.
#[derive(Default)]
pub(super) struct PreparedUrls {
    /// Held, so that the pointer of newer rules cannot be equal to it.
    rules: RefCell<Option<Arc<Allowed>>>,
    by_account: RefCell<HashMap<AccountId, Urls>>,
}

/// The URLs of one account; few, so they are looked through.
type Urls = Vec<(Box<str>, Rc<Prepared>)>;

impl PreparedUrls {
    /// Forgets everything when the rules have changed since the last call. True when they have.
    pub(super) fn follow(&self, rules: &EgressRules) -> bool {
        let now = rules.allowed();
        let mut seen = self.rules.borrow_mut();
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            return false;
        }
        *seen = Some(Arc::clone(&now));
        self.by_account.borrow_mut().clear();
        true
    }

    /// The prepared form of a URL.
    pub(super) fn get(
        &self,
        rules: &EgressRules,
        account: AccountId,
        url: &str,
    ) -> Result<Rc<Prepared>, TransportError> {
        let mut by_account = self.by_account.borrow_mut();
        if by_account.len() >= MOST_ACCOUNTS && !by_account.contains_key(&account) {
            by_account.clear();
        }
        let known = by_account.entry(account).or_default();
        if let Some((_, prepared)) = known.iter().find(|(text, _)| **text == *url) {
            return Ok(Rc::clone(prepared));
        }
        let prepared = Rc::new(prepare(rules, account, url)?);
        if known.len() >= PER_ACCOUNT {
            known.clear();
        }
        known.push((url.into(), Rc::clone(&prepared)));
        Ok(prepared)
    }
}

fn prepare(rules: &EgressRules, account: AccountId, url: &str) -> Result<Prepared, TransportError> {
    let target = Target::parse(url).map_err(TransportError::Blocked)?;
    rules.allowed().check_target(&target).map_err(TransportError::Blocked)?;
    let invalid = |_| TransportError::Invalid("url cannot be sent".to_owned());
    let host = target.host.to_text();
    // Plain and encrypted connections to one authority are not interchangeable.
    let scheme = if target.tls { "tls" } else { "plain" };
    let uri = format!("http://{account}.{scheme}@{host}:{}{}", target.port, target.path).parse().map_err(invalid)?;
    let default = if target.tls { 443 } else { 80 };
    let header = if target.port == default { host.into_owned() } else { format!("{host}:{}", target.port) };
    let header =
        HeaderValue::from_str(&header).map_err(|_| TransportError::Invalid("host cannot be sent".to_owned()))?;
    Ok(Prepared { target: Rc::new(target), uri, host: header })
}
