//! Values with sensible contents; a test changes the fields that it is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::account::{AccountKind, AccountSpec, AccountStatus, KindSet, Platform, Visibility};
use crate::domain::credential::{Credential, Secret};
use crate::domain::id::{AccountId, AttemptId, KeyId, LeaseId, RequestId, UserId};
use crate::domain::key::{DisconnectPolicy, KeyPolicy, OwnerPolicy, StickyMode};
use crate::domain::model::{Family, default_families, family_of};
use crate::domain::money::{Nanos, PPM};
use crate::domain::route::{Endpoint, RouteRequest};
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::verdict::{AttemptReport, Judgement, Verdict};
use crate::guard::LeaseEnded;

/// When tests begin: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// An active account with an API key and ten slots.
pub fn spec(id: i64) -> AccountSpec {
    AccountSpec {
        id: AccountId(id),
        name: format!("account {id}"),
        kind: AccountKind::ClaudeConsole,
        status: AccountStatus::Active,
        status_reason: None,
        enabled: true,
        schedulable: true,
        visibility: Visibility::Shared,
        priority: 50,
        weight: 100,
        max_concurrency: 10,
        rpm_limit: 0,
        tpm_limit: 0,
        daily_budget: Nanos::ZERO,
        budget_reset_minute: 0,
        auto_pause: BTreeMap::new(),
        pause_on_warning: false,
        model_allow: Vec::new(),
        model_deny: Vec::new(),
        model_map: BTreeMap::new(),
        groups: Vec::new(),
        tags: Vec::new(),
        subscription_expires_at: None,
        proxy: None,
        base_url: None,
        options: BTreeMap::new(),
        error_rules: Vec::new(),
        cost_ppm: PPM,
        version: 1,
    }
}

/// An active OAuth account.
pub fn oauth_account(id: i64) -> AccountSpec {
    AccountSpec { kind: AccountKind::ClaudeOfficial, ..spec(id) }
}

/// An API key.
pub fn api_key() -> Arc<Credential> {
    let secret = Secret::ApiKey(SecretString::from("key"));
    Arc::new(Credential { secret, expires_at: None, version: 1 })
}

/// OAuth tokens with a refresh token named after their version, as [`super::FakeVendor`] expects them.
pub fn oauth(version: i64, expires_at: Timestamp) -> Arc<Credential> {
    let secret = Secret::OAuth {
        access: SecretString::from(format!("access-{version}")),
        refresh: Some(SecretString::from(format!("refresh-{version}"))),
    };
    Arc::new(Credential { secret, expires_at: Some(expires_at), version })
}

/// A key without limits. All belong to owner 1.
pub fn policy(id: i64) -> KeyPolicy {
    KeyPolicy {
        id: KeyId(id),
        name: format!("key {id}"),
        owner: OwnerPolicy { id: UserId(1), max_concurrency: 0, rpm_limit: 0, price_rate_ppm: PPM, active: true },
        enabled: true,
        expires_at: None,
        activation_ms: None,
        permissions: Vec::new(),
        model_allow: Vec::new(),
        model_deny: Vec::new(),
        allowed_clients: Vec::new(),
        ip_allow: Vec::new(),
        ip_deny: Vec::new(),
        concurrency_limit: 0,
        rpm_limit: 0,
        windows: Vec::new(),
        cost_limits: Vec::new(),
        weekly_reset_day: 1,
        weekly_reset_hour: 0,
        price_rate_ppm: PPM,
        bindings: Vec::new(),
        account_tags: Vec::new(),
        sticky_mode: StickyMode::Prefer,
        disconnect: DisconnectPolicy::Cancel,
        spent: Vec::new(),
        version: 1,
    }
}

/// The first attempt of request `n` for Sonnet; it does not wait and asks for no admission.
pub fn route(n: u128) -> RouteRequest {
    let model = "claude-sonnet-4-5";
    RouteRequest {
        attempt: AttemptId { request: RequestId(n), number: 1 },
        platform: Platform::Claude,
        forced: None,
        kinds: KindSet::ALL,
        native: KindSet::ALL,
        only: None,
        endpoint: Endpoint::Generate,
        model: Arc::from(model),
        family: family(model),
        key: Arc::new(policy(1)),
        admission: None,
        session: None,
        tokens_estimate: 0,
        cost_estimate: Nanos::ZERO,
        excluded: Vec::new(),
        may_wait: false,
        deadline: START.plus(MINUTE),
    }
}

fn family(model: &str) -> Family {
    family_of(model, &default_families())
}

/// The report of an attempt that used credential version 1.
pub fn report(verdict: Verdict, started_at: Timestamp, finished_at: Timestamp) -> AttemptReport {
    AttemptReport {
        judgement: Judgement::of(verdict),
        model: Arc::from("claude-sonnet-4-5"),
        started_at,
        finished_at,
        status: None,
        first_token_ms: None,
        credential_version: 1,
        windows: Vec::new(),
        tokens: None,
        cost: None,
    }
}

/// The end of a lease with a report.
pub fn lease_ended(account: i64, lease: LeaseId, report: AttemptReport) -> LeaseEnded {
    LeaseEnded { account: AccountId(account), lease, report: Some(Box::new(report)), withdrawn: false }
}
