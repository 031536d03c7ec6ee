//! At most a few background refreshes at once per account kind, so that a restart with a thousand old tokens does not
//! look like an attack to the vendor.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::domain::account::AccountKind;

/// Shared by the accounts of one engine, on its thread.
#[derive(Clone, Default)]
pub struct Gate(Rc<RefCell<HashMap<AccountKind, u32>>>);

/// A place behind the gate; given back when dropped.
pub struct Pass {
    gate: Gate,
    kind: AccountKind,
}

impl Gate {
    /// A place, if one of `max` is free.
    pub fn enter(&self, kind: AccountKind, max: u32) -> Option<Pass> {
        let mut inside = self.0.borrow_mut();
        let count = inside.entry(kind).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Pass { gate: self.clone(), kind })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(count) = self.gate.0.borrow_mut().get_mut(&self.kind) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_inside_per_kind() {
        let gate = Gate::default();
        let first = gate.enter(AccountKind::ClaudeOfficial, 1);
        assert!(first.is_some());
        assert!(gate.enter(AccountKind::ClaudeOfficial, 1).is_none());
        assert!(gate.enter(AccountKind::Ccr, 1).is_some());
        drop(first);
        assert!(gate.enter(AccountKind::ClaudeOfficial, 1).is_some());
    }
}
