//! What anyone may read of the engine without asking an actor: mailbox depths and who is up.

use std::sync::Arc;

use actix::{Actor, Context};

use crate::account::directory::Directory;
use crate::handle::Mailbox;

/// One kind of actor, as the metrics and the management API show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorGauge {
    /// Its metric label.
    pub actor: &'static str,
    /// Messages that wait, over all actors of the kind.
    pub depth: i64,
    /// Messages that it is sized for, over all actors of the kind; not enforced, back-pressure is at the front door.
    pub capacity: i64,
    /// False while one of them is being rebuilt.
    pub up: bool,
}

type Probe = Arc<dyn Fn() -> (i64, bool) + Send + Sync>;

/// Readable from any thread.
#[derive(Clone)]
pub struct Actors {
    singletons: Vec<(&'static str, i64, Probe)>,
    accounts: Arc<Directory>,
}

impl Actors {
    /// The accounts of this directory, and no singletons yet.
    pub(crate) fn new(accounts: Arc<Directory>) -> Self {
        Self { singletons: Vec::new(), accounts }
    }

    /// Adds a singleton.
    pub(crate) fn add<A: Actor<Context = Context<A>>>(
        &mut self,
        label: &'static str,
        capacity: i64,
        mailbox: &Mailbox<A>,
    ) {
        let mailbox = mailbox.clone();
        self.singletons.push((label, capacity, Arc::new(move || (mailbox.depth(), mailbox.is_up()))));
    }

    /// Every kind of actor now.
    pub fn gauges(&self) -> Vec<ActorGauge> {
        let singleton = |(actor, capacity, probe): &(&'static str, i64, Probe)| {
            let (depth, up) = probe();
            ActorGauge { actor, depth, capacity: *capacity, up }
        };
        let mut gauges: Vec<_> = self.singletons.iter().map(singleton).collect();
        let accounts = self.accounts.all();
        gauges.push(ActorGauge {
            actor: "account",
            depth: accounts.iter().map(|(_, mailbox)| mailbox.depth()).sum(),
            capacity: i64::try_from(accounts.len() * crate::account::actor::MAILBOX).unwrap_or(i64::MAX),
            up: accounts.iter().all(|(_, mailbox)| mailbox.is_up()),
        });
        gauges
    }

    /// True when every singleton is up: without one of them nothing can be served.
    pub fn is_ready(&self) -> bool {
        self.singletons.iter().all(|(_, _, probe)| probe().1)
    }
}
