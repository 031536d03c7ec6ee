//! One alarm clock for all accounts: each says when it next has something to do, and is told when that moment has come.
//! A thousand idle accounts cost no timer of their own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::cell::AccountCell;
use super::directory::Directory;
use super::messages::Due;
use crate::clock::Clock;
use crate::domain::id::AccountId;
use crate::domain::time::{HOUR, Timestamp};

const NEVER: Timestamp = Timestamp(i64::MAX);

/// The board on which accounts write their next moment; on the engine's thread.
pub struct DueBoard {
    cells: RefCell<HashMap<AccountId, Rc<AccountCell>>>,
    earliest: Cell<Timestamp>,
    sooner: Notify,
}

impl Default for DueBoard {
    fn default() -> Self {
        Self { cells: RefCell::default(), earliest: Cell::new(NEVER), sooner: Notify::new() }
    }
}

impl DueBoard {
    /// Puts an account on the board.
    pub fn add(&self, cell: Rc<AccountCell>) {
        self.cells.borrow_mut().insert(cell.id, cell);
    }

    /// Takes an account off the board.
    pub fn remove(&self, id: AccountId) {
        self.cells.borrow_mut().remove(&id);
    }

    /// Writes down an account's next moment.
    pub fn set(&self, cell: &AccountCell, at: Timestamp) {
        cell.due.set(at);
        if at < self.earliest.get() {
            self.earliest.set(at);
            self.sooner.notify_one();
        }
    }

    /// Tells accounts when their moment has come. Never ends; its owner aborts it.
    pub async fn run(&self, directory: &Directory, clock: &Clock) {
        loop {
            let wait = self.earliest.get().remaining(clock.now()).min(HOUR);
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.sooner.notified() => {}
            }
            self.visit(directory, clock.now());
        }
    }

    /// Returns when no token exchange is under way.
    pub async fn exchanges_ended(&self) {
        while self.cells.borrow().values().any(|cell| cell.exchanging.get()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn visit(&self, directory: &Directory, now: Timestamp) {
        let mut earliest = NEVER;
        for cell in self.cells.borrow().values() {
            if cell.due.get() <= now {
                cell.due.set(NEVER);
                // An actor under repair tells its moment anew when it starts.
                let _ = directory.get(cell.id).map(|mailbox| mailbox.tell(Due));
            } else {
                earliest = earliest.min(cell.due.get());
            }
        }
        self.earliest.set(earliest);
    }
}
