//! Rows for tests.

use std::sync::Arc;

use actors::domain::account::AccountKind;
use actors::domain::id::{AccountId, AttemptId, KeyId, PriceVersionId, RequestId, UserId};
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::settings::Zone;
use actors::domain::time::Timestamp;
use actors::domain::usage::{
    AttemptRow, Cost, JournalPosition, RequestRow, RequestStatus, Tier, Tokens, Usage, UsageEvent, UsagePart,
};
use actors::ports::UsageBatch;
use quotalane::identity::seal::Sealer;
use quotalane::store::Db;
use quotalane::store::keys::{Digest, KeyConfig, NewKey};
use quotalane::store::users::{KeyLimits, Profile, Role, UserConfig, UserStatus};
use quotalane::store::vault::Vault;
use secrecy::SecretString;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);
pub const UTC: Zone = Zone(chrono_tz::Tz::UTC);

pub fn vault() -> Arc<dyn Vault> {
    Arc::new(Sealer::new(&SecretString::from("0123456789abcdef0123456789abcdef")).unwrap())
}

pub fn user(name: &str) -> UserConfig {
    UserConfig {
        external_id: None,
        username: name.to_owned(),
        email: Some(format!("{name}@example.org")),
        display_name: name.to_owned(),
        role: Role::User,
        status: UserStatus::Active,
        max_concurrency: 10,
        rpm_limit: 0,
        max_api_keys: 10,
        price_rate_ppm: 1_000_000,
        profile: Profile::default(),
        default_key_limits: KeyLimits::default(),
    }
}

pub async fn stored_user(db: &Db, name: &str) -> UserId {
    quotalane::store::users::create(db, user(name), None, NOW).await.unwrap()
}

pub fn key(user: UserId, name: &str, digest: &str) -> NewKey {
    NewKey {
        user,
        config: KeyConfig { name: name.to_owned(), ..KeyConfig::default() },
        digest: Digest { scheme: "hmac1:p1".to_owned(), hex: digest.to_owned() },
        prefix: "cr_0123".to_owned(),
        last4: "cdef".to_owned(),
    }
}

pub fn attempt(request: u128, number: u32, account: i64) -> AttemptRow {
    let tokens = tokens(u64::from(number));
    AttemptRow {
        attempt: AttemptId { request: RequestId(request), number },
        account: AccountId(account),
        model_upstream: "claude-opus-5".to_owned(),
        upstream_request_id: Some("req_vendor".to_owned()),
        started_at: NOW,
        http_status: Some(200),
        verdict: "ok".to_owned(),
        switched: false,
        usage: Some(Usage {
            tokens,
            parts: vec![UsagePart { model: None, tokens }],
            raw: Some("{\"input_tokens\":1}".to_owned()),
            ..Usage::default()
        }),
        upstream_cost: Nanos(500),
        ttfb_ms: Some(80),
        ttft_ms: None,
        total_ms: 900,
        bytes: 4_096,
    }
}

pub fn tokens(n: u64) -> Tokens {
    Tokens { input: 10 + n, cache_read: 2, cache_w5m: 3, cache_w1h: 4, output: 20, reasoning: 5, web_search: 1 }
}

pub fn request(id: u128, user: i64, key: i64) -> RequestRow {
    let tokens = tokens(1);
    RequestRow {
        request: RequestId(id),
        started_at: NOW,
        ended_at: NOW.plus(900),
        user: UserId(user),
        key: KeyId(key),
        dialect: "anthropic".to_owned(),
        route: "/v1/messages".to_owned(),
        client: Some("клиент/1.0 🦀".to_owned()),
        client_request_id: None,
        session: Some("ab".repeat(16)),
        model: "claude-opus-5".to_owned(),
        model_upstream: Some("claude-opus-5".to_owned()),
        account: Some(AccountId(3)),
        kind: Some(AccountKind::ClaudeConsole),
        stream: true,
        status: RequestStatus::Ok,
        http_status: 200,
        error: None,
        attempts: 1,
        usage: Usage {
            tokens,
            parts: vec![UsagePart { model: None, tokens }],
            tier: Tier::Standard,
            ..Usage::default()
        },
        cost: Cost { list: Nanos(1_000), charge: Nanos(800), upstream: Nanos(500) },
        price: Some(PriceVersionId(1)),
        eff_ppm: 800_000,
        flags: vec!["no_terminal".to_owned()],
        windows: vec![(CostWindow::Total, Timestamp(0)), (CostWindow::Day, Timestamp(NOW.0 - NOW.0 % 86_400_000))],
        funds: None,
        queue_ms: 1,
        ttfb_ms: Some(81),
        ttft_ms: Some(120),
        total_ms: 900,
        bytes_in: 1_024,
        bytes_out: 4_096,
        ip: Some("2001:db8::1".to_owned()),
    }
}

pub fn event(id: u128, user: i64, key: i64) -> UsageEvent {
    UsageEvent::Request(Box::new(request(id, user, key)), Some(Box::new(attempt(id, 1, 3))))
}

pub fn batch(events: Vec<UsageEvent>, offset: u64) -> Arc<UsageBatch> {
    let position = JournalPosition { file: Arc::from("w0-0001.journal"), offset };
    Arc::new(UsageBatch { events, positions: vec![position] })
}
