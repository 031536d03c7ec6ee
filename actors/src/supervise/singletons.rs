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
    /// What instances share; only in a fleet.
    Fleet,
    /// Chooses accounts.
    Scheduler,
    /// Timers.
    Housekeeping,
}

impl Singleton {
    /// In the order in which they start; they stop in reverse.
    pub const ALL: [Self; 6] =
        [Self::Settings, Self::Billing, Self::Usage, Self::Fleet, Self::Scheduler, Self::Housekeeping];

    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Billing => "billing",
            Self::Usage => "usage",
            Self::Fleet => "fleet",
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing::START;

    /// Runs the orders until nothing has come for a virtual minute.
    async fn obey(singletons: &mut Singletons, orders: &mut mpsc::UnboundedReceiver<Order>) {
        let patience = std::time::Duration::from_secs(60);
        while let Ok(Some(order)) = tokio::time::timeout(patience, orders.recv()).await {
            match order {
                Order::SingletonDied(which) => singletons.died(which),
                Order::RebuildSingleton(which) => singletons.rebuild(which),
                _ => panic!("an order for somebody else"),
            }
        }
    }

    #[actix_rt::test]
    async fn twenty_deaths_in_a_minute_end_the_process_once() {
        tokio::time::pause();
        let (sender, mut orders) = mpsc::unbounded_channel();
        let ended = Arc::new(AtomicU32::new(0));
        let noted = Arc::clone(&ended);
        let counters = Counters::register(&prometheus::Registry::new()).unwrap();
        let restarts = counters.restarts.clone();
        let clock = Clock::of_runtime(START);
        let on_crash_loop: OnCrashLoop = Arc::new(move |actor: &str| {
            assert_eq!(actor, "usage");
            noted.fetch_add(1, Ordering::Relaxed);
        });
        let mut singletons = Singletons::new(clock.clone(), counters, sender, CrashPolicy::SINGLETONS, on_crash_loop);
        let births = Rc::new(Cell::new(0));
        let counted = Rc::clone(&births);
        let stillborn: Starter = Rc::new(move |ended| {
            counted.set(counted.get() + 1);
            ended();
        });
        singletons.start(Singleton::Usage, stillborn);
        obey(&mut singletons, &mut orders).await;
        assert_eq!((births.get(), ended.load(Ordering::Relaxed)), (20, 1));
        assert_eq!(restarts.with_label_values(&["usage", "panic"]).get(), 20);
    }

    #[actix_rt::test]
    async fn an_actor_that_dies_now_and_then_is_always_rebuilt() {
        tokio::time::pause();
        let (sender, mut orders) = mpsc::unbounded_channel();
        let counters = Counters::register(&prometheus::Registry::new()).unwrap();
        let on_crash_loop: OnCrashLoop = Arc::new(|actor: &str| panic!("{actor}"));
        let clock = Clock::of_runtime(START);
        let mut singletons = Singletons::new(clock, counters, sender, CrashPolicy::SINGLETONS, on_crash_loop);
        let births = Rc::new(Cell::new(0));
        let counted = Rc::clone(&births);
        let mortal: Starter = Rc::new(move |ended| {
            counted.set(counted.get() + 1);
            if counted.get() < 100 {
                actix_rt::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
                    ended();
                });
            }
        });
        singletons.start(Singleton::Scheduler, mortal);
        obey(&mut singletons, &mut orders).await;
        assert_eq!(births.get(), 100);
    }
}
