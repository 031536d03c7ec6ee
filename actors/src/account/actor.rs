//! The actor: translates messages into events of the state machine, and its effects into messages and port calls.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler};

use super::chronicle;
use super::deps::AccountDeps;
use super::effects::{Decided, Effects};
use super::messages::{
    Acquire, AcquireRefused, Acquired, Announce, Checked, Due, Ended, Exchanged, GetDetail, GetTestable, Loaded,
    NewerCredential, Probed, RefreshNow, ReleaseLease, Reload, Reset, Retire, Seen, SlotNews, StandingHeard,
    StandingSaved, StatusSaved, Tested,
};
use super::state::AccountState;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::guard::Lease;
use crate::handle::Mailbox;
use crate::scheduler::messages::AcquireDecided;
use crate::takes_obligations;

/// Room for one `Acquire` and one `Ended` of each request in flight, and a batch of workers; see the module docs.
pub const MAILBOX: usize = 4_096;

/// One account; see the module docs.
pub struct AccountActor {
    pub(super) state: AccountState,
    pub(super) deps: Rc<AccountDeps>,
    pub(super) mailbox: Mailbox<Self>,
}

impl AccountActor {
    /// An actor over a state; `mailbox` is the one that will deliver to it.
    pub fn new(state: AccountState, deps: Rc<AccountDeps>, mailbox: Mailbox<Self>) -> Self {
        Self { state, deps, mailbox }
    }

    /// One event: first the depth gauge, then the state machine, then its effects.
    fn on(&mut self, ctx: &mut Context<Self>, event: impl FnOnce(&mut AccountState, Timestamp, &Settings) -> Effects) {
        self.mailbox.taken();
        let settings = self.deps.settings.load();
        let now = self.deps.clock.now();
        let effects = event(&mut self.state, now, &settings);
        drop(settings);
        self.apply(now, effects, ctx);
    }

    fn apply(&mut self, now: Timestamp, effects: Effects, ctx: &mut Context<Self>) {
        for event in &effects.events {
            chronicle::event(&self.deps.counters, self.state.spec(), event);
        }
        for call in effects.calls {
            self.call(call, ctx);
        }
        let answered = !effects.decided.is_empty();
        for decided in effects.decided {
            self.answer(now, decided);
        }
        if effects.changed && !answered {
            self.deps.audience.changed(Box::new(self.state.view(now)));
        }
        if let Some((seen, text)) = self.state.standing_due(now) {
            self.save_standing(seen, text, ctx);
        }
        let due = self.state.next_due(now, &self.deps.settings.load());
        self.deps.board.set(self.state.cell(), due);
    }

    /// The guard is made before the answer is sent: if the answer is lost on the way, its drop gives the slot back.
    fn answer(&self, now: Timestamp, Decided { attempt, grant }: Decided) {
        let lease =
            |(id, credential)| Lease::new(id, Arc::clone(self.state.spec()), credential, self.deps.outbox.clone());
        let result = grant.map(|grant| Acquired { lease: lease(grant) }).ok_or(AcquireRefused);
        self.deps.audience.decided(AcquireDecided { attempt, view: Box::new(self.state.view(now)), result });
    }
}

impl Actor for AccountActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let now = self.deps.clock.now();
        self.apply(now, Effects { changed: true, ..Effects::default() }, ctx);
    }
}

/// `message => |state, now, settings, message| event`, one line per message.
macro_rules! hears {
    ($($message:ty => |$state:pat_param, $now:pat_param, $settings:pat_param, $msg:pat_param| $event:expr;)+) => {$(
        impl Handler<$message> for AccountActor {
            type Result = ();

            fn handle(&mut self, $msg: $message, ctx: &mut Context<Self>) {
                self.on(ctx, |$state, $now, $settings| $event);
            }
        }
    )+};
}

hears! {
    Acquire => |state, now, settings, ask| state.on_acquire(now, settings, ask);
    Ended => |state, now, settings, Ended(ended)| state.on_ended(now, settings, ended);
    Seen => |state, now, _, Seen(answer)| state.on_seen(now, &answer);
    SlotNews => |state, _, _, _| state.on_slot_news();
    StandingHeard => |state, _, _, heard| state.on_standing_heard(heard.version, &heard.text);
    StandingSaved => |state, now, _, StandingSaved(result)| state.on_standing_saved(now, result);
    Reload => |state, now, settings, Reload(stored)| state.on_reload(now, settings, stored);
    NewerCredential => |state, now, settings, ask| state.on_newer_credential(now, settings, ask);
    RefreshNow => |state, now, settings, ask| state.on_refresh_now(now, settings, ask);
    Reset => |state, _, _, reset| state.on_reset(reset.everything);
    Tested => |state, now, settings, tested| state.on_tested(now, settings, &tested);
    Checked => |state, now, settings, checked| state.on_checked(now, settings, &checked);
    GetTestable => |state, _, _, GetTestable(reply)| state.on_get_testable(reply);
    ReleaseLease => |state, now, _, ask| state.on_release(now, ask);
    Announce => |_, _, _, _| Effects { changed: true, ..Effects::default() };
    Due => |state, now, settings, _| state.on_due(now, settings);
    Loaded => |state, now, settings, loaded| state.on_loaded(now, settings, loaded);
    Exchanged => |state, now, settings, done| state.on_exchanged(now, settings, done);
    StatusSaved => |state, now, _, saved| state.on_status_saved(now, &saved);
    Probed => |state, now, settings, probed| state.on_probed(now, settings, &probed);
}

takes_obligations!(AccountActor: Ended, Exchanged);

impl Handler<GetDetail> for AccountActor {
    type Result = ();

    fn handle(&mut self, GetDetail(reply): GetDetail, _: &mut Context<Self>) {
        self.mailbox.taken();
        let depth = self.mailbox.depth();
        // The asker may have left.
        let _ = reply.send(self.state.detail(self.deps.clock.now(), &self.deps.settings.load(), depth));
    }
}

impl Handler<Retire> for AccountActor {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Context<Self>) {
        self.mailbox.taken();
        ctx.stop();
    }
}

#[cfg(any(test, feature = "testing"))]
impl Handler<super::messages::PanicNow> for AccountActor {
    type Result = ();

    fn handle(&mut self, _: super::messages::PanicNow, _: &mut Context<Self>) {
        std::panic::resume_unwind(Box::new("a test wanted it"));
    }
}
