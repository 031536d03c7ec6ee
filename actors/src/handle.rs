//! Mailboxes: the only file that names an actix `Addr`. Everything else speaks to actors through typed handles.

#![expect(clippy::disallowed_methods, reason = "this file is where messages are sent")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, Message};
use arc_swap::ArcSwapOption;

/// Where an actor's messages go. Survives the actor: its supervisor puts the address of the rebuilt actor in.
pub struct Mailbox<A: Actor> {
    address: Arc<ArcSwapOption<Addr<A>>>,
    depth: Arc<AtomicI64>,
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { address: Arc::clone(&self.address), depth: Arc::clone(&self.depth) }
    }
}

impl<A: Actor> Default for Mailbox<A> {
    fn default() -> Self {
        Self { address: Arc::new(ArcSwapOption::empty()), depth: Arc::new(AtomicI64::new(0)) }
    }
}

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    /// Starts an actor on the current arbiter and delivers to it from now on.
    pub fn start(&self, actor: A) {
        self.depth.store(0, Ordering::Relaxed);
        self.address.store(Some(Arc::new(actor.start())));
    }

    /// Delivers to an actor that is already running (an actor's own address, in `started`).
    pub fn attach(&self, address: Addr<A>) {
        self.address.store(Some(Arc::new(address)));
    }

    /// Sends without waiting. Gives the message back when no actor is there to take it, so that an obligation is never
    /// lost silently.
    pub fn tell<M>(&self, message: M) -> Result<(), M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        A::Context: ToEnvelope<A, M>,
    {
        let Some(address) = self.address.load_full().filter(|a| a.connected()) else { return Err(message) };
        self.depth.fetch_add(1, Ordering::Relaxed);
        address.do_send(message);
        Ok(())
    }

    /// Counts a handled message; called first by every handler, so that the depth gauge is true.
    pub fn taken(&self) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages sent and not yet handled.
    pub fn depth(&self) -> i64 {
        self.depth.load(Ordering::Relaxed).max(0)
    }

    /// True while an actor takes messages.
    pub fn is_up(&self) -> bool {
        self.address.load().as_ref().is_some_and(|a| a.connected())
    }
}
