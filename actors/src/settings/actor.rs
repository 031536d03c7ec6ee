//! The settings actor: timers and translation.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::SharedSettings;
use super::messages::{Loaded, Reload};
use super::state::State;
use crate::handle::Mailbox;
use crate::ports::SettingsStore;

/// A change made by another process is seen within this time (`admin-api.md` §4).
const POLL: Duration = Duration::from_secs(5);

/// What the settings actor needs; kept by its supervisor.
#[derive(Clone)]
pub struct SettingsDeps {
    /// Its own mailbox.
    pub mailbox: Mailbox<SettingsActor>,
    /// Where the settings are stored.
    pub store: Arc<dyn SettingsStore>,
    /// Where they are published.
    pub shared: SharedSettings,
}

/// The actor; see the module docs.
pub struct SettingsActor {
    deps: SettingsDeps,
    state: State,
}

impl SettingsActor {
    /// An actor that reads and publishes as soon as it runs.
    pub fn new(deps: SettingsDeps) -> Self {
        Self { deps, state: State::default() }
    }

    fn load(&mut self, generation: Option<u64>, ctx: &mut Context<Self>) {
        let Some(generation) = generation else { return };
        let loading = self.deps.store.load().into_actor(self);
        ctx.spawn(loading.map(move |result, _, ctx| ctx.notify(Loaded { generation, result })));
    }
}

impl Actor for SettingsActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        let first = self.state.on_poll();
        self.load(first, ctx);
        ctx.run_interval(POLL, |actor, ctx| {
            let due = actor.state.on_poll();
            actor.load(due, ctx);
        });
    }
}

impl Handler<Reload> for SettingsActor {
    type Result = ();
    fn handle(&mut self, Reload(asker): Reload, ctx: &mut Self::Context) {
        self.deps.mailbox.taken();
        let due = self.state.on_reload(asker);
        self.load(due, ctx);
    }
}

impl Handler<Loaded> for SettingsActor {
    type Result = ();
    fn handle(&mut self, Loaded { generation, result }: Loaded, ctx: &mut Self::Context) {
        if let Err(error) = &result {
            tracing::warn!(%error, "settings cannot be read, the last ones stay in force");
        }
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        let Some(finished) = self.state.on_loaded(generation, result) else { return };
        if let Some(settings) = finished.publish {
            self.deps.shared.store(Arc::new(settings));
        }
        for asker in finished.answer {
            let _ = asker.send(outcome.clone());
        }
        self.load(finished.start, ctx);
    }
}
