//! Upstream calls: what each answers by the weather, and what the worker reports of it.

use actors::domain::money::Nanos;
use actors::domain::time::{HOUR, SECOND, Timestamp};
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::domain::window::{Scope, WindowKind, WindowSnapshot, WindowStatus};
use std::sync::Arc;

use super::clients::Step;
use super::plan::Weather;
use super::world::World;

/// Answers without content come this soon.
const QUICK_MS: i64 = 400;
/// How long a worker waits for the first byte in this world.
const FIRST_BYTE_MS: i64 = 45 * SECOND;

/// A call under way.
#[derive(Debug, Clone)]
pub struct Call {
    started_at: Timestamp,
    judgement: Judgement,
    windows: Vec<WindowSnapshot>,
}

impl World {
    /// Calls the leased account; how it ends is decided now and seen later.
    pub fn start_call(&mut self, n: usize) {
        let Some((account, version)) = self.clients[n].lease.as_ref().map(|l| (l.account.id.0, l.credential.version))
        else {
            return;
        };
        self.open_in_journal(n);
        let weather = self.weather(account, version);
        let judgement = self.judge(n, weather);
        let takes = match judgement.verdict {
            Verdict::Ok => self.clients[n].caller.takes_ms,
            Verdict::Cut => self.clients[n].caller.takes_ms / 2 + 1,
            _ if weather == Some(Weather::Hang) => FIRST_BYTE_MS,
            _ => self.dice.within(1, QUICK_MS),
        };
        self.trace.note(self.now, format_args!("client {n} calls {account}: {}", judgement.verdict.as_str()));
        self.trace.saw(judgement.verdict.as_str());
        let windows = self.windows();
        self.clients[n].call = Some(Call { started_at: self.now, judgement, windows });
        self.next_step(n, takes, Step::CallEnded);
    }

    /// `None` = the access token is refused.
    fn weather(&mut self, account: i64, version: i64) -> Option<Weather> {
        if !self.vendor.accepts(account, version) {
            return None;
        }
        let spells: Vec<_> = self.plan.faults.weather(self.now, account).copied().collect();
        let met = spells.into_iter().find(|spell| self.dice.chance(spell.percent));
        Some(met.map_or(Weather::Fine, |spell| spell.weather))
    }

    fn judge(&mut self, n: usize, weather: Option<Weather>) -> Judgement {
        let family = Scope::Family(self.clients[n].family());
        let model = Scope::Model(Arc::from(self.clients[n].caller.model));
        let limit_scope = self.dice.pick(&[Scope::All, family.clone()]);
        let of = |verdict| Judgement::of(verdict);
        match weather {
            None if self.clients[n].token_replaced => of(Verdict::AuthInvalid),
            None => of(Verdict::AuthExpired),
            Some(Weather::Fine) => of(Verdict::Ok),
            Some(Weather::Limited(until)) => {
                // An adapter keeps only moments that lie ahead.
                let until = until.plus(self.plan.faults.vendor_ahead_ms);
                let until = (until > self.now).then_some(until);
                Judgement { scope: limit_scope, until, ..of(Verdict::RateLimited) }
            }
            Some(Weather::Paused(ms)) => {
                Judgement { scope: family, retry_after_ms: Some(ms), ..of(Verdict::RateLimited) }
            }
            Some(Weather::LimitedUnknown) => Judgement { scope: family, ..of(Verdict::RateLimitedUnknown) },
            Some(Weather::Quota) => {
                Judgement { until: Some(self.now.plus(30 * SECOND)), ..of(Verdict::QuotaExhausted) }
            }
            Some(Weather::Overloaded) => Judgement { scope: model, ..of(Verdict::Overloaded) },
            Some(Weather::Unavailable) => Judgement { scope: family, ..of(Verdict::Unavailable) },
            Some(Weather::Server) => of(Verdict::Server),
            Some(Weather::Timeout | Weather::Hang) => of(Verdict::Timeout),
            Some(Weather::Cut) => of(Verdict::Cut),
            Some(Weather::Forbidden) => Judgement { scope: family, ..of(Verdict::Forbidden) },
            Some(Weather::Refused) => of(Verdict::AuthInvalid),
            Some(Weather::Blocked) => of(Verdict::Blocked),
            Some(Weather::ModelUnknown) => Judgement { scope: model, ..of(Verdict::ModelUnknown) },
            Some(Weather::ClientFault) => Judgement { scope: model, ..of(Verdict::Client) },
            Some(Weather::Proxy) => of(Verdict::Proxy),
        }
    }

    /// What the vendor says about its own windows on an answer.
    fn windows(&mut self) -> Vec<WindowSnapshot> {
        let (now, ahead) = (self.now, self.plan.faults.vendor_ahead_ms);
        let window = |dice: &mut super::dice::Dice| WindowSnapshot {
            kind: WindowKind::FiveHour,
            scope: Scope::All,
            used_ppm: dice.pick(&[100_000, 600_000, 980_000, 1_010_000]),
            status: Some(WindowStatus::Allowed),
            surpassed: false,
            resets_at: Some(now.plus(dice.pick(&[9 * SECOND, HOUR]) + ahead)),
            length_ms: 5 * HOUR,
            observed_at: now,
        };
        self.dice.maybe(10, window).into_iter().collect()
    }

    pub fn call_ended(&mut self, n: usize) {
        let Some(verdict) = self.clients[n].call.as_ref().map(|call| call.judgement.verdict) else { return };
        match verdict {
            Verdict::AuthExpired => {
                self.close_in_journal(n, verdict);
                self.ask_token(n);
            }
            Verdict::Ok | Verdict::Cut => {
                let (charge, tokens) = self.used(n);
                self.report(n, verdict, Some((charge, tokens)));
                self.finish(n, Some((charge, tokens)));
            }
            _ => {
                self.close_in_journal(n, verdict);
                self.fail_attempt(n, verdict);
            }
        }
    }

    /// The attempt is over without content: the account hears why, the request goes on.
    pub fn fail_attempt(&mut self, n: usize, verdict: Verdict) {
        let Some(account) = self.clients[n].lease.as_ref().map(|lease| lease.account.id) else { return };
        let tokens = (verdict != Verdict::Timeout).then_some((Nanos::ZERO, 0));
        self.report(n, verdict, tokens);
        self.go_on(n, account, verdict);
    }

    fn used(&self, n: usize) -> (Nanos, u64) {
        let caller = &self.clients[n].caller;
        (caller.cost, caller.tokens)
    }

    /// Gives the lease back with what was learnt.
    fn report(&mut self, n: usize, verdict: Verdict, used: Option<(Nanos, u64)>) {
        let client = &mut self.clients[n];
        let (Some(call), Some(lease)) = (client.call.take(), client.lease.take()) else { return };
        let report = AttemptReport {
            judgement: Judgement { verdict, ..call.judgement },
            model: Arc::from(client.caller.model),
            started_at: call.started_at,
            finished_at: self.now,
            status: None,
            first_token_ms: Some(self.now.since(call.started_at)),
            credential_version: lease.credential.version,
            windows: call.windows,
            tokens: used.map(|(_, tokens)| tokens),
            cost: used.map(|(cost, _)| cost),
        };
        lease.finish(report);
    }

    /// The client left during a call: either the answer had begun and is paid for, or nothing was used. Now and then the
    /// worker dies with it and drops its guards without a word.
    pub fn leave_call(&mut self, n: usize) -> Option<(Nanos, u64)> {
        let call = self.clients[n].call.as_ref()?;
        let begun = call.judgement.verdict == Verdict::Ok && self.now.since(call.started_at) > 200;
        self.clients[n].lease.as_ref()?;
        self.trace.saw("left_calling");
        if self.dice.chance(30) {
            self.clients[n].call = None;
            return None;
        }
        let used = begun.then(|| self.used(n));
        self.report(n, Verdict::Cancelled, Some(used.unwrap_or_default()));
        used
    }
}
