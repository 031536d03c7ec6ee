//! What tests of the engine and of the product share: builders, fake ports, and an engine in virtual time.

mod builders;
mod engine;
mod faults;
pub mod fleet;
pub mod machines;
mod ports;
mod vendor;

pub use builders::{START, api_key, lease_ended, oauth, oauth_account, policy, report, route, spec};
pub use engine::{FakePorts, TestEngine};
pub use faults::panic_scheduler;
pub use ports::{MemoryAccounts, MemorySettings, NoChores, RecordedUsage};
pub use vendor::FakeVendor;
