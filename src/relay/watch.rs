//! Watches over open streams: a client that stopped reading is cut, so that no slot waits for it (`relay-api.md` §4), and
//! when the process closes every stream is told so.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::settle::End;
use super::stream::Flow;
use crate::observe::lifecycle::{Lifecycle, Phase};

/// A client that takes nothing for this long has stalled.
const STALLED: Duration = Duration::from_secs(60);
/// How often the watch looks.
const EVERY: Duration = Duration::from_secs(5);

/// A stream under watch. The flow is gone once the watch has cut it.
pub struct Watched {
    /// The stream.
    pub flow: RefCell<Option<Flow>>,
    handed_out: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    list: Rc<List>,
    number: u64,
}

#[derive(Default)]
struct List {
    streams: RefCell<HashMap<u64, Weak<Watched>>>,
    next: Cell<u64>,
}

impl Watched {
    /// The server asks for more: the client is reading.
    pub fn is_polled(&self) {
        self.handed_out.set(None);
    }

    /// Bytes went to the server; until it asks again, they wait for the client.
    pub fn handed_out(&self, at: Instant) {
        self.handed_out.set(Some(at));
    }

    /// The stream waits for its upstream; this task is woken when the process closes.
    pub fn waits(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Takes the stream out.
    pub fn take(&self) -> Option<Flow> {
        self.flow.borrow_mut().take()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.list.streams.borrow_mut().remove(&self.number);
    }
}

/// The watch of one worker. Ends with it.
#[derive(Clone)]
pub struct StallWatch(Rc<List>);

impl StallWatch {
    /// Starts watching on this worker.
    pub fn start(lifecycle: Lifecycle) -> Self {
        let list = Rc::new(List::default());
        let closing = Rc::downgrade(&list);
        actix_rt::spawn(async move {
            lifecycle.reached(Phase::Closing).await;
            if let Some(list) = closing.upgrade() {
                wake_all(&list);
            }
        });
        let weak = Rc::downgrade(&list);
        actix_rt::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(list) = weak.upgrade() else { return };
                cut_stalled(&list, Instant::now());
            }
        });
        Self(list)
    }

    /// Watches a stream.
    pub fn add(&self, flow: Flow) -> Rc<Watched> {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let watched = Rc::new(Watched {
            flow: RefCell::new(Some(flow)),
            handed_out: Cell::new(None),
            waker: RefCell::new(None),
            list: Rc::clone(&self.0),
            number,
        });
        self.0.streams.borrow_mut().insert(number, Rc::downgrade(&watched));
        watched
    }
}

/// Each stream finds out by itself that the process closes, and says so to its client.
fn wake_all(list: &List) {
    let streams: Vec<Rc<Watched>> = list.streams.borrow().values().filter_map(Weak::upgrade).collect();
    for waker in streams.iter().filter_map(|stream| stream.waker.take()) {
        waker.wake();
    }
}

fn cut_stalled(list: &List, now: Instant) {
    let stalled: Vec<Rc<Watched>> = list
        .streams
        .borrow()
        .values()
        .filter_map(Weak::upgrade)
        .filter(|stream| stream.handed_out.get().is_some_and(|at| now.duration_since(at) > STALLED))
        .collect();
    for stream in stalled {
        if let Some(mut flow) = stream.take().filter(|flow| !flow.is_settled()) {
            tracing::info!(request.id = %flow.settlement.request.arrival.request, "client stopped reading");
            flow.settlement.relay.metrics().relay_streams_open().dec();
            flow.finish(&End::cancelled());
        }
    }
}
