//! What happened to one call below the HTTP client, which does not tell: was the connection new, did a byte come?

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::target::Target;

/// One try of one call. The connector and the wire find it through the task, because both run inside the call's future.
#[derive(Debug)]
pub(super) struct Trace {
    /// Where to, for the connector.
    pub(super) target: Rc<Target>,
    /// Longest dial.
    pub(super) connect_timeout: Duration,
    /// The connection is new.
    pub(super) dialled: Cell<bool>,
    /// At least one byte of the answer came.
    pub(super) received: Cell<bool>,
    /// The peer closed while we were sending.
    pub(super) write_broken: Cell<bool>,
}

tokio::task_local! {
    /// The try that the current task is making.
    pub(super) static TRACE: Rc<Trace>;
}

impl Trace {
    pub(super) fn new(target: Rc<Target>, connect_timeout: Duration) -> Self {
        let [dialled, received, write_broken] = [(); 3].map(|()| Cell::new(false));
        Self { target, connect_timeout, dialled, received, write_broken }
    }
}

/// A byte came. Outside of a try (while a body streams) nobody asks.
pub(super) fn received() {
    let _ = TRACE.try_with(|trace| trace.received.set(true));
}

/// The peer closed while we were sending.
pub(super) fn write_broken() {
    let _ = TRACE.try_with(|trace| trace.write_broken.set(true));
}
