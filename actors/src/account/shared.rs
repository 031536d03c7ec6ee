//! How the account stands, as instances share it (`scheduling.md` §12): each writes what it learnt over what the others wrote,
//! by version, and never an old absolute value over a new one.
//!
//! A standing is merged in three parts: what was last known to be stored (`base`), what this instance has made of it since
//! (`ours`), and what another has stored meanwhile (`theirs`). Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::breaker::Circuit;
use super::cell::Standing;
use super::view::{Breaker, Cooldown};
use crate::domain::time::{SECOND, Timestamp};
use crate::domain::window::WindowSnapshot;

/// What changes with every answer is shared no more often than this.
const LAZY: i64 = 5 * SECOND;
/// After a failed write.
const AGAIN: i64 = SECOND;

/// The part of a standing that instances share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedStanding {
    health: i64,
    /// End of the open breaker, openings in a row, successes of probes; `None` = closed.
    open: Option<(Timestamp, u32, u32)>,
    cooldowns: Vec<Cooldown>,
    windows: Vec<WindowSnapshot>,
    unsupported: Vec<(Arc<str>, Timestamp)>,
}

impl SharedStanding {
    /// Of this standing.
    pub fn of(standing: &Standing) -> Self {
        Self {
            health: standing.health.score(),
            open: opening(&standing.circuit),
            cooldowns: standing.cooldowns.shown().to_vec(),
            windows: standing.facts.windows().to_vec(),
            unsupported: standing.facts.unsupported().to_vec(),
        }
    }

    /// What this instance has made of `base` since, over what another has stored.
    pub fn merged(base: &Self, ours: &Self, theirs: &Self) -> Self {
        let open = if ours.open == base.open { theirs.open } else { later(ours.open, theirs.open, base.open) };
        Self {
            health: (theirs.health + ours.health - base.health).clamp(0, super::health::FULL),
            open,
            cooldowns: merged_cooldowns(base, ours, theirs),
            windows: newest(&theirs.windows, &ours.windows),
            unsupported: longest(&theirs.unsupported, &ours.unsupported),
        }
    }

    /// Makes a standing this one.
    pub fn put_into(&self, standing: &mut Standing) {
        standing.health.set(self.health);
        if opening(&standing.circuit) != self.open {
            standing.circuit.follow(self.open);
        }
        standing.cooldowns.replace(self.cooldowns.clone());
        standing.facts.replace(self.windows.clone(), self.unsupported.clone());
    }
}

fn opening(circuit: &Circuit) -> Option<(Timestamp, u32, u32)> {
    match circuit.state() {
        Breaker::Open { until, opening, successes, .. } => Some((until, opening, successes)),
        Breaker::Closed => None,
    }
}

/// Both changed the breaker: who closed it was right, unless it opened again later.
fn later(
    ours: Option<(Timestamp, u32, u32)>,
    theirs: Option<(Timestamp, u32, u32)>,
    base: Option<(Timestamp, u32, u32)>,
) -> Option<(Timestamp, u32, u32)> {
    if theirs == base { ours } else { ours.max(theirs) }
}

/// Theirs, without what we cleared, with what we set; of the same scope and reason the newest.
fn merged_cooldowns(base: &SharedStanding, ours: &SharedStanding, theirs: &SharedStanding) -> Vec<Cooldown> {
    let same = |a: &Cooldown, b: &Cooldown| a.scope == b.scope && a.reason == b.reason;
    let cleared =
        |entry: &Cooldown| base.cooldowns.contains(entry) && !ours.cooldowns.iter().any(|known| same(known, entry));
    let mut merged: Vec<Cooldown> = theirs.cooldowns.iter().filter(|entry| !cleared(entry)).cloned().collect();
    for entry in ours.cooldowns.iter().filter(|entry| !base.cooldowns.contains(entry)) {
        match merged.iter_mut().find(|known| same(known, entry)) {
            Some(known) if (known.set_at, known.until) > (entry.set_at, entry.until) => {}
            Some(known) => *known = entry.clone(),
            None => merged.push(entry.clone()),
        }
    }
    merged
}

fn newest(theirs: &[WindowSnapshot], ours: &[WindowSnapshot]) -> Vec<WindowSnapshot> {
    let mut merged = theirs.to_vec();
    for window in ours {
        match merged.iter_mut().find(|w| w.kind == window.kind && w.scope == window.scope) {
            Some(known) if known.observed_at >= window.observed_at => {}
            Some(known) => *known = window.clone(),
            None => merged.push(window.clone()),
        }
    }
    merged
}

fn longest(theirs: &[(Arc<str>, Timestamp)], ours: &[(Arc<str>, Timestamp)]) -> Vec<(Arc<str>, Timestamp)> {
    let mut merged = theirs.to_vec();
    for (model, until) in ours {
        match merged.iter_mut().find(|(known, _)| known == model) {
            Some((_, known)) => *known = (*known).max(*until),
            None => merged.push((Arc::clone(model), *until)),
        }
    }
    merged
}

/// What tells cheaply whether a standing has changed: its lists are made anew with every change.
#[derive(Debug, Clone)]
struct Marks {
    health: i64,
    open: Option<(Timestamp, u32, u32)>,
    cooldowns: Arc<[Cooldown]>,
    windows: Arc<[WindowSnapshot]>,
    unsupported: Arc<[(Arc<str>, Timestamp)]>,
}

impl Marks {
    fn of(standing: &Standing) -> Self {
        Self {
            health: standing.health.score(),
            open: opening(&standing.circuit),
            cooldowns: standing.cooldowns.shown(),
            windows: standing.facts.windows(),
            unsupported: standing.facts.unsupported(),
        }
    }

    fn same(&self, other: &Self) -> bool {
        !self.is_news_to(other) && self.health == other.health && Arc::ptr_eq(&self.windows, &other.windows)
    }

    /// True when others must know soon: something rests, broke, recovered or is unknown.
    fn is_news_to(&self, other: &Self) -> bool {
        self.open != other.open
            || self.health < other.health
            || !Arc::ptr_eq(&self.cooldowns, &other.cooldowns)
            || !Arc::ptr_eq(&self.unsupported, &other.unsupported)
    }
}

/// What this instance knows of the stored standing of one account.
#[derive(Debug, Clone, Default)]
pub struct Sharing {
    version: i64,
    base: SharedStanding,
    marks: Option<Marks>,
    /// The standing that is being stored, with its marks.
    saving: Option<(SharedStanding, Marks)>,
    not_before: Timestamp,
}

impl Sharing {
    /// Nothing stored yet, as far as known.
    pub fn new(standing: &Standing) -> Self {
        Self { base: SharedStanding::of(standing), marks: Some(Marks::of(standing)), ..Self::default() }
    }

    /// A new life of the actor: the answer to what the last one stored is lost.
    pub fn on_start(&mut self) {
        if self.saving.take().is_some() {
            self.marks = None;
        }
    }

    /// What should be stored now, over which version; `None` = nothing, or not yet.
    pub fn due(&mut self, now: Timestamp, standing: &Standing) -> Option<(i64, String)> {
        if self.saving.is_some() {
            return None;
        }
        let marks = Marks::of(standing);
        let known = self.marks.as_ref();
        if known.is_some_and(|known| marks.same(known)) {
            return None;
        }
        let news = known.is_none_or(|known| marks.is_news_to(known));
        if now < self.not_before && !news {
            return None;
        }
        let standing = SharedStanding::of(standing);
        let text = serde_json::to_string(&standing).ok()?;
        self.saving = Some((standing, marks));
        Some((self.version, text))
    }

    /// When [`Self::due`] should be asked again although nothing happens; `None` = no need.
    pub fn next_due(&self, standing: &Standing) -> Option<Timestamp> {
        let waits = self.saving.is_none() && self.marks.as_ref().is_none_or(|known| !Marks::of(standing).same(known));
        waits.then_some(self.not_before)
    }

    /// The store took it, had a newer one, or did not answer. True = the standing has changed.
    pub fn saved(
        &mut self,
        now: Timestamp,
        result: Result<Option<(i64, String)>, ()>,
        standing: &mut Standing,
    ) -> bool {
        let Some((sent, marks)) = self.saving.take() else { return false };
        match result {
            Ok(None) => {
                (self.version, self.base, self.marks) = (self.version + 1, sent, Some(marks));
                self.not_before = now.plus(LAZY);
                false
            }
            Ok(Some((version, text))) => self.take(version, &text, standing),
            Err(()) => {
                self.marks = None;
                self.not_before = now.plus(AGAIN);
                false
            }
        }
    }

    /// What the store has. True = the standing has changed.
    pub fn heard(&mut self, version: i64, text: &str, standing: &mut Standing) -> bool {
        version > self.version && self.saving.is_none() && self.take(version, text, standing)
    }

    fn take(&mut self, version: i64, text: &str, standing: &mut Standing) -> bool {
        // What another version of the product wrote and this one cannot read is left as it is.
        let Ok(theirs) = serde_json::from_str::<SharedStanding>(text) else { return false };
        let ours = SharedStanding::of(standing);
        let merged = SharedStanding::merged(&self.base, &ours, &theirs);
        merged.put_into(standing);
        // Only when something of ours is new to the store must it be told.
        self.marks = (merged == theirs).then(|| Marks::of(standing));
        (self.version, self.base) = (version, theirs);
        merged != ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::cooldown::Rest;
    use crate::account::health::Change;
    use crate::domain::id::AccountId;
    use crate::domain::model::Family;
    use crate::domain::settings::Settings;
    use crate::domain::verdict::Verdict;
    use crate::domain::window::Scope;

    const NOW: Timestamp = Timestamp(1_000_000);

    /// A stored text with its version, and two instances.
    struct World {
        stored: (i64, String),
        instances: [(Standing, Sharing); 2],
    }

    impl World {
        fn new() -> Self {
            let instance = || {
                let standing = Standing::new(AccountId(7), NOW);
                let sharing = Sharing::new(&standing);
                (standing, sharing)
            };
            Self { stored: (0, String::new()), instances: [instance(), instance()] }
        }

        /// Instance `n` stores what it has to, until it has nothing.
        fn store(&mut self, n: usize, now: Timestamp) {
            let (standing, sharing) = &mut self.instances[n];
            while let Some((seen, text)) = sharing.due(now, standing) {
                let conflict = (seen != self.stored.0).then(|| self.stored.clone());
                if conflict.is_none() {
                    self.stored = (seen + 1, text);
                }
                sharing.saved(now, Ok(conflict), standing);
            }
        }

        fn hear(&mut self, n: usize) -> bool {
            let (standing, sharing) = &mut self.instances[n];
            sharing.heard(self.stored.0, &self.stored.1, standing)
        }

        fn standing(&mut self, n: usize) -> &mut Standing {
            &mut self.instances[n].0
        }
    }

    fn rest(standing: &mut Standing, now: Timestamp, verdict: Verdict) {
        let ramp = Rest::Ramp { base: 5_000, cap: 300_000 };
        standing.cooldowns.set(now, &Scope::All, verdict, ramp, now);
    }

    #[test]
    fn what_one_learns_the_other_knows() {
        let mut world = World::new();
        rest(world.standing(0), NOW, Verdict::Server);
        world.standing(0).health.apply(Change::Failed);
        world.store(0, NOW);
        assert!(world.hear(1));
        assert!(!world.hear(1), "heard once");
        let other = world.standing(1);
        assert_eq!((other.health.score(), other.cooldowns.shown().len()), (95, 1));
        world.store(1, NOW.plus(LAZY));
        assert_eq!(world.stored.0, 1, "nothing of its own: nothing stored");
    }

    #[test]
    fn changes_at_the_same_time_are_both_kept() {
        let mut world = World::new();
        for (n, verdict) in [(0, Verdict::Server), (1, Verdict::Overloaded)] {
            rest(world.standing(n), NOW, verdict);
            world.standing(n).health.apply(if n == 0 { Change::Failed } else { Change::Overloaded });
        }
        world.store(0, NOW);
        world.store(1, NOW);
        world.hear(0);
        for n in 0..2 {
            let standing = world.standing(n);
            assert_eq!((standing.health.score(), standing.cooldowns.shown().len()), (65, 2), "instance {n}");
        }
    }

    #[test]
    fn who_clears_clears_everywhere() {
        let mut world = World::new();
        rest(world.standing(0), NOW, Verdict::Server);
        world.store(0, NOW);
        world.hear(1);
        let family = Family(Arc::from("sonnet"));
        world.standing(1).cooldowns.succeeded("claude-sonnet-4-5", &family, NOW.plus(10));
        world.store(1, NOW.plus(20));
        assert!(world.hear(0));
        assert!(world.standing(0).cooldowns.shown().is_empty());
    }

    #[test]
    fn a_breaker_opens_and_closes_everywhere() {
        let mut world = World::new();
        let settings = Settings::default();
        world.standing(0).circuit.check(NOW, 0, &settings);
        world.store(0, NOW);
        world.hear(1);
        let until = match world.standing(1).circuit.state() {
            Breaker::Open { until, opening: 1, .. } => until,
            other => panic!("{other:?}"),
        };
        for _ in 0..3 {
            world.standing(1).circuit.probed(until, Some(true), &settings);
        }
        world.store(1, until);
        world.hear(0);
        assert_eq!(world.standing(0).circuit.state(), Breaker::Closed);
    }

    #[test]
    fn a_success_is_no_news_and_a_lost_answer_is_stored_again() {
        let mut world = World::new();
        world.standing(0).health.apply(Change::Failed);
        world.store(0, NOW);
        world.standing(0).health.apply(Change::Success);
        let (standing, sharing) = &mut world.instances[0];
        assert_eq!(sharing.due(NOW.plus(1), standing), None);
        assert_eq!(sharing.next_due(standing), Some(NOW.plus(LAZY)));
        let (version, _) = sharing.due(NOW.plus(LAZY), standing).unwrap();
        sharing.saved(NOW.plus(LAZY), Err(()), standing);
        assert_eq!(sharing.due(NOW.plus(LAZY + AGAIN), standing).unwrap().0, version);
    }
}
