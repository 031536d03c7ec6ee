//! Usage on its way to SQL.
pub mod messages;

use std::sync::Arc;

use crate::clock::Clock;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::outbox::Recorded;
use crate::ports::UsageSink;
use crate::settings::SharedSettings;

/// What is journalled and not yet stored.
#[derive(Debug, Default)]
pub struct Queue;

/// What the usage actor needs; kept by its supervisor.
#[derive(Clone)]
pub struct UsageDeps {
    /// Ages.
    pub clock: Clock,
    /// `usage.flush_ms`.
    pub settings: SharedSettings,
    /// Its own mailbox.
    pub mailbox: Mailbox<UsageActor>,
    /// SQL, counters and journal.
    pub sink: Arc<dyn UsageSink>,
    /// Survives the actor.
    pub queue: Kept<Queue>,
}

/// Speaks to the usage actor.
#[derive(Clone)]
pub struct UsageHandle {
    mailbox: Mailbox<UsageActor>,
}

impl UsageHandle {
    /// A handle to the actor behind this mailbox, which keeps this queue.
    pub fn new(mailbox: Mailbox<UsageActor>, _queue: Kept<Queue>, _clock: Clock) -> Self {
        Self { mailbox }
    }

    /// Hands journalled records over.
    pub fn record(&self, records: Vec<Recorded>) {
        let _ = self.mailbox.tell(messages::RecordUsage(records));
    }

    /// Returns when everything recorded so far is stored.
    pub async fn flush(&self) {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let _ = self.mailbox.tell(messages::Flush(reply));
        let _ = answer.await;
    }
}

/// The actor; see the module docs.
pub struct UsageActor {
    _deps: UsageDeps,
}

impl UsageActor {
    /// An actor.
    pub fn new(deps: UsageDeps) -> Self {
        Self { _deps: deps }
    }
}

impl actix::Actor for UsageActor {
    type Context = actix::Context<Self>;
}

impl actix::Handler<messages::RecordUsage> for UsageActor {
    type Result = ();
    fn handle(&mut self, _: messages::RecordUsage, _: &mut Self::Context) {}
}

impl actix::Handler<messages::Flush> for UsageActor {
    type Result = ();
    fn handle(&mut self, flush: messages::Flush, _: &mut Self::Context) {
        let _ = flush.0.send(());
    }
}
