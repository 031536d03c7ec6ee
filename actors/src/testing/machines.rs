//! The state machines behind the actors, for tests that play mailboxes, ports and time themselves (`tests/sim`).

pub use crate::account::cell::{AccountCell, Standing};
pub use crate::account::effects::{Call, Decided, Effects as AccountEffects};
pub use crate::account::gate::Gate;
pub use crate::account::state::AccountState;
pub use crate::billing::machine::BillingMachine;
pub use crate::scheduler::machine::{Deed, Deeds, SchedulerMachine};
pub use crate::scheduler::rival::Rival;
pub use crate::supervise::backoff::{CrashPolicy, Lives};
pub use crate::usage::plan::{Effects as UsageEffects, Timer, Work};
pub use crate::usage::queue::Queue;
