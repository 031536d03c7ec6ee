//! The actors of which there is one. Without any of them the product stands still, so too many deaths end the process.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::backoff::{CrashPolicy, Lives};
use super::{Order, Starter, order_later};
use crate::clock::Clock;
use crate::metrics::Counters;

/// Called with the actor's name when the singletons are in a crash loop; ends the process with exit code 1.
pub type OnCrashLoop = Arc<dyn Fn(&str) + Send + Sync>;

/// A kind of actor with one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Singleton {
    /// Publishes settings.
    Settings,
    /// Limits and holds.
    Billing,
    /// Usage on its way to SQL.
    Usage,
    /// Chooses accounts.
    Scheduler,
    /// Timers.
    Housekeeping,
}

impl Singleton {
    /// In the order in which they start; they stop in reverse.
    pub const ALL: [Self; 5] = [Self::Settings, Self::Billing, Self::Usage, Self::Scheduler, Self::Housekeeping];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Billing => "billing",
            Self::Usage => "usage",
            Self::Scheduler => "scheduler",
            Self::Housekeeping => "housekeeping",
        }
    }
}

/// Their factories and deaths.
pub struct Singletons {
    starters: HashMap<Singleton, Starter>,
    /// Backoff of each.
    lives: HashMap<Singleton, Lives>,
    /// The limit counts all of them together.
    all: Lives,
    clock: Clock,
    counters: Counters,
    orders: mpsc::UnboundedSender<Order>,
    on_crash_loop: OnCrashLoop,
}

impl Singletons {
    /// Nothing to watch yet.
    pub fn new(
        clock: Clock,
        counters: Counters,
        orders: mpsc::UnboundedSender<Order>,
        policy: CrashPolicy,
        on_crash_loop: OnCrashLoop,
    ) -> Self {
        let all = Lives::new(policy, clock.now());
        Self { starters: HashMap::new(), lives: HashMap::new(), all, clock, counters, orders, on_crash_loop }
    }

    /// Starts an actor by its factory and watches it from now on.
    pub fn start(&mut self, which: Singleton, starter: Starter) {
        self.starters.insert(which, starter);
        self.lives.insert(which, Lives::new(CrashPolicy::SINGLETONS, self.clock.now()));
        self.rebuild(which);
    }

    /// An actor died.
    pub fn died(&mut self, which: Singleton) {
        let now = self.clock.now();
        self.counters.restarts.with_label_values(&[which.label(), "panic"]).inc();
        let wait = self.lives.get_mut(&which).and_then(|lives| lives.died(now));
        if self.all.died(now).is_none() {
            tracing::error!(actor = which.label(), "actors die again and again");
            return (self.on_crash_loop)(which.label());
        }
        let wait = wait.unwrap_or(CrashPolicy::SINGLETONS.longest_ms);
        tracing::error!(actor = which.label(), wait_ms = wait, "actor died and will be rebuilt");
        order_later(&self.orders, wait, Order::RebuildSingleton(which));
    }

    /// Builds an actor anew.
    pub fn rebuild(&mut self, which: Singleton) {
        let Some(starter) = self.starters.get(&which).map(Rc::clone) else { return };
        if let Some(lives) = self.lives.get_mut(&which) {
            lives.born(self.clock.now());
        }
        let orders = self.orders.clone();
        starter(Box::new(move || {
            // The supervisor is gone only when the system stops.
            let _ = orders.send(Order::SingletonDied(which));
        }));
    }
}
