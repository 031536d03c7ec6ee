//! Fault hooks: actors that panic when told to.

use actix::{Context, Handler, Message};

use crate::scheduler::SchedulerActor;
use crate::system::Engine;

/// The scheduler panics in its handler.
#[derive(Message, Debug)]
#[rtype(result = "()")]
struct SchedulerPanics;

impl Handler<SchedulerPanics> for SchedulerActor {
    type Result = ();

    fn handle(&mut self, _: SchedulerPanics, _: &mut Context<Self>) {
        std::panic::resume_unwind(Box::new("a test wanted it"));
    }
}

/// Makes the engine's scheduler panic. False when it was already down.
pub fn panic_scheduler(engine: &Engine) -> bool {
    engine.scheduler.0.tell(SchedulerPanics).is_ok()
}
