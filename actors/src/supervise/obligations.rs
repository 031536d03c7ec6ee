//! Which messages must outlive the mailbox they wait in: whatever gives something back, and whatever was used.

use crate::billing::BillingActor;
use crate::billing::messages::{HoldsEnded, PermitsReturned};
use crate::scheduler::SchedulerActor;
use crate::scheduler::messages::LeasesEnded;
use crate::takes_obligations;
use crate::usage::UsageActor;
use crate::usage::messages::RecordUsage;

takes_obligations!(SchedulerActor: LeasesEnded);
takes_obligations!(BillingActor: HoldsEnded, PermitsReturned);
takes_obligations!(UsageActor: RecordUsage);
