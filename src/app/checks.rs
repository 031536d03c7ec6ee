//! What readiness depends on.

use super::Parts;
use crate::http::probes::{Check, Probes};
use crate::observe::lifecycle::Lifecycle;

/// The probes of this process.
pub fn probes(parts: &Parts, lifecycle: &Lifecycle) -> Probes {
    let engine = parts.engine.clone();
    let alive = Check {
        name: "engine",
        run: Box::new(move || {
            let engine = engine.clone();
            Box::pin(async move {
                engine.scheduler.queue().await;
                Ok(())
            })
        }),
    };
    let (db, actors, journal) = (parts.storage.db.clone(), parts.engine.actors.clone(), parts.storage.journal.clone());
    let cache = parts.storage.cache.clone();
    let checks = vec![
        Check {
            name: "cache",
            run: Box::new(move || {
                let cache = cache.clone();
                Box::pin(async move { cache.ping().await.map_err(|e| e.to_string()) })
            }),
        },
        Check {
            name: "database",
            run: Box::new(move || {
                let db = db.clone();
                Box::pin(async move { db.ping().await.map_err(|e| e.to_string()) })
            }),
        },
        check("actors", move || actors.is_ready().then_some(()).ok_or("an actor is being rebuilt")),
        check("journal", move || journal.writable().then_some(()).ok_or("the journal cannot be written")),
    ];
    Probes::new(lifecycle.clone(), parts.engine.clock.clone(), alive, checks)
}

fn check(name: &'static str, look: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Check {
    Check {
        name,
        run: Box::new(move || {
            let seen = look().map_err(str::to_owned);
            Box::pin(std::future::ready(seen))
        }),
    }
}
