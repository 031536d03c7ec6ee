//! The retry budget (`reliability.md` §2.2): what a vendor's outage may cost in further attempts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use actors::domain::id::{AttemptId, GroupId};
use actors::domain::key::BindingTarget;
use actors::domain::route::RouteRequest;
use actors::domain::settings::Settings;
use actors::domain::time::{SECOND, Timestamp};

use super::Oracle;

/// Arrivals and draws of one pool.
#[derive(Debug, Default)]
struct Pool {
    arrived: VecDeque<Timestamp>,
    drawn: VecDeque<Timestamp>,
}

/// All pools.
#[derive(Debug, Default)]
pub struct Retries {
    pools: BTreeMap<GroupId, Pool>,
    counted: BTreeSet<AttemptId>,
}

fn pool_of(request: &RouteRequest) -> GroupId {
    match request.key.binding(request.platform).map(|binding| binding.target) {
        Some(BindingTarget::Group(group)) => group,
        _ => GroupId(0),
    }
}

impl Retries {
    pub fn arrived(&mut self, now: Timestamp, request: &RouteRequest) {
        if request.attempt.number == 1 {
            self.pools.entry(pool_of(request)).or_default().arrived.push_back(now);
        }
    }

    /// An attempt that is not free goes ahead. The code counts in seconds; what is surely in its window must fit.
    fn draw(&mut self, now: Timestamp, request: &RouteRequest, settings: &Settings) -> Option<String> {
        if !self.counted.insert(request.attempt) {
            return None;
        }
        let pool = self.pools.entry(pool_of(request)).or_default();
        pool.drawn.push_back(now);
        let drawn = pool.drawn.iter().filter(|at| now.since(**at) < 9 * SECOND).count();
        let arrived = pool.arrived.iter().filter(|at| now.since(**at) <= 10 * SECOND).count();
        let share = i64::try_from(arrived).unwrap() * settings.failover_budget_percent / 100;
        let allowed = settings.failover_budget_min.max(share);
        let over = i64::try_from(drawn).unwrap() > allowed;
        over.then(|| format!("{drawn} extra attempts within 9 s, {allowed} are allowed"))
    }
}

impl Oracle {
    /// The scheduler chose an account for an attempt. A switch to an account that last succeeded is free; where it is not
    /// clear what the scheduler knew of that, the attempt counts as free.
    pub fn chose_again(&mut self, now: Timestamp, request: &RouteRequest, last_failed: bool, settings: &Settings) {
        let free = request.attempt.number == 1 || !last_failed;
        if free {
            return;
        }
        let broken = self.retries.draw(now, request, settings);
        self.demand(broken.is_none(), || broken.unwrap_or_default());
    }

    pub fn arrived(&mut self, now: Timestamp, request: &RouteRequest) {
        self.retries.arrived(now, request);
    }
}
