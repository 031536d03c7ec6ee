//! Asks of a worker, sent together: the tasks that one turn of its runtime finds ready ask one after the other, and waking
//! the engine's thread costs more than deciding.

use std::cell::RefCell;

use super::SchedulerActor;
use super::messages::{Route, RouteAll};
use crate::handle::Mailbox;
use crate::outbox::Outbox;

thread_local! {
    /// Asked in this turn and not sent yet; never empty between the first ask and the task that sends. A worker knows one
    /// engine.
    static ASKED: RefCell<Vec<Route>> = const { RefCell::new(Vec::new()) };
}

/// Asks: on a worker with what other tasks ask in the same turn, elsewhere at once. False when nobody is there to be asked.
pub(super) fn ask(scheduler: &Mailbox<SchedulerActor>, question: Route) -> bool {
    if !Outbox::is_installed() {
        return scheduler.tell(question).is_ok();
    }
    if !scheduler.is_up() {
        return false;
    }
    let first = ASKED.with_borrow_mut(|asked| {
        asked.push(question);
        asked.len() == 1
    });
    if first {
        let scheduler = scheduler.clone();
        // Runs behind the tasks that are ready now.
        actix_rt::spawn(async move {
            let asked = ASKED.take();
            // Dropped unheard, they tell their askers.
            drop(scheduler.tell(RouteAll(asked)));
        });
    }
    true
}
