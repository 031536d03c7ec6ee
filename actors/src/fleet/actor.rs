//! The fleet's actor: translation, timers, and the calls of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler};

use super::ask::{
    AdmissionAsk, Holdings, LeaseAnswer, Lost, News, ReserveAnswer, ReserveAsk, SharedEnd, StoredStanding,
};
use super::book::Book;
use super::messages::{HoldsOver, LeasesOver, PermitsOver, Reserve, Reserved};
use super::share::Share;
use crate::account::directory::Directory;
use crate::account::messages::{Seen, SlotNews, StandingHeard};
use crate::clock::Clock;
use crate::domain::id::{AccountId, AttemptId, KeyId};
use crate::domain::money::Nanos;
use crate::domain::settings::{OnFailure, OnStoreFailure, Settings};
use crate::domain::time::{SECOND, Timestamp};
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::ports::{Fleet, PortError};
use crate::scheduler::SchedulerActor;
use crate::scheduler::messages::{KeySlotFreed, ReserveDecided};
use crate::settings::SharedSettings;
use crate::takes_obligations;

/// Ends travel together when they come within this time; a reservation takes them along at once.
const LINGER: Duration = Duration::from_millis(5);
/// How often the store's return is looked for, and overdue renewals.
const TICK: Duration = Duration::from_secs(1);
/// News of standings are read together when they come within this time.
const HEED: Duration = Duration::from_millis(100);
/// Every standing is read again this often.
const READ: i64 = 5 * SECOND;
/// How often the instance shows that it lives.
const BEAT: i64 = 5 * SECOND;

/// What the fleet's actor needs; kept by its supervisor.
#[derive(Clone)]
pub struct FleetDeps {
    /// Time.
    pub clock: Clock,
    /// Life of leases, and what to do without the store.
    pub settings: SharedSettings,
    /// Its own mailbox.
    pub mailbox: Mailbox<FleetActor>,
    /// Who asks.
    pub scheduler: Mailbox<SchedulerActor>,
    /// The accounts, which learn what others hold of them.
    pub accounts: Arc<Directory>,
    /// The store.
    pub store: Arc<dyn Fleet>,
    /// Which part of a limit this instance may give out.
    pub share: Share,
    /// Survives the actor.
    pub book: Kept<Book>,
}

/// The actor; see the module docs.
pub struct FleetActor {
    deps: FleetDeps,
    /// Instances whose hearts beat, this one included.
    instances: u32,
    flush_armed: bool,
    renewing: bool,
    renew_at: Timestamp,
    beat_at: Timestamp,
    /// When every standing is read again: news can be lost.
    read_at: Timestamp,
    /// Accounts that stand otherwise than is known here.
    heard_of: BTreeSet<AccountId>,
    /// What keys hold against limits of money since the store went away.
    held_apart: BTreeMap<KeyId, Nanos>,
}

impl FleetActor {
    /// An actor that goes on with the book of its last life.
    pub fn new(deps: FleetDeps) -> Self {
        let now = deps.clock.now();
        Self {
            deps,
            instances: 1,
            flush_armed: false,
            renewing: false,
            renew_at: now,
            beat_at: now,
            read_at: now,
            heard_of: BTreeSet::new(),
            held_apart: BTreeMap::new(),
        }
    }

    fn decide(&mut self, ctx: &mut Context<Self>, Reserve { attempt, ask, turn }: Reserve) {
        if !self.deps.store.is_up() && self.deps.share.is_together() {
            self.part();
        }
        if turn != self.deps.share.turn() {
            return self.answer(attempt, Reserved::Again);
        }
        if !self.deps.share.is_together() {
            // Perhaps the store is back, but it has not heard yet what was granted meanwhile.
            return self.decide_apart(attempt, &ask);
        }
        let ends = self.deps.book.with(|book| {
            book.asked(&ask);
            book.take_ends()
        });
        let (call, ask, sent) = (self.deps.store.reserve(ends.clone(), ask.clone()), Arc::new(ask), ends);
        ctx.spawn(wrap_future::<_, Self>(call).map(move |result, actor: &mut Self, ctx| {
            actor.on_answered(ctx, attempt, &ask, sent, result);
        }));
    }

    /// Without the store nobody can say what is left of a limit of money: nothing is held, or up to an amount per key.
    fn may_hold_apart(&mut self, ask: &AdmissionAsk, settings: &Settings) -> bool {
        if settings.on_store_failure == OnStoreFailure::Closed {
            return false;
        }
        let held = self.held_apart.entry(ask.key).or_default();
        let total = held.saturating_add(ask.amount);
        let fits = total.0 <= settings.fail_open_limit_nanos;
        if fits {
            *held = total;
        }
        fits
    }

    fn decide_apart(&mut self, attempt: AttemptId, ask: &ReserveAsk) {
        let settings = self.deps.settings.load();
        let money = ask.admission.as_ref().filter(|admission| admission.is_about_money());
        let closed = settings.cache_on_failure == OnFailure::Closed
            || money.is_some_and(|admission| !self.may_hold_apart(admission, &settings));
        if closed {
            return self.answer(attempt, Reserved::Closed);
        }
        self.deps.book.with(|book| book.granted_untold(ask));
        self.answer(attempt, Reserved::Apart);
    }

    fn on_answered(
        &mut self,
        ctx: &mut Context<Self>,
        attempt: AttemptId,
        ask: &ReserveAsk,
        ends: Vec<SharedEnd>,
        result: Result<ReserveAnswer, PortError>,
    ) {
        match result {
            Ok(answer) => {
                self.deps.book.with(|book| book.answered(ask, &answer));
                self.tell_account(ask, &answer.lease);
                self.answer(attempt, Reserved::Answered(Box::new(answer)));
            }
            Err(error) => {
                tracing::debug!(%error, "a reservation was not answered");
                self.deps.book.with(|book| {
                    book.unanswered(ask);
                    book.put_back(ends);
                });
                if !self.deps.store.is_up() && self.deps.share.is_together() {
                    self.part();
                }
                self.answer(attempt, Reserved::Again);
            }
        }
        self.flush_soon(ctx);
    }

    fn tell_account(&self, ask: &ReserveAsk, seen: &LeaseAnswer) {
        if let Some(mailbox) = self.deps.accounts.get(ask.lease.account) {
            // An account under repair learns it from the next answer.
            let _ = mailbox.tell(Seen(*seen));
        }
    }

    /// A scheduler under repair has forgotten the attempt; its guards give everything back.
    fn answer(&self, attempt: AttemptId, outcome: Reserved) {
        let _ = self.deps.scheduler.tell(ReserveDecided { attempt, outcome });
    }

    /// The store is away: from now on this instance keeps to its share.
    fn part(&self) {
        self.deps.share.set_apart(self.instances);
        tracing::warn!(instances = self.instances, "the shared store is away; limits are divided by the instances");
    }

    fn flush_soon(&mut self, ctx: &mut Context<Self>) {
        if self.flush_armed || !self.deps.book.with(|book| book.has_ends()) {
            return;
        }
        self.flush_armed = true;
        ctx.run_later(LINGER, |actor, ctx| {
            actor.flush_armed = false;
            actor.flush(ctx);
        });
    }

    fn flush(&mut self, ctx: &mut Context<Self>) {
        if !self.deps.store.is_up() {
            return;
        }
        let ends = self.deps.book.with(Book::take_ends);
        if ends.is_empty() {
            return;
        }
        let call = self.deps.store.end(ends.clone());
        ctx.spawn(wrap_future::<_, Self>(call).map(move |result, actor: &mut Self, _| {
            if let Err(error) = result {
                tracing::debug!(%error, "ends were not delivered and wait");
                actor.deps.book.with(|book| book.put_back(ends));
            }
        }));
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if !self.deps.store.is_up() {
            if self.deps.share.is_together() {
                self.part();
            }
            return;
        }
        let now = self.deps.clock.now();
        self.flush(ctx);
        if !self.renewing && (self.renew_at <= now || !self.deps.share.is_together()) {
            self.renew(ctx, now);
        }
        if self.beat_at <= now {
            self.beat_at = now.plus(BEAT);
            let call = self.deps.store.beat();
            ctx.spawn(wrap_future::<_, Self>(call).map(|result, actor: &mut Self, _| {
                if let Ok(instances) = result {
                    actor.instances = instances.max(1);
                }
            }));
        }
    }

    /// Reads the standings that others stored lately, and all of them now and then.
    fn read_standings(&mut self, ctx: &mut Context<Self>) {
        let now = self.deps.clock.now();
        let all = self.read_at <= now;
        if !self.deps.store.is_up() || (!all && self.heard_of.is_empty()) {
            return;
        }
        let of = std::mem::take(&mut self.heard_of);
        if all {
            self.read_at = now.plus(READ);
        }
        let of = if all { Vec::new() } else { of.into_iter().collect() };
        let call = self.deps.store.standings(of);
        ctx.spawn(wrap_future::<_, Self>(call).map(|result, actor: &mut Self, _| {
            // What could not be read is read with all of them.
            for StoredStanding { account, version, text } in result.unwrap_or_default() {
                if let Some(mailbox) = actor.deps.accounts.get(account) {
                    let _ = mailbox.tell(StandingHeard { version, text });
                }
            }
        }));
    }

    /// Renews everything. When the store has been away, it also hears what was granted without it, and decides again.
    fn renew(&mut self, ctx: &mut Context<Self>, now: Timestamp) {
        let settings = self.deps.settings.load();
        self.renewing = true;
        self.renew_at = now.plus(settings.lease_renew_ms);
        let held = self.deps.book.with(|book| book.holdings(settings.lease_ttl_ms));
        let call = self.deps.store.renew(held.clone());
        ctx.spawn(wrap_future::<_, Self>(call).map(move |result, actor: &mut Self, _| {
            actor.on_renewed(&held, &result);
        }));
    }

    fn on_renewed(&mut self, held: &Holdings, result: &Result<Lost, PortError>) {
        self.renewing = false;
        match result {
            Ok(lost) => {
                self.deps.book.with(|book| book.renewed(held, lost));
                if !lost.leases.is_empty() || !lost.admissions.is_empty() {
                    tracing::warn!(
                        leases = lost.leases.len(),
                        admissions = lost.admissions.len(),
                        "leases were lost; their streams go on"
                    );
                }
                if !self.deps.share.is_together() {
                    self.deps.share.set_together();
                    self.held_apart.clear();
                    tracing::info!("the shared store decides about limits");
                    // What was granted while it was being told is told next.
                    self.renew_at = self.deps.clock.now();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "leases were not renewed");
                self.renew_at = self.deps.clock.now();
            }
        }
    }

    /// Asks for the next news, and again after each.
    fn listen(&self, ctx: &mut Context<Self>) {
        ctx.spawn(wrap_future::<_, Self>(self.deps.store.news()).map(|news, actor: &mut Self, ctx| {
            if let Some(news) = news {
                actor.hear(&news);
                actor.listen(ctx);
            }
        }));
    }

    fn hear(&mut self, news: &News) {
        match news {
            News::AccountSlot(id) => {
                if let Some(mailbox) = self.deps.accounts.get(*id) {
                    let _ = mailbox.tell(SlotNews);
                }
            }
            News::KeySlot(user, key) => {
                let _ = self.deps.scheduler.tell(KeySlotFreed { key: *key, user: *user, elsewhere: true });
            }
            News::Standing(id) => {
                self.heard_of.insert(*id);
            }
            News::Missed => (self.renew_at, self.read_at) = (self.deps.clock.now(), self.deps.clock.now()),
        }
    }
}

impl Actor for FleetActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.deps.book.with(Book::on_start);
        match self.deps.store.is_up() {
            true => self.deps.share.set_together(),
            false => self.part(),
        }
        self.tick(ctx);
        self.listen(ctx);
        ctx.run_interval(TICK, |actor, ctx| actor.tick(ctx));
        ctx.run_interval(HEED, |actor, ctx| actor.read_standings(ctx));
    }
}

impl Handler<Reserve> for FleetActor {
    type Result = ();

    fn handle(&mut self, reserve: Reserve, ctx: &mut Self::Context) {
        self.deps.mailbox.taken();
        self.decide(ctx, reserve);
    }
}

/// `message => |book, item| event`, for batches of ends.
macro_rules! ends {
    ($($message:ident => |$book:ident, $item:pat_param| $event:expr;)+) => {$(
        impl Handler<$message> for FleetActor {
            type Result = ();

            fn handle(&mut self, $message(ended): $message, ctx: &mut Self::Context) {
                self.deps.mailbox.taken();
                self.deps.book.with(|$book| ended.into_iter().for_each(|$item| $event));
                self.flush_soon(ctx);
            }
        }
    )+};
}

ends! {
    LeasesOver => |book, (lease, over)| book.lease_over(lease, over);
    HoldsOver => |book, ended| book.hold_over(ended.request, ended.resolution);
    PermitsOver => |book, returned| book.permit_over(returned.request);
}

takes_obligations!(FleetActor: LeasesOver, HoldsOver, PermitsOver);
