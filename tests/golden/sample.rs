//! Values that every golden test needs: an account, headers, a moment.

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::{AccountKind, AccountSpec, AccountStatus, Visibility};
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::AccountId;
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use quotalane::dialect::convert::Reply;

/// 2025-10-09T08:53:20Z.
pub const NOW: Timestamp = Timestamp(1_760_000_000_000);

/// The kinds that speak Anthropic's own API; the others have their own tests beside their adapters.
pub const ANTHROPIC: [AccountKind; 3] = [AccountKind::ClaudeOfficial, AccountKind::ClaudeConsole, AccountKind::Ccr];

pub fn account(kind: AccountKind) -> AccountSpec {
    AccountSpec {
        id: AccountId(1),
        name: "sample".to_owned(),
        kind,
        status: AccountStatus::Active,
        status_reason: None,
        enabled: true,
        schedulable: true,
        visibility: Visibility::Shared,
        priority: 50,
        weight: 100,
        max_concurrency: 0,
        rpm_limit: 0,
        tpm_limit: 0,
        daily_budget: Nanos(0),
        budget_reset_minute: 0,
        auto_pause: Default::default(),
        pause_on_warning: false,
        model_allow: Vec::new(),
        model_deny: Vec::new(),
        model_map: Default::default(),
        groups: Vec::new(),
        tags: Vec::new(),
        subscription_expires_at: None,
        proxy: None,
        base_url: (kind == AccountKind::Ccr).then(|| "http://ccr.test:3456".to_owned()),
        options: Default::default(),
        error_rules: Vec::new(),
        cost_ppm: 1_000_000,
        version: 1,
    }
}

pub fn credential(kind: AccountKind) -> Credential {
    let secret = match kind {
        AccountKind::ClaudeOfficial => Secret::OAuth { access: "sk-ant-oat-POOL".into(), refresh: None },
        AccountKind::ClaudeConsole => Secret::ApiKey("sk-ant-api-POOL".into()),
        AccountKind::Ccr => Secret::ApiKey("ccr-POOL".into()),
        AccountKind::OpenAi | AccountKind::OpenAiResponses | AccountKind::GeminiApi => {
            Secret::ApiKey("key-POOL".into())
        }
        kind => panic!("no sample credential of {kind:?}"),
    };
    Credential { secret, expires_at: None, version: 1 }
}

pub fn headers<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

/// What a translated answer says of itself.
pub fn reply(model: &str) -> Reply {
    Reply {
        model: model.to_owned(),
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
        created: 1_760_000_000,
        include_usage: true,
    }
}
