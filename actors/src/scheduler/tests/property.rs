//! Random pools and interleavings: no limit is ever exceeded, nothing leaks, and nobody waits beside a free account.

use proptest::prelude::*;

use crate::domain::id::AccountId;
use crate::domain::route::RouteRequest;
use crate::scheduler::Grant;
use crate::scheduler::rank::evaluate;
use crate::scheduler::tests::{Answer, World, key, request, session, view};

#[derive(Debug, Clone)]
enum Step {
    Ask { key: i64, session: u8, admission: bool },
    End(usize),
    Leave(usize),
    Pass(i64),
    Pause(i64),
    Resume(i64),
    Silence(i64),
    Speak,
    Restart(i64),
}

fn step(accounts: i64) -> impl Strategy<Value = Step> {
    let account = 1..=accounts;
    prop_oneof![
        8 => (1..4i64, 0..6u8, any::<bool>()).prop_map(|(key, session, admission)| Step::Ask { key, session, admission }),
        6 => (0..64usize).prop_map(Step::End),
        1 => (0..64usize).prop_map(Step::Leave),
        2 => (1..4_000i64).prop_map(Step::Pass),
        1 => account.clone().prop_map(Step::Pause),
        1 => account.clone().prop_map(Step::Resume),
        1 => account.clone().prop_map(Step::Silence),
        2 => Just(Step::Speak),
        1 => account.prop_map(Step::Restart),
    ]
}

struct Run {
    world: World,
    limits: Vec<u32>,
    running: Vec<Grant>,
    waiting: Vec<RouteRequest>,
    count: u128,
}

impl Run {
    fn new(limits: Vec<u32>) -> Self {
        let views = limits.iter().zip(1..).map(|(limit, id)| view(id, |s, _| s.max_concurrency = *limit));
        let mut world = World::new(views);
        world.key_limit = Some(4);
        Self { world, limits, running: Vec::new(), waiting: Vec::new(), count: 0 }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Ask { key: id, session: n, admission } => {
                self.count += 1;
                let plain = request(self.count, &key(id, |_| ()));
                let asked = RouteRequest { session: session(n).filter(|_| n > 2), ..plain };
                let asked = if admission { World::with_admission(asked) } else { asked };
                self.world.ask(asked.clone());
                self.waiting.push(asked);
            }
            Step::End(n) if !self.running.is_empty() => {
                let grant = self.running.swap_remove(n % self.running.len());
                self.world.end(grant);
            }
            Step::Leave(n) if !self.waiting.is_empty() => {
                let gone = self.waiting.swap_remove(n % self.waiting.len());
                self.world.leave(gone.attempt);
            }
            Step::Pass(ms) => self.world.pass(ms),
            Step::Pause(id) => self.switch(id, false),
            Step::Resume(id) => self.switch(id, true),
            Step::Silence(id) => self.world.silent.push(AccountId(id)),
            Step::Speak => self.speak(),
            Step::Restart(id) => {
                // What the old actor had not answered is lost with it.
                self.world.unanswered.retain(|(account, _)| account.0 != id);
                self.world.event(|state, turn| state.on_account_restarted(turn, AccountId(id)));
            }
            Step::End(_) | Step::Leave(_) => {}
        }
        self.collect();
    }

    fn speak(&mut self) {
        self.world.silent.clear();
        for (account, acquire) in std::mem::take(&mut self.world.unanswered) {
            self.world.decide(account, &acquire);
        }
        self.world.event(|state, turn| state.finish(turn));
    }

    fn switch(&mut self, id: i64, on: bool) {
        let mut changed = self.world.accounts[&AccountId(id)].clone();
        let mut spec = (*changed.spec).clone();
        spec.schedulable = on;
        changed.spec = std::sync::Arc::new(spec);
        self.world.change(changed);
    }

    fn collect(&mut self) {
        for request in std::mem::take(&mut self.waiting) {
            match self.world.answer(request.attempt) {
                Answer::Granted(grant) => self.running.push(grant),
                Answer::Waiting => self.waiting.push(request),
                Answer::Refused(_) => {}
            }
        }
    }

    /// Slots are those of running requests; limits hold; a pool waiter has no eligible account unless its session waits.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for (limit, id) in self.limits.iter().zip(1..) {
            let held = self.running.iter().filter(|g| g.lease.account.id.0 == id).count();
            let slots = usize::try_from(self.world.accounts[&AccountId(id)].slots_used).unwrap();
            prop_assert_eq!(held, slots, "account {}", id);
            prop_assert!(*limit == 0 || held <= usize::try_from(*limit).unwrap());
        }
        prop_assert!(self.world.key_slots.values().all(|slots| *slots <= 4));
        self.world.turn(|state, turn| {
            for attempt in state.queue.pool.everyone() {
                let waiter = &state.pending[&attempt];
                let held_back = waiter.wait.is_some_and(|wait| wait.session.is_some()) || !waiter.refused.is_empty();
                let ask = waiter.ask(turn, crate::scheduler::filter::Reach::Pool);
                let free = state.pool.members().iter().find(|m| evaluate(m, &ask).excluded.is_none());
                prop_assert!(held_back || free.is_none(), "{:?} waits beside {:?}", attempt, free.map(|m| m.id()));
            }
            Ok(())
        })
    }

    /// Everything ends: nothing may be left behind.
    fn wind_down(&mut self) -> Result<(), TestCaseError> {
        self.speak();
        self.collect();
        for request in std::mem::take(&mut self.waiting) {
            self.world.leave(request.attempt);
        }
        while let Some(grant) = self.running.pop() {
            self.world.end(grant);
            self.collect();
        }
        prop_assert!(self.world.state.pending.is_empty());
        prop_assert_eq!(self.world.state.queue.len(), 0);
        prop_assert!(self.world.accounts.values().all(|view| view.slots_used == 0));
        prop_assert!(self.world.state.pool.members().iter().all(|member| member.mirror == 0));
        prop_assert!(self.world.key_slots.values().all(|slots| *slots == 0));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_nothing_leaks_and_nobody_waits_beside_a_free_account(
        limits in prop::collection::vec(1..4u32, 1..5),
        steps in prop::collection::vec(step(4), 1..80),
    ) {
        let mut run = Run::new(limits);
        let accounts = i64::try_from(run.limits.len()).unwrap();
        for step in steps {
            let step = match step {
                Step::Pause(id) => Step::Pause(1 + id % accounts),
                Step::Resume(id) => Step::Resume(1 + id % accounts),
                Step::Silence(id) => Step::Silence(1 + id % accounts),
                Step::Restart(id) => Step::Restart(1 + id % accounts),
                other => other,
            };
            run.apply(step);
            run.check()?;
        }
        run.wind_down()?;
    }
}
