//! The usage actor: translation, timers, and the calls of the sink.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::messages::{Flush, FlushFinished, ProbeFinished, RecordUsage, RereadFinished, SetAsideFinished};
use super::plan::{Effects, Work};
use super::queue::Queue;
use super::write::{report, write};
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::ports::UsageSink;
use crate::settings::SharedSettings;

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

/// The actor; see the module docs.
pub struct UsageActor {
    deps: UsageDeps,
}

impl UsageActor {
    /// An actor that goes on with the queue of its last life.
    pub fn new(deps: UsageDeps) -> Self {
        Self { deps }
    }

    fn on(&mut self, ctx: &mut Context<Self>, event: impl FnOnce(&mut Queue, Timestamp) -> Effects) {
        let now = self.deps.clock.now();
        let effects = self.deps.queue.with(|queue| event(queue, now));
        self.apply(effects, ctx);
    }

    fn apply(&mut self, effects: Effects, ctx: &mut Context<Self>) {
        for (timer, ms) in effects.timers {
            let ms = ms.unwrap_or_else(|| self.deps.settings.load().usage_flush_ms);
            let wait = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            ctx.run_later(wait, move |actor, ctx| actor.on(ctx, |queue, now| queue.on_timer(now, timer)));
        }
        if let Some((generation, work)) = effects.work {
            self.call(generation, work, ctx);
        }
        for asker in effects.flushed {
            let _ = asker.send(());
        }
    }

    fn call(&mut self, generation: u64, work: Work, ctx: &mut Context<Self>) {
        let sink = Arc::clone(&self.deps.sink);
        match work {
            Work::Store(batch) => {
                self.spawn(write(sink, batch), ctx, move |result| FlushFinished { generation, result });
            }
            Work::Probe(batch) => {
                self.spawn(sink.store(batch), ctx, move |r| ProbeFinished { generation, works: r.is_ok() });
            }
            Work::SetAside(event, reason) => {
                tracing::error!(%reason, "a usage event cannot be stored and is set aside");
                self.spawn(sink.set_aside(*event, reason), ctx, move |result| SetAsideFinished { generation, result });
            }
            Work::Reread(after, limit) => {
                self.spawn(sink.reread(after, limit), ctx, move |result| RereadFinished { generation, result });
            }
        }
    }

    /// The answer comes back as a message to ourselves.
    fn spawn<R, M>(
        &mut self,
        call: impl Future<Output = R> + 'static,
        ctx: &mut Context<Self>,
        message: impl FnOnce(R) -> M + 'static,
    ) where
        M: Message<Result = ()> + 'static,
        Self: Handler<M>,
    {
        ctx.spawn(call.into_actor(self).map(move |result, _, ctx| ctx.notify(message(result))));
    }
}

impl Actor for UsageActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.on(ctx, Queue::on_start);
    }
}

impl Handler<RecordUsage> for UsageActor {
    type Result = ();
    fn handle(&mut self, RecordUsage(records): RecordUsage, ctx: &mut Self::Context) {
        self.deps.mailbox.taken();
        self.on(ctx, |queue, now| queue.on_record(now, records));
    }
}

impl Handler<Flush> for UsageActor {
    type Result = ();
    fn handle(&mut self, Flush(asker): Flush, ctx: &mut Self::Context) {
        self.deps.mailbox.taken();
        self.on(ctx, |queue, now| queue.on_flush(now, asker));
    }
}

impl Handler<FlushFinished> for UsageActor {
    type Result = ();
    fn handle(&mut self, FlushFinished { generation, result }: FlushFinished, ctx: &mut Self::Context) {
        report("usage batch not stored, it is tried again", &result);
        self.on(ctx, |queue, now| queue.on_stored(now, generation, result));
    }
}

impl Handler<ProbeFinished> for UsageActor {
    type Result = ();
    fn handle(&mut self, ProbeFinished { generation, works }: ProbeFinished, ctx: &mut Self::Context) {
        self.on(ctx, |queue, now| queue.on_probed(now, generation, works));
    }
}

impl Handler<SetAsideFinished> for UsageActor {
    type Result = ();
    fn handle(&mut self, SetAsideFinished { generation, result }: SetAsideFinished, ctx: &mut Self::Context) {
        report("usage event not set aside, it is tried again", &result);
        self.on(ctx, |queue, now| queue.on_set_aside(now, generation, result));
    }
}

impl Handler<RereadFinished> for UsageActor {
    type Result = ();
    fn handle(&mut self, RereadFinished { generation, result }: RereadFinished, ctx: &mut Self::Context) {
        report("usage journal not read again", &result);
        self.on(ctx, |queue, now| queue.on_reread(now, generation, result));
    }
}
