//! The actor's port calls: started here, answered by a message with their generation.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context, Handler};

use super::actor::AccountActor;
use super::effects::Call;
use super::exchange;
use super::messages::{Loaded, Probed, StandingSaved, StatusSaved};

impl AccountActor {
    pub(super) fn call(&self, call: Call, ctx: &mut Context<Self>) {
        let spec = Arc::clone(self.state.spec());
        match call {
            Call::Load(generation) => {
                Self::then(ctx, self.deps.store.load(spec.id), move |result| Loaded { generation, result });
            }
            Call::SaveStatus(generation, status, reason) => {
                let saving = self.deps.store.save_status(spec.id, status, reason);
                Self::then(ctx, saving, move |result| StatusSaved { generation, result });
            }
            Call::Probe(generation, credential) => {
                Self::then(ctx, self.deps.vendor.probe(spec, credential), move |result| Probed { generation, result });
            }
            Call::Exchange(generation, base) => {
                let ports = (Arc::clone(&self.deps.store), Arc::clone(&self.deps.vendor));
                exchange::start(Rc::clone(self.state.cell()), self.mailbox.clone(), ports, spec, (generation, base));
            }
        }
    }

    /// Stores how the account stands, for other instances.
    pub(super) fn save_standing(&self, seen: i64, text: String, ctx: &mut Context<Self>) {
        if let Some(fleet) = &self.deps.fleet {
            Self::then(ctx, fleet.save_standing(self.state.id(), seen, text), StandingSaved);
        }
    }

    /// Calls a port; its answer comes back as a message to this very life of the actor.
    fn then<T: 'static, M>(
        ctx: &mut Context<Self>,
        answer: impl Future<Output = T> + 'static,
        message: impl FnOnce(T) -> M + 'static,
    ) where
        Self: Handler<M>,
        M: actix::Message + Send + 'static,
        M::Result: Send,
    {
        ctx.spawn(wrap_future::<_, Self>(answer).map(move |result, actor: &mut Self, _| {
            // Nobody is there only when the system has stopped.
            let _ = actor.mailbox.tell(message(result));
        }));
    }
}
