//! What the scheduler tells the management API and the metrics: simulations, records, views and counts.

use crate::account::view::AccountView;
use crate::domain::route::RouteRequest;

use super::explain::DecisionRecord;
use super::messages::Inquiry;
use super::pending::{Effects, Pending, Turn};
use super::state::State;
use super::stats::{Line, Outcome, QueueStats, SchedulerStats};

impl State {
    /// A question or command from outside the request path.
    pub(super) fn on_inquiry(&mut self, turn: &Turn<'_>, inquiry: Inquiry) -> Effects {
        // An asker that has gone does not hear the answer.
        match inquiry {
            Inquiry::Simulate(request, reply) => drop(reply.send(self.simulate(turn, *request))),
            Inquiry::Decisions(request, limit, reply) => drop(reply.send(self.records.find(request, limit))),
            Inquiry::Views(reply) => drop(reply.send(self.views())),
            Inquiry::Queue(reply) => drop(reply.send(self.queue_stats(turn))),
            Inquiry::Sticky(filter, reply) => drop(reply.send(self.bindings.list(filter, turn.now))),
            Inquiry::ForgetSession(session, reply) => drop(reply.send(self.bindings.forget(session))),
            Inquiry::Drain => return self.on_drain(turn),
            Inquiry::TakeKept(reply) => drop(reply.send(self.records.take_unstored())),
            Inquiry::Stats(reply) => drop(reply.send(self.stats(turn))),
        }
        self.finish(turn)
    }

    /// What would be decided now; reserves nothing.
    pub(super) fn simulate(&mut self, turn: &Turn<'_>, request: RouteRequest) -> DecisionRecord {
        let mut pending = Pending::new(request, None, turn);
        pending.session_wait_over = true;
        pending.complete = true;
        let found = self.look(turn, &mut pending);
        let choice = found.survey.choice();
        let waits = pending.request.may_wait && found.survey.momentary().next().is_some();
        let outcome = match choice {
            Some(_) => Outcome::Reserved,
            None if waits => Outcome::Queued,
            None => Outcome::Refused,
        };
        let mut record = self.record(turn, &pending, found, outcome);
        record.chosen = choice.map(|c| c.account);
        record
    }

    /// Every account's last view, by id.
    pub(super) fn views(&self) -> Vec<AccountView> {
        let mut views: Vec<AccountView> = self.pool.members().iter().map(|m| (*m.view).clone()).collect();
        views.sort_by_key(|view| view.spec.id);
        views
    }

    /// Who waits.
    pub(super) fn queue_stats(&self, turn: &Turn<'_>) -> QueueStats {
        let mut stats = QueueStats { draining: self.queue.draining, keys: self.queue.keys(), ..QueueStats::default() };
        let everyone = self.queue.slots.everyone().into_iter().chain(self.queue.pool.everyone());
        for wait in everyone.filter_map(|id| self.pending.get(&id)?.wait) {
            stats.oldest_ms = stats.oldest_ms.max(turn.now.since(wait.since));
            match wait.line {
                Line::Key => stats.key += 1,
                Line::User => stats.user += 1,
                Line::Pool => stats.pool += 1,
            }
        }
        stats
    }

    /// Counters.
    pub(super) fn stats(&self, turn: &Turn<'_>) -> SchedulerStats {
        self.counters.snapshot(self.bindings.len(), self.queue_stats(turn))
    }
}
