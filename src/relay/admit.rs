//! What must hold before a request is scheduled, and what it may cost: permission, model, price, estimates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use actors::domain::account::{Platform, Service};
use actors::domain::estimate::{RecentOutputs, output_tokens};
use actors::domain::id::{AccountId, AttemptId, KeyId};
use actors::domain::key::KeyPolicy;
use actors::domain::model::lookup_name;
use actors::domain::money::Nanos;
use actors::domain::price::{PriceVersion, effective_ppm, estimate};
use actors::domain::route::{AdmissionRequest, RouteRequest};
use actors::domain::settings::{Settings, UnknownModel};
use actors::domain::time::Timestamp;

use super::{Relay, RelayError, RelayRequest};

/// Pairs of key and model remembered per worker; beyond it the memory starts afresh.
const HISTORY_PAIRS: usize = 4_096;

/// Output tokens of the last answers, per key and model.
type Outputs = HashMap<(KeyId, Arc<str>), RecentOutputs>;

thread_local! {
    /// What this worker saw.
    static OUTPUTS: RefCell<Outputs> = RefCell::new(HashMap::new());
}

/// What a request may cost, fixed at its start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Multipliers of the caller: global × user × key, in ppm.
    pub caller_ppm: [i64; 3],
    /// Tokens to reserve on rate limits.
    pub tokens: u64,
    /// Charge to reserve.
    pub charge: Nanos,
    /// Upstream cost to reserve.
    pub cost: Nanos,
    /// What may be output at most, for the hold and as the fallback of absurd usage.
    pub output: u64,
    /// False = refused for want of a price.
    pub priced: bool,
}

/// Refuses a key that may not be used at all now.
pub fn check_key(key: &KeyPolicy, now: Timestamp) -> Result<(), RelayError> {
    if !key.enabled {
        return Err(RelayError::KeyDisabled);
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(RelayError::KeyExpired);
    }
    if !key.owner.active {
        return Err(RelayError::OwnerDisabled);
    }
    Ok(())
}

/// Permission for the platform that serves, and the model lists (`access.md` §10 row 8), on every route. A request without a
/// model passes the lists.
///
/// # Errors
/// When the key may not do this.
pub async fn permit(relay: &Relay, request: &RelayRequest) -> Result<(), RelayError> {
    let (key, model) = (&request.key, &*request.model);
    if !key.permits(request.platform) {
        return Err(RelayError::PermissionDenied);
    }
    if model.is_empty() || key.allows_model(model, model) {
        return Ok(());
    }
    let denied = key.model_deny.iter().any(|pattern| pattern.matches(model));
    if !denied && is_alias_of_allowed(relay, request).await {
        return Ok(());
    }
    Err(RelayError::ModelNotAllowed)
}

/// True when some account calls the model by a name that the key may use. The scheduler then leaves the others out.
async fn is_alias_of_allowed(relay: &Relay, request: &RelayRequest) -> bool {
    let views = relay.engine().scheduler.views().await;
    views.iter().map(|view| &view.spec).filter(|spec| spec.kind.platform() == request.platform).any(|spec| {
        let upstream = spec.upstream_model(&request.model);
        upstream != &*request.model && request.key.allows_model(&request.model, upstream)
    })
}

/// Estimates. Without a price everything costs 0; whether that may be is the admission's question, in its turn.
pub fn plan(relay: &Relay, request: &RelayRequest, settings: &Settings) -> Result<Plan, RelayError> {
    let services = services(request);
    let service = services.first().copied().unwrap_or(Service::Claude);
    let price = services.iter().find_map(|service| price_of(relay, *service, &request.model, request.arrival.at));
    let priced = price.is_some() || !request.endpoint.is_billable() || settings.unknown_model != UnknownModel::Block;
    if !priced {
        relay.metrics().unpriced_requests_total(&request.model).inc();
    }
    let output = output_estimate(request, price.as_deref(), settings);
    let caller_ppm = [settings.global_rate_ppm, request.key.owner.price_rate_ppm, request.key.price_rate_ppm];
    let amount = |ppm: i64| {
        price.as_deref().map_or(Ok(Nanos::ZERO), |price| {
            estimate(price, request.input_estimate, output, request.cache_control, ppm)
                .map_err(|_| RelayError::BadRequest("the request is too large to be priced".to_owned()))
        })
    };
    let list_ppm = 1_000_000;
    Ok(Plan {
        charge: amount(effective_ppm(&[caller_ppm[0], caller_ppm[1], caller_ppm[2], service_ppm(service, settings)]))?,
        cost: amount(list_ppm)?,
        tokens: request.input_estimate.saturating_add(output),
        caller_ppm,
        output,
        priced,
    })
}

/// The services whose prices stand for a request before an account is chosen, the likeliest first.
fn services(request: &RelayRequest) -> Vec<Service> {
    if let Some(kind) = request.forced {
        return vec![kind.service()];
    }
    match request.platform {
        Platform::Claude => vec![Service::Claude, Service::Bedrock],
        Platform::OpenAi => vec![Service::OpenAi, Service::Azure, Service::Codex],
        Platform::Gemini => vec![Service::Gemini],
        Platform::Droid => vec![Service::Droid],
    }
}

/// The multiplier of a service.
pub fn service_ppm(service: Service, settings: &Settings) -> i64 {
    match service {
        Service::Claude => settings.claude_rate_ppm,
        Service::Ccr => settings.ccr_rate_ppm,
        Service::Bedrock => settings.bedrock_rate_ppm,
        Service::Gemini => settings.gemini_rate_ppm,
        Service::OpenAi => settings.openai_rate_ppm,
        Service::Codex => settings.codex_rate_ppm,
        Service::Azure => settings.azure_rate_ppm,
        Service::Droid => settings.droid_rate_ppm,
    }
}

/// The price in force for a model.
pub fn price_of(relay: &Relay, service: Service, model: &str, at: Timestamp) -> Option<Arc<PriceVersion>> {
    relay.shared().prices.load().find(service, lookup_name(model), at)
}

/// `out_est` of `metering.md` §6.
fn output_estimate(request: &RelayRequest, price: Option<&PriceVersion>, settings: &Settings) -> u64 {
    let recent = OUTPUTS.with_borrow(|outputs| {
        let seen = outputs.get(&(request.key.id, Arc::clone(&request.model)));
        seen.map_or_else(|| RecentOutputs::default().p95(), RecentOutputs::p95)
    });
    let cap = u64::try_from(settings.hold_output_cap).unwrap_or(u64::MAX);
    output_tokens(request.max_tokens, price.and_then(|price| price.max_output), recent, cap)
}

/// Remembers how long an answer was.
pub fn remember_output(key: KeyId, model: &Arc<str>, output: u64) {
    OUTPUTS.with_borrow_mut(|outputs| {
        if outputs.len() >= HISTORY_PAIRS {
            outputs.clear();
        }
        outputs.entry((key, Arc::clone(model))).or_default().push(output);
    });
}

/// The question for one attempt. Admission is asked for until it was given.
pub fn question(
    request: &RelayRequest,
    plan: &Plan,
    number: u32,
    admitted: bool,
    excluded: &[AccountId],
    settings: &Settings,
) -> RouteRequest {
    let billable = request.endpoint.is_billable();
    RouteRequest {
        attempt: AttemptId { request: request.arrival.request, number },
        platform: request.platform,
        forced: request.forced,
        kinds: request.kinds,
        native: request.native,
        only: request.only,
        endpoint: request.endpoint,
        model: Arc::clone(&request.model),
        family: request.family.clone(),
        key: Arc::clone(&request.key),
        admission: (billable && !admitted)
            .then_some(AdmissionRequest { charge_estimate: plan.charge, priced: plan.priced }),
        session: request.session,
        tokens_estimate: plan.tokens,
        cost_estimate: plan.cost,
        excluded: excluded.to_vec(),
        may_wait: billable,
        deadline: request.arrival.at.plus(settings.failover_deadline_ms),
    }
}
