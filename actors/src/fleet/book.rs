//! What this instance holds in the shared store: asked for, granted, renewed, given back. Pure.
//!
//! A lease or an admission is in the book from the moment it is asked for. When it ends before the answer is there, the
//! end waits for the answer, so that nothing stays taken. After a lost answer everything is given back by name, which
//! changes nothing if it was never taken.

use std::collections::HashMap;
use std::sync::Arc;

use super::ask::{
    AdmissionAnswer, AdmissionAsk, HeldAdmission, Holdings, LeaseAsk, Lost, ReserveAnswer, ReserveAsk, SharedEnd, Taken,
};
use crate::domain::id::{LeaseId, RequestId};
use crate::domain::money::Nanos;
use crate::guard::{LeaseEnded, Resolution};

/// Ends that wait for the store are kept up to this many: 100 MB at most. What is dropped beyond ends by its time.
const ENDS: usize = 200_000;

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseOver {
    /// Tokens used; `None` keeps the estimate.
    pub tokens: Option<u64>,
    /// What it cost.
    pub cost: Nanos,
    /// It was never used and counts nowhere.
    pub withdrawn: bool,
}

impl LeaseOver {
    /// What the end of a lease says, with the lease.
    pub fn of(ended: &LeaseEnded) -> (LeaseId, Self) {
        // Without a report nothing was sent: its estimate is free again.
        let (tokens, cost) = ended.report.as_ref().map_or((Some(0), None), |r| (r.tokens, r.cost));
        (ended.lease, Self { tokens, cost: cost.unwrap_or(Nanos::ZERO), withdrawn: ended.withdrawn })
    }
}

/// Of a lease that was never used.
const WITHDRAWN: LeaseOver = LeaseOver { tokens: Some(0), cost: Nanos::ZERO, withdrawn: true };

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// The store was asked and has not answered.
    Asked,
    /// The store has it.
    Held,
    /// Granted here while the store was away; the store hears of it when it is back.
    Untold,
    /// The store forgot it and has no room for it any more: it goes on, uncounted.
    Lost,
}

#[derive(Debug)]
struct HeldLease {
    ask: Arc<LeaseAsk>,
    bucket: i64,
    stand: Stand,
    /// It ended before the store answered.
    over: Option<LeaseOver>,
}

#[derive(Debug)]
struct HeldHere {
    ask: Arc<AdmissionAsk>,
    taken: Arc<Taken>,
    stand: Stand,
    hold: bool,
    permit: bool,
    /// The store was told that the slots are free.
    permit_told: bool,
    resolution: Option<Resolution>,
}

/// The book.
#[derive(Debug, Default)]
pub struct Book {
    leases: HashMap<LeaseId, HeldLease>,
    admissions: HashMap<RequestId, HeldHere>,
    ends: Vec<SharedEnd>,
    tickets: u64,
    lost: u64,
}

impl Book {
    /// A new life of the actor: answers to what the last one asked are lost.
    pub fn on_start(&mut self) {
        let asked: Vec<_> = self.leases.values().filter(|l| l.stand == Stand::Asked).map(|l| l.ask.lease).collect();
        for lease in asked {
            self.end_lease(lease, WITHDRAWN);
        }
        let asked = self.admissions.values().filter(|h| h.stand == Stand::Asked).map(|h| Arc::clone(&h.ask));
        for ask in asked.collect::<Vec<_>>() {
            self.withdraw(&ask);
        }
    }

    /// A number for the next admission.
    pub fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// The store is asked for this.
    pub fn asked(&mut self, ask: &ReserveAsk) {
        self.write(ask, Stand::Asked);
    }

    /// Granted without the store.
    pub fn granted_untold(&mut self, ask: &ReserveAsk) {
        self.write(ask, Stand::Untold);
    }

    fn write(&mut self, ask: &ReserveAsk, stand: Stand) {
        let lease = HeldLease { ask: Arc::clone(&ask.lease), bucket: 0, stand, over: None };
        self.leases.insert(ask.lease.lease, lease);
        if let Some(admission) = &ask.admission {
            let here = HeldHere {
                ask: Arc::clone(admission),
                taken: Arc::default(),
                stand,
                hold: true,
                permit: true,
                permit_told: false,
                resolution: None,
            };
            self.admissions.insert(admission.request, here);
        }
    }

    /// The store answered. What it refused is no longer in the book; a lease granted beside a refused admission is given
    /// back.
    pub fn answered(&mut self, ask: &ReserveAsk, answer: &ReserveAnswer) {
        let refused = answer.admission.as_ref().is_some_and(|a| !matches!(a, AdmissionAnswer::Granted(_)));
        self.lease_answered(ask, answer, refused);
        let Some(admission) = &ask.admission else { return };
        let Some(AdmissionAnswer::Granted(taken)) = &answer.admission else {
            self.remove_admission(admission);
            return;
        };
        let Some(here) = self.admission(admission) else { return };
        (here.taken, here.stand) = (Arc::new(taken.clone()), Stand::Held);
        self.settle(admission.request);
    }

    fn lease_answered(&mut self, ask: &ReserveAsk, answer: &ReserveAnswer, refused: bool) {
        let id = ask.lease.lease;
        let Some(lease) = self.leases.get_mut(&id) else { return };
        if answer.lease.missing.is_some() {
            self.leases.remove(&id);
            return;
        }
        (lease.bucket, lease.stand) = (answer.lease.bucket, Stand::Held);
        if let Some(over) = refused.then_some(WITHDRAWN).or(lease.over) {
            self.end_lease(id, over);
        }
    }

    /// The answer was lost: nobody knows what was taken, so all of it is given back. What is left of it here is not shared.
    pub fn unanswered(&mut self, ask: &ReserveAsk) {
        self.end_lease(ask.lease.lease, WITHDRAWN);
        if let Some(admission) = &ask.admission {
            self.withdraw(admission);
        }
    }

    fn withdraw(&mut self, admission: &Arc<AdmissionAsk>) {
        if self.remove_admission(admission) {
            let (ask, taken) = (Arc::clone(admission), Arc::default());
            self.push(SharedEnd::Permit { ask: Arc::clone(&ask) });
            self.push(SharedEnd::Hold { ask, taken, resolution: Resolution::Withdraw });
        }
    }

    /// A lease ended here.
    pub fn lease_over(&mut self, id: LeaseId, over: LeaseOver) {
        match self.leases.get_mut(&id) {
            Some(lease) if lease.stand == Stand::Asked => lease.over = Some(over),
            Some(_) => self.end_lease(id, over),
            None => {}
        }
    }

    /// A hold ended here.
    pub fn hold_over(&mut self, request: RequestId, resolution: Resolution) {
        if let Some(here) = self.admissions.get_mut(&request).filter(|here| here.hold) {
            (here.hold, here.resolution) = (false, Some(resolution));
            self.settle(request);
        }
    }

    /// Slots of key and owner came back here.
    pub fn permit_over(&mut self, request: RequestId) {
        if let Some(here) = self.admissions.get_mut(&request).filter(|here| here.permit) {
            here.permit = false;
            self.settle(request);
        }
    }

    /// Passes on what of an admission has ended, and forgets it when nothing of it is held. While the store is being asked,
    /// ends wait for its answer.
    fn settle(&mut self, request: RequestId) {
        let Some(here) = self.admissions.get_mut(&request).filter(|here| here.stand != Stand::Asked) else { return };
        let (ask, taken) = (Arc::clone(&here.ask), Arc::clone(&here.taken));
        let permit = !here.permit && !std::mem::replace(&mut here.permit_told, !here.permit);
        let (resolution, over) = (here.resolution.take(), !here.hold && !here.permit);
        if permit {
            self.push(SharedEnd::Permit { ask: Arc::clone(&ask) });
        }
        if let Some(resolution) = resolution {
            self.push(SharedEnd::Hold { ask, taken, resolution });
        }
        if over {
            self.admissions.remove(&request);
        }
    }

    fn end_lease(&mut self, id: LeaseId, over: LeaseOver) {
        let Some(HeldLease { ask, bucket, .. }) = self.leases.remove(&id) else { return };
        let tokens = over.tokens.map_or(0, |used| i64::try_from(used).unwrap_or(i64::MAX).saturating_sub(ask.tokens));
        self.push(SharedEnd::Lease { ask, bucket, tokens, cost: over.cost, withdrawn: over.withdrawn });
    }

    fn push(&mut self, end: SharedEnd) {
        if self.ends.len() < ENDS {
            self.ends.push(end);
        }
    }

    fn admission(&mut self, ask: &AdmissionAsk) -> Option<&mut HeldHere> {
        self.admissions.get_mut(&ask.request).filter(|here| here.ask.ticket == ask.ticket)
    }

    fn remove_admission(&mut self, ask: &AdmissionAsk) -> bool {
        self.admission(ask).is_some() && self.admissions.remove(&ask.request).is_some()
    }

    /// True when something waits to be given back.
    pub fn has_ends(&self) -> bool {
        !self.ends.is_empty()
    }

    /// What shall be given back, in order.
    pub fn take_ends(&mut self) -> Vec<SharedEnd> {
        std::mem::take(&mut self.ends)
    }

    /// Ends that could not be delivered wait again, before newer ones.
    pub fn put_back(&mut self, mut ends: Vec<SharedEnd>) {
        ends.truncate(ENDS);
        ends.append(&mut self.ends);
        self.ends = ends;
        self.ends.truncate(ENDS);
    }

    /// Everything to be renewed: what the store has, and what it has not heard of.
    pub fn holdings(&self, ttl_ms: i64) -> Holdings {
        let counts = |stand: Stand| matches!(stand, Stand::Held | Stand::Untold);
        let mut leases: Vec<_> = self.leases.values().filter(|l| counts(l.stand)).map(|l| Arc::clone(&l.ask)).collect();
        leases.sort_unstable_by_key(|ask| (ask.account, ask.lease));
        let held = |here: &HeldHere| HeldAdmission {
            ask: Arc::clone(&here.ask),
            taken: Arc::clone(&here.taken),
            hold: here.hold,
            permit: here.permit,
        };
        let mut admissions: Vec<_> = self.admissions.values().filter(|h| counts(h.stand)).map(held).collect();
        admissions.sort_unstable_by_key(|held| (held.ask.user, held.ask.request));
        Holdings { leases, admissions, ttl_ms }
    }

    /// The store took what was renewed, but for what it had no room for.
    pub fn renewed(&mut self, held: &Holdings, lost: &Lost) {
        for (index, ask) in held.leases.iter().enumerate() {
            let gone = lost.leases.contains(&index);
            if let Some(lease) = self.leases.get_mut(&ask.lease).filter(|lease| lease.stand != Stand::Asked) {
                lease.stand = if gone { Stand::Lost } else { Stand::Held };
                self.lost += u64::from(gone);
            }
        }
        for (index, held) in held.admissions.iter().enumerate() {
            let gone = lost.admissions.contains(&index);
            if let Some(here) = self.admission(&held.ask).filter(|here| here.stand != Stand::Asked) {
                here.stand = if gone { Stand::Lost } else { Stand::Held };
                self.lost += u64::from(gone);
            }
        }
    }

    /// What is held, for gauges: leases, admissions, ends that wait, and what was lost since the start.
    pub fn stats(&self) -> BookStats {
        BookStats {
            leases: self.leases.len(),
            admissions: self.admissions.len(),
            ends: self.ends.len(),
            lost: self.lost,
        }
    }
}

/// Gauges of the book.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookStats {
    /// Slots of accounts.
    pub leases: usize,
    /// Admissions of keys.
    pub admissions: usize,
    /// Ends that the store has not heard of.
    pub ends: usize,
    /// Leases and admissions that the store forgot and had no room for.
    pub lost: u64,
}
