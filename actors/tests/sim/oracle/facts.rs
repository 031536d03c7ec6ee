//! What accounts say of themselves, and since when. Who may serve a request is decided from this by rules written down
//! once more, in the words of `scheduling.md` §3.

use std::sync::Arc;

use actors::account::view::{AccountView, Breaker, Cooldown, CredentialState};
use actors::domain::account::{AccountKind, AccountSpec, AccountStatus, Visibility};
use actors::domain::id::AccountId;
use actors::domain::key::BindingTarget;
use actors::domain::route::RouteRequest;
use actors::domain::time::{MINUTE, Timestamp};
use actors::domain::window::{WindowSnapshot, WindowStatus};

use super::{CALM_MS, Oracle};

/// An account that was rebuilt this lately may still be on its way back into the pool.
const REBUILT_MS: i64 = 2_500;

/// What an account said last.
#[derive(Debug, Clone)]
pub struct Facts {
    spec: Arc<AccountSpec>,
    credential: CredentialState,
    token_expires_at: Option<Timestamp>,
    breaker: Breaker,
    cooldowns: Arc<[Cooldown]>,
    windows: Arc<[WindowSnapshot]>,
    unsupported: Arc<[(Arc<str>, Timestamp)]>,
    slots_used: u32,
    error_ppm: i64,
    first_token_ms: i64,
    pub last_attempt_ok: bool,
    /// When it last said something new.
    pub changed_at: Timestamp,
    died_at: Timestamp,
    alive: bool,
}

impl Facts {
    fn of(now: Timestamp, view: &AccountView) -> Self {
        Self {
            spec: Arc::clone(&view.spec),
            credential: view.credential,
            token_expires_at: view.token_expires_at,
            breaker: view.breaker,
            cooldowns: Arc::clone(&view.cooldowns),
            windows: Arc::clone(&view.windows),
            unsupported: Arc::clone(&view.unsupported),
            slots_used: view.slots_used,
            error_ppm: view.error_ppm,
            first_token_ms: view.first_token_ms,
            last_attempt_ok: view.last_attempt_ok,
            changed_at: now,
            died_at: Timestamp(0),
            alive: true,
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.spec == other.spec
            && self.credential == other.credential
            && self.token_expires_at == other.token_expires_at
            && self.silent_part(other)
            && self.last_attempt_ok == other.last_attempt_ok
    }

    /// What never changes without being shown. A token also ends by itself.
    fn silent_part(&self, other: &Self) -> bool {
        self.breaker == other.breaker
            && self.slots_used == other.slots_used
            && self.cooldowns == other.cooldowns
            && self.windows == other.windows
            && self.unsupported == other.unsupported
            && self.spec.status == other.spec.status
    }

    pub fn died(&mut self, now: Timestamp) {
        (self.alive, self.died_at) = (false, now);
    }

    /// True when the account has not died lately: what it knew is told again.
    pub fn is_settled(&self, now: Timestamp) -> bool {
        self.alive && self.died_at.plus(REBUILT_MS) <= now
    }

    pub fn is_broken(&self) -> bool {
        self.breaker != Breaker::Closed
    }

    /// True when a session has no reason to leave the account: it is neither slow nor failing, nor can it be almost empty.
    pub fn is_good_home(&self) -> bool {
        let roomy = self.spec.tpm_limit == 0 && self.spec.daily_budget.0 == 0;
        let half_used = |w: &WindowSnapshot| w.used_ppm > 900_000;
        let patient = self.first_token_ms <= 15_000 && self.error_ppm <= 500_000;
        roomy && patient && !self.windows.iter().any(half_used)
    }

    /// Rows 1 to 5 and 7: whether the account may serve the request at all.
    pub fn may_serve(&self, request: &RouteRequest) -> bool {
        let spec = &self.spec;
        let standing = spec.enabled && spec.schedulable && spec.status == AccountStatus::Active;
        let binding = request.key.binding(request.platform);
        let (bound, alone) = match binding.map(|b| b.target) {
            None => (false, false),
            Some(BindingTarget::Account(id)) => (id == spec.id, id == spec.id),
            Some(BindingTarget::Group(group)) => (spec.groups.iter().any(|m| m.group == group), false),
        };
        let reached = bound || !binding.is_some_and(|b| b.strict);
        let kind = request.forced.map_or(spec.kind != AccountKind::Ccr || bound, |kind| kind == spec.kind);
        let visible = spec.visibility == Visibility::Shared || alone;
        let tags = request.key.account_tags.iter().all(|tag| spec.tags.contains(tag));
        standing && reached && kind && visible && tags && !request.excluded.contains(&spec.id)
    }

    /// Rows 7 to 12: nothing has stood in the way for a while; what ends by time has ended.
    fn is_clear(&self, now: Timestamp, request: &RouteRequest, calm_ms: i64) -> bool {
        let over = |until: Timestamp| until.plus(calm_ms.min(50)) <= now;
        let calm = self.changed_at.plus(calm_ms) <= now && self.alive && self.died_at.plus(REBUILT_MS) <= now;
        let token = self.credential == CredentialState::Usable
            && self.token_expires_at.is_none_or(|end| end > now.plus(MINUTE + calm_ms));
        let rests = |c: &Cooldown| !over(c.until) && c.scope.covers(&request.model, &request.family);
        let full = |w: &WindowSnapshot| {
            let used = w.used_ppm >= 1_000_000 || w.surpassed || w.status == Some(WindowStatus::Rejected);
            used && w.resets_at.is_some_and(|reset| !over(reset))
        };
        calm && token
            && self.breaker == Breaker::Closed
            && !self.cooldowns.iter().any(rests)
            && !self.windows.iter().any(full)
            && !self.unsupported.iter().any(|(model, until)| !over(*until) && **model == *request.model)
    }
}

impl Oracle {
    /// What an account is like after an event, and whether it told anyone.
    pub fn account_is(&mut self, now: Timestamp, view: &AccountView, shown: bool) {
        let id = view.spec.id;
        let mut facts = Facts::of(now, view);
        if let Some(before) = self.facts.get(&id) {
            let silently = !shown && !before.silent_part(&facts);
            if before.same(&facts) {
                facts.changed_at = before.changed_at;
            }
            facts.died_at = before.died_at;
            if shown || silently {
                self.facts.insert(id, facts);
            }
            return self.demand(!silently, || format!("account {id} changed without showing it"));
        }
        self.facts.insert(id, facts);
    }

    /// Accounts that have been able to serve this request for a while.
    pub fn able(&self, now: Timestamp, request: &RouteRequest) -> impl Iterator<Item = AccountId> {
        let tokens = i64::try_from(request.tokens_estimate).unwrap();
        let cost = request.cost_estimate.0;
        self.facts.iter().filter_map(move |(id, facts)| {
            let able = facts.may_serve(request) && facts.is_clear(now, request, CALM_MS);
            let asked = || self.acquiring.values().filter(|asked| *asked == id).count();
            let room = able && self.accounts.get(id).is_some_and(|book| book.has_room(now, asked(), tokens, cost));
            room.then_some(*id)
        })
    }

    pub fn tier(&self, id: AccountId) -> (i32, i32) {
        self.accounts.get(&id).map_or((i32::MIN, i32::MIN), |book| book.tier)
    }
}
