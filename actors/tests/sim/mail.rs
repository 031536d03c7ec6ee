//! Mailboxes: first in, first out per actor, with a way of random length. What a dying actor has not read is lost, except
//! obligations, which wait for its next life.

use std::collections::VecDeque;

use actors::account::messages::{Acquire, Exchanged, Loaded, NewerCredential, Probed, Reload, StatusSaved};
use actors::account::view::AccountView;
use actors::billing::messages::Admit;
use actors::domain::id::{AccountId, AttemptId};
use actors::domain::route::RouteRequest;
use actors::guard::{HoldEnded, LeaseEnded, PermitReturned};
use actors::outbox::Recorded;
use actors::scheduler::messages::{AcquireDecided, AdmitDecided, KeySlotFreed};
use actors::usage::messages::{FlushFinished, ProbeFinished, RereadFinished, SetAsideFinished};
use tokio::sync::oneshot;

use super::clients::Answer;

/// Who reads a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Scheduler,
    Billing,
    Usage,
    Account(i64),
}

/// Everything that actors tell each other, as in the product.
pub enum Message {
    Route(Box<RouteRequest>, oneshot::Sender<Answer>),
    LeaveQueue(AttemptId),
    AdmitDecided(Box<AdmitDecided>),
    AcquireDecided(Box<AcquireDecided>),
    ViewChanged(Box<AccountView>),
    AccountRestarted(AccountId),
    LeasesEnded(Vec<LeaseEnded>),
    KeySlotFreed(KeySlotFreed),

    Admit(Box<Admit>),
    HoldsEnded(Vec<HoldEnded>),
    PermitsReturned(Vec<PermitReturned>),

    Acquire(Acquire),
    Ended(LeaseEnded),
    NewerCredential(NewerCredential),
    Reload(Reload),
    Announce,
    Due,
    Loaded(Loaded),
    Exchanged(Exchanged),
    StatusSaved(StatusSaved),
    Probed(Probed),

    Record(Vec<Recorded>),
    Stored(FlushFinished),
    SinkProbed(ProbeFinished),
    SetAside(SetAsideFinished),
    Reread(RereadFinished),
}

impl Message {
    /// True for what a dead actor's next life must still hear (`takes_obligations!` in the product).
    fn is_obligation(&self) -> bool {
        matches!(
            self,
            Self::LeasesEnded(_)
                | Self::HoldsEnded(_)
                | Self::PermitsReturned(_)
                | Self::Ended(_)
                | Self::Exchanged(_)
                | Self::Record(_)
        )
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Route(..) => "route",
            Self::LeaveQueue(_) => "leave",
            Self::AdmitDecided(_) => "admit decided",
            Self::AcquireDecided(_) => "acquire decided",
            Self::ViewChanged(_) => "view",
            Self::AccountRestarted(_) => "restarted",
            Self::LeasesEnded(_) => "leases ended",
            Self::KeySlotFreed(_) => "key slot freed",
            Self::Admit(_) => "admit",
            Self::HoldsEnded(_) => "holds ended",
            Self::PermitsReturned(_) => "permits returned",
            Self::Acquire(_) => "acquire",
            Self::Ended(_) => "ended",
            Self::NewerCredential(_) => "newer credential",
            Self::Reload(_) => "reload",
            Self::Announce => "announce",
            Self::Due => "due",
            Self::Loaded(_) => "loaded",
            Self::Exchanged(_) => "exchanged",
            Self::StatusSaved(_) => "status saved",
            Self::Probed(_) => "probed",
            Self::Record(_) => "record",
            Self::Stored(_) => "stored",
            Self::SinkProbed(_) => "sink probed",
            Self::SetAside(_) => "set aside",
            Self::Reread(_) => "reread",
        }
    }
}

/// One mailbox.
#[derive(Default)]
pub struct Mailbox {
    queue: VecDeque<Message>,
    pub up: bool,
    /// Lives of the actor so far.
    pub life: u64,
}

impl Mailbox {
    /// Puts a message in. A dead actor takes only obligations: what it did not take comes back.
    pub fn put(&mut self, message: Message) -> Result<(), Message> {
        if !self.up && !message.is_obligation() {
            return Err(message);
        }
        self.queue.push_back(message);
        Ok(())
    }

    pub fn take(&mut self) -> Option<Message> {
        if self.up { self.queue.pop_front() } else { None }
    }

    /// The actor dies. Returns what was lost, whose drop may give something back.
    pub fn die(&mut self) -> Vec<Message> {
        self.up = false;
        let (kept, lost) = std::mem::take(&mut self.queue).into_iter().partition(Message::is_obligation);
        self.queue = kept;
        Vec::from(lost)
    }

    /// The next life. Returns how many messages wait for it.
    pub fn revive(&mut self) -> usize {
        self.up = true;
        self.life += 1;
        self.queue.len()
    }
}
