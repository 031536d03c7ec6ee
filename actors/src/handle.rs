//! Mailboxes: the only file that names an actix `Addr`. Everything else speaks to actors through typed handles.
//!
//! `tell` gives a message back when nobody is there; `record` is for obligations: a message that a dying actor leaves
//! unread comes back by itself and is delivered to the rebuilt one.

#![expect(clippy::disallowed_methods, reason = "this file is where messages are sent")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use arc_swap::ArcSwapOption;

/// Sends one kept obligation again.
type Redelivery<A> = Box<dyn FnOnce(&Mailbox<A>) + Send>;

/// Where an actor's messages go. Survives the actor: its supervisor puts the address of the rebuilt actor in.
pub struct Mailbox<A: Actor> {
    address: Arc<ArcSwapOption<Addr<A>>>,
    depth: Arc<AtomicI64>,
    /// Obligations that no living actor has taken yet.
    kept: Arc<Mutex<Vec<Redelivery<A>>>>,
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { address: Arc::clone(&self.address), depth: Arc::clone(&self.depth), kept: Arc::clone(&self.kept) }
    }
}

impl<A: Actor> Default for Mailbox<A> {
    fn default() -> Self {
        Self {
            address: Arc::new(ArcSwapOption::empty()),
            depth: Arc::new(AtomicI64::new(0)),
            kept: Arc::new(Mutex::new(Vec::new())),
        }
    }
}

impl<A: Actor> Mailbox<A> {
    /// Counts a handled message; called first by every handler, so that the depth gauge is true.
    pub fn taken(&self) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages sent and not yet handled.
    pub fn depth(&self) -> i64 {
        self.depth.load(Ordering::Relaxed).max(0)
    }

    fn keep(&self, redelivery: Redelivery<A>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(redelivery);
    }
}

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    /// Starts an actor on the current arbiter and delivers to it from now on.
    pub fn start(&self, actor: A) {
        self.start_watched(actor, || ());
    }

    /// As [`Self::start`]; `ended` runs on the arbiter's thread when the actor has stopped or panicked.
    pub fn start_watched(&self, actor: A, ended: impl FnOnce() + 'static) {
        let sentinel = Sentinel(Some(ended));
        let address = A::create(move |ctx| {
            // A future that never ends dies with the actor's context, whatever kills that.
            ctx.spawn(actix::fut::wrap_future(async move {
                let _sentinel = sentinel;
                std::future::pending::<()>().await;
            }));
            actor
        });
        self.depth.store(0, Ordering::Relaxed);
        self.address.store(Some(Arc::new(address)));
        self.redeliver();
    }

    /// Delivers to an actor that is already running (an actor's own address, in `started`).
    pub fn attach(&self, address: Addr<A>) {
        self.address.store(Some(Arc::new(address)));
        self.redeliver();
    }

    /// Takes the address out: from now on nobody is there, and the actor stops once its mailbox is empty.
    pub fn close(&self) {
        self.address.store(None);
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

    /// Sends an obligation: it reaches this actor, or the one that is built in its place, exactly once. An actor that
    /// panics while handling it has taken it.
    pub fn record<M>(&self, message: M)
    where
        A: Handler<Obligation<A, M>>,
        M: Message + Send + 'static,
    {
        let obligation = Obligation { message: Some(message), mailbox: self.clone(), keep: keep_for_later::<A, M> };
        // Refused or lost on the way, its drop keeps it.
        drop(self.tell(obligation));
    }

    /// True while an actor takes messages.
    pub fn is_up(&self) -> bool {
        self.address.load().as_ref().is_some_and(|a| a.connected())
    }

    fn redeliver(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        for redelivery in kept {
            redelivery(self);
        }
    }
}

/// A message that must not be lost with the mailbox it waits in.
pub struct Obligation<A: Actor, M> {
    message: Option<M>,
    mailbox: Mailbox<A>,
    /// Known where the bounds of delivery are known; a destructor cannot state them.
    keep: fn(&Mailbox<A>, M),
}

impl<A: Actor, M> Message for Obligation<A, M> {
    type Result = ();
}

impl<A: Actor, M> Obligation<A, M> {
    /// Hands the message over; from now on it is the taker's.
    pub fn take(mut self) -> Option<M> {
        self.message.take()
    }
}

impl<A: Actor, M> Drop for Obligation<A, M> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            (self.keep)(&self.mailbox, message);
        }
    }
}

fn keep_for_later<A, M>(mailbox: &Mailbox<A>, message: M)
where
    A: Actor<Context = Context<A>> + Handler<Obligation<A, M>>,
    M: Message + Send + 'static,
{
    mailbox.keep(Box::new(move |mailbox| mailbox.record(message)));
    // The rebuilt actor may have come between the failed send and this line.
    if mailbox.is_up() {
        mailbox.redeliver();
    }
}

/// Lets an actor take obligations: each is handled like the plain message.
#[macro_export]
macro_rules! takes_obligations {
    ($actor:ty: $($message:ty),+ $(,)?) => {$(
        impl actix::Handler<$crate::handle::Obligation<$actor, $message>> for $actor {
            type Result = ();

            fn handle(&mut self, obligation: $crate::handle::Obligation<$actor, $message>, ctx: &mut Self::Context) {
                if let Some(message) = obligation.take() {
                    <Self as actix::Handler<$message>>::handle(self, message, ctx);
                }
            }
        }
    )+};
}

/// Runs its function when it is dropped.
struct Sentinel<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Sentinel<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// Notes the numbers it hears; panics at 13.
    struct Listener(Rc<RefCell<Vec<u32>>>);

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Number(u32);

    impl Actor for Listener {
        type Context = Context<Self>;
    }

    impl Handler<Number> for Listener {
        type Result = ();
        fn handle(&mut self, number: Number, _: &mut Self::Context) {
            assert_ne!(number.0, 13, "unlucky");
            self.0.borrow_mut().push(number.0);
        }
    }

    takes_obligations!(Listener: Number);

    #[actix_rt::test]
    async fn an_obligation_outlives_the_actor_that_did_not_read_it() {
        let (heard, ends) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let mailbox = Mailbox::<Listener>::default();
        mailbox.record(Number(1));
        let start = || {
            let ends = Rc::clone(&ends);
            mailbox.start_watched(Listener(Rc::clone(&heard)), move || ends.set(ends.get() + 1));
        };
        start();
        for number in [2, 13, 3, 4] {
            mailbox.record(Number(number));
        }
        while mailbox.is_up() || ends.get() == 0 {
            tokio::task::yield_now().await;
        }
        mailbox.record(Number(5));
        assert_eq!(*heard.borrow(), [1, 2]);
        start();
        while heard.borrow().len() < 5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*heard.borrow(), [1, 2, 3, 4, 5]);
        assert_eq!(ends.get(), 1);
    }

    #[actix_rt::test]
    async fn a_told_message_comes_back_when_nobody_is_there() {
        let mailbox = Mailbox::<Listener>::default();
        assert!(mailbox.tell(Number(1)).is_err());
        assert!(!mailbox.is_up());
        assert_eq!(mailbox.depth(), 0);
    }
}
