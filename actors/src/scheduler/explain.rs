//! Why this account? One record per decision (`scheduling.md` §6), filled in cheaply and put into words when it is read.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::domain::account::Platform;
use crate::domain::id::{AccountId, DecisionId, GroupId, KeyId, LeaseId, RequestId, UserId};
use crate::domain::model::Family;
use crate::domain::route::{SessionHash, StickyResult};
use crate::domain::time::Timestamp;

use super::headroom::DimensionScore;
use super::rank::{Candidate, RankKey};
use super::stats::Outcome;

/// Records kept in memory.
const KEPT: usize = 1_000;
/// Candidates of one record at most.
pub(super) const CANDIDATES: usize = 64;
/// Candidates whose dimensions are recorded, best first.
pub(super) const DETAILED: usize = 8;
/// Records waiting to be stored at most; the oldest are forgotten when nobody fetches them.
const UNSTORED: usize = 10_000;

/// How stickiness took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StickyTrace {
    /// The session.
    pub hash: Option<SessionHash>,
    /// The account it was bound to before this decision.
    pub bound_account: Option<AccountId>,
    /// What came of it.
    pub result: StickyResult,
}

/// One decision. Its JSON is the record of `scheduling.md` §6.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRecord {
    /// Sorts by time.
    pub decision_id: DecisionId,
    /// For which request.
    pub request_id: RequestId,
    /// Attempt of the request, from 1.
    pub attempt: u32,
    /// When it was made.
    pub at: Timestamp,
    /// The pool.
    pub service: Platform,
    /// Requested model.
    pub model: Arc<str>,
    /// Its family.
    pub family: Family,
    /// Who asked.
    pub key_id: KeyId,
    /// The key's owner.
    pub user_id: UserId,
    /// The group that the key is bound to.
    pub group_id: Option<GroupId>,
    /// Stickiness.
    pub sticky: StickyTrace,
    /// Accounts that were looked at, at most 64.
    pub candidates: Vec<Candidate>,
    /// Bounded dimensions of the best candidates, at most eight accounts.
    pub dims: Vec<(AccountId, DimensionScore)>,
    /// The account that was reserved.
    pub chosen: Option<AccountId>,
    /// Its lease.
    pub lease_id: Option<LeaseId>,
    /// How it ended.
    pub outcome: Outcome,
    /// Time in queues, in milliseconds.
    pub waited_ms: i64,
    /// Time from question to answer without the waits, in microseconds.
    pub elapsed_us: i64,
    /// The request is a probe of a half-open account.
    pub probe: bool,
    /// The account was re-admitted by the pool floor.
    pub pool_floor: bool,
    /// Accounts of a large pool that are not listed.
    pub unlisted: usize,
}

impl DecisionRecord {
    fn flags(&self) -> Vec<&'static str> {
        let all = [("probe", self.probe), ("pool_floor", self.pool_floor), ("truncated", self.unlisted > 0)];
        all.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
    }
}

impl Serialize for DecisionRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("DecisionRecord", 18)?;
        record.serialize_field("decision_id", &self.decision_id)?;
        record.serialize_field("request_id", &self.request_id)?;
        record.serialize_field("attempt", &self.attempt)?;
        record.serialize_field("at", &self.at.to_rfc3339())?;
        record.serialize_field("service", self.service.as_str())?;
        record.serialize_field("model", &self.model)?;
        record.serialize_field("family", &self.family)?;
        record.serialize_field("key_id", &self.key_id)?;
        record.serialize_field("user_id", &self.user_id)?;
        record.serialize_field("group_id", &self.group_id)?;
        record.serialize_field("sticky", &self.sticky)?;
        record.serialize_field("candidates", &Listed(self))?;
        record.serialize_field("chosen", &self.chosen)?;
        record.serialize_field("lease_id", &self.lease_id)?;
        record.serialize_field("outcome", &self.outcome)?;
        record.serialize_field("waited_ms", &self.waited_ms)?;
        record.serialize_field("elapsed_us", &self.elapsed_us)?;
        record.serialize_field("flags", &self.flags())?;
        record.end()
    }
}

impl Serialize for StickyTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let result = match self.result {
            StickyResult::Escaped(reason) => format!("escaped:{reason}"),
            other => other.label().to_owned(),
        };
        let mut trace = serializer.serialize_struct("Sticky", 3)?;
        trace.serialize_field("hash", &self.hash.map(|h| h.to_string()))?;
        trace.serialize_field("bound_account", &self.bound_account)?;
        trace.serialize_field("result", &result)?;
        trace.end()
    }
}

/// The candidates in the order of their rank, then the excluded ones by id.
struct Listed<'a>(&'a DecisionRecord);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut order: Vec<&Candidate> = self.0.candidates.iter().collect();
        order.sort_by_key(|c| (Reverse(c.key()), c.account));
        let chosen = self.0.chosen.and_then(|chosen| order.iter().find(|c| c.account == chosen)?.key());
        let mut list = serializer.serialize_seq(Some(order.len()))?;
        for candidate in order {
            list.serialize_element(&One { candidate, dims: &self.0.dims, chosen })?;
        }
        list.end()
    }
}

struct One<'a> {
    candidate: &'a Candidate,
    dims: &'a [(AccountId, DimensionScore)],
    /// The rank of the account that was chosen.
    chosen: Option<RankKey>,
}

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let c = self.candidate;
        if let Some(excluded) = &c.excluded {
            let fields = if excluded.until.is_some() { 4 } else { 3 };
            let mut one = serializer.serialize_struct("Candidate", fields)?;
            one.serialize_field("account_id", &c.account)?;
            one.serialize_field("eligible", &false)?;
            one.serialize_field("excluded_by", &excluded.by.to_string())?;
            if let Some(until) = excluded.until {
                one.serialize_field("until", &until.to_rfc3339())?;
            }
            return one.end();
        }
        let mut dims: Vec<&DimensionScore> =
            self.dims.iter().filter(|(account, _)| *account == c.account).map(|(_, score)| score).collect();
        dims.sort_by_key(|score| score.d);
        let mut one = serializer.serialize_struct("Candidate", 12)?;
        one.serialize_field("account_id", &c.account)?;
        one.serialize_field("tier", &[c.tier.0, c.tier.1])?;
        one.serialize_field("eligible", &true)?;
        one.serialize_field("headroom", &c.headroom.ppm)?;
        one.serialize_field("bottleneck", &c.headroom.bottleneck)?;
        one.serialize_field("health", &c.health)?;
        one.serialize_field("weight", &c.weight)?;
        one.serialize_field("last_assigned_seq", &c.last_assigned_seq)?;
        if !dims.is_empty() {
            one.serialize_field("dims", &dims)?;
        }
        // What ranks before any number is told where it is not the ordinary case.
        if !c.native {
            one.serialize_field("translated", &true)?;
        }
        if c.floor {
            one.serialize_field("pool_floor", &true)?;
        }
        if let (Some(own), Some(chosen)) = (c.key(), &self.chosen)
            && own < *chosen
        {
            one.serialize_field("behind_by", own.falls_behind_by(chosen))?;
        }
        one.end()
    }
}

/// The newest records, and those that wait to be stored.
#[derive(Debug, Default)]
pub(super) struct Records {
    newest: VecDeque<Arc<DecisionRecord>>,
    unstored: VecDeque<Arc<DecisionRecord>>,
    seen: u64,
}

impl Records {
    /// Keeps a record: every refused one and each hundredth of the others is also to be stored.
    pub(super) fn push(&mut self, record: DecisionRecord) {
        let record = Arc::new(record);
        self.seen += 1;
        if record.outcome == Outcome::Refused || self.seen.is_multiple_of(100) {
            if self.unstored.len() >= UNSTORED {
                self.unstored.pop_front();
            }
            self.unstored.push_back(Arc::clone(&record));
        }
        if self.newest.len() >= KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(record);
    }

    /// Newest first; of one request or of all.
    pub(super) fn find(&self, request: Option<RequestId>, limit: usize) -> Vec<Arc<DecisionRecord>> {
        let wanted = |r: &&Arc<DecisionRecord>| request.is_none_or(|id| id == r.request_id);
        self.newest.iter().rev().filter(wanted).take(limit).cloned().collect()
    }

    /// Records to store since the last call.
    pub(super) fn take_unstored(&mut self) -> Vec<Arc<DecisionRecord>> {
        std::mem::take(&mut self.unstored).into()
    }
}
