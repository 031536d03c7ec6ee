//! The scheduler on actix: hands each message to the state and carries out what it says.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use tokio::time::Instant;

use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::fleet::book::LeaseOver;
use crate::fleet::messages::LeasesOver;

use super::SchedulerDeps;
use super::messages::{
    AccountGone, AccountRestarted, AcquireDecided, AdmitDecided, Inquiry, KeySlotFreed, LeasesEnded, LeaveQueue,
    ReserveDecided, Route, RouteAll, ViewChanged,
};
use super::pending::{Effect, Effects, Turn};
use super::state::State;

/// The actor; see the module docs.
pub struct SchedulerActor {
    state: State,
    deps: SchedulerDeps,
    started: Instant,
    /// The armed timer and when it fires.
    timer: Option<(Timestamp, SpawnHandle)>,
}

impl SchedulerActor {
    /// An empty scheduler; accounts announce themselves when it starts.
    pub fn new(deps: SchedulerDeps) -> Self {
        let salt = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
        Self {
            state: State::new(salt).in_fleet(deps.fleet.as_ref().map(|(_, share)| share.clone())),
            deps,
            started: Instant::now(),
            timer: None,
        }
    }

    fn turn<'a>(&self, settings: &'a Settings) -> Turn<'a> {
        let us = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        Turn { now: self.deps.clock.now(), us, settings }
    }

    /// One event: the state decides, the effects follow. Effects of undeliverable effects follow too.
    fn run(&mut self, ctx: &mut Context<Self>, event: impl FnOnce(&mut State, &Turn<'_>) -> Effects) {
        self.deps.mailbox.taken();
        self.step(ctx, event);
    }

    fn step(&mut self, ctx: &mut Context<Self>, event: impl FnOnce(&mut State, &Turn<'_>) -> Effects) {
        let settings: Arc<Settings> = self.deps.settings.load_full();
        let turn = self.turn(&settings);
        let effects = event(&mut self.state, &turn);
        let mut list: VecDeque<Effect> = effects.list.into();
        let (mut waiters, mut wake_at) = (effects.waiters, effects.wake_at);
        while let Some(effect) = list.pop_front() {
            if let Some(more) = self.carry_out(&turn, effect) {
                list.extend(more.list);
                waiters = more.waiters.or(waiters);
                wake_at = more.wake_at;
            }
        }
        if let Some(waiting) = waiters {
            self.deps.outbox.set_waiters(waiting);
        }
        self.arm(ctx, turn.now, wake_at);
    }

    fn carry_out(&mut self, turn: &Turn<'_>, effect: Effect) -> Option<Effects> {
        match effect {
            Effect::Admit(admit) => {
                let refused = self.deps.billing.tell(*admit).err()?;
                return Some(self.state.on_admit_undelivered(turn, refused.attempt));
            }
            Effect::Acquire(account, acquire) => {
                let attempt = acquire.attempt;
                if !self.deps.mail.acquire(account, acquire) {
                    return Some(self.state.on_acquire_undelivered(turn, attempt, account));
                }
            }
            Effect::Reserve(reserve) => {
                let attempt = reserve.attempt;
                let undelivered = self.deps.fleet.as_ref().is_none_or(|(fleet, _)| fleet.tell(*reserve).is_err());
                if undelivered {
                    return Some(self.state.on_reserve_undelivered(turn, attempt));
                }
            }
            Effect::Ended(ended) => {
                if let Some((fleet, _)) = &self.deps.fleet {
                    fleet.record(LeasesOver(vec![LeaseOver::of(&ended)]));
                }
                self.deps.mail.ended(ended);
            }
            // An asker that has gone leaves the answer to be dropped, and its guards give everything back.
            Effect::Reply(reply, answer) => drop(reply.send(*answer)),
        }
        None
    }

    /// Keeps one timer, for the earliest moment that matters.
    fn arm(&mut self, ctx: &mut Context<Self>, now: Timestamp, wake_at: Option<Timestamp>) {
        let Some(at) = wake_at else { return };
        if self.timer.is_some_and(|(armed, _)| armed <= at) {
            return;
        }
        if let Some((_, old)) = self.timer.take() {
            ctx.cancel_future(old);
        }
        let delay = Duration::from_millis(at.remaining(now).max(1).unsigned_abs());
        let timer = ctx.run_later(delay, |this, ctx| {
            this.timer = None;
            this.step(ctx, State::on_tick);
        });
        self.timer = Some((at, timer));
    }
}

impl Actor for SchedulerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.deps.outbox.set_waiters(false);
        self.step(ctx, State::on_started);
        self.deps.mail.announce();
    }
}

impl Handler<RouteAll> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, RouteAll(asked): RouteAll, ctx: &mut Context<Self>) {
        self.deps.mailbox.taken();
        for Route { request, reply } in asked {
            self.step(ctx, |state, turn| state.on_route(turn, request, reply));
        }
    }
}

/// One handler per message: which function of the state hears it.
macro_rules! hears {
    ($($message:pat => $type:ty, |$state:ident, $turn:ident| $event:expr;)*) => {$(
        impl Handler<$type> for SchedulerActor {
            type Result = ();

            fn handle(&mut self, $message: $type, ctx: &mut Context<Self>) {
                self.run(ctx, |$state, $turn| $event);
            }
        }
    )*};
}

hears! {
    Route { request, reply } => Route, |state, turn| state.on_route(turn, request, reply);
    LeaveQueue(attempt) => LeaveQueue, |state, turn| state.on_leave(turn, attempt);
    AdmitDecided { attempt, result } => AdmitDecided, |state, turn| state.on_admit_decided(turn, attempt, result);
    AcquireDecided { attempt, view, result } => AcquireDecided,
        |state, turn| state.on_acquire_decided(turn, attempt, view, result);
    ViewChanged(view) => ViewChanged, |state, turn| state.on_view_changed(turn, view);
    AccountGone(account) => AccountGone, |state, turn| state.on_account_gone(turn, account);
    AccountRestarted(account) => AccountRestarted, |state, turn| state.on_account_restarted(turn, account);
    LeasesEnded(batch) => LeasesEnded, |state, turn| state.on_leases_ended(turn, batch);
    KeySlotFreed { key, user, elsewhere } => KeySlotFreed,
        |state, turn| state.on_key_slot_freed(turn, key, user, elsewhere);
    ReserveDecided { attempt, outcome } => ReserveDecided, |state, turn| state.on_reserve_decided(turn, attempt, outcome);
    inquiry => Inquiry, |state, turn| state.on_inquiry(turn, inquiry);
}
