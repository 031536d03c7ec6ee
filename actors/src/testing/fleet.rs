//! A store that several engines share, in memory: what the scripts of the real one decide, in plain Rust. The two pass the
//! same tests.

mod decide;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::clock::Clock;
use crate::domain::id::{AccountId, KeyId, UserId};
use crate::domain::key::CostWindow;
use crate::domain::limit::{RateDimension, SlidingWindow, TokenBucket};
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;
use crate::fleet::ask::{Holdings, Lost, News, RateOwner, ReserveAnswer, ReserveAsk, SharedEnd, StoredStanding};
use crate::ports::{Fleet, PortError, PortFuture};

use decide::{admit, lease, renew_admission, renew_lease, stick, take_back};

/// An instance whose heart has not beaten for this long is gone.
const DEAD: i64 = 15_000;

#[derive(Debug, Default)]
struct AccountState {
    leases: BTreeMap<u128, (Timestamp, Nanos, Timestamp)>,
    rpm: Option<SlidingWindow>,
    tpm: Option<SlidingWindow>,
    day: Timestamp,
    spent: Nanos,
    reserved: Nanos,
    probe: Option<(u128, Timestamp)>,
}

#[derive(Debug, Clone, Copy)]
struct Cap {
    start: Timestamp,
    end: Option<Timestamp>,
    used: Nanos,
    held: Nanos,
}

#[derive(Debug)]
struct OpenHold {
    ends: Timestamp,
    key: KeyId,
    amount: Nanos,
    starts: Vec<(CostWindow, Timestamp)>,
}

type RateName = (RateOwner, KeyId, RateDimension, i64, Option<crate::domain::model::Family>);

#[derive(Debug, Default)]
struct UserState {
    slots: BTreeMap<String, Timestamp>,
    key_slots: HashMap<KeyId, BTreeMap<String, Timestamp>>,
    holds: BTreeMap<String, OpenHold>,
    caps: HashMap<(KeyId, CostWindow), Cap>,
    rates: HashMap<RateName, (SlidingWindow, TokenBucket)>,
}

#[derive(Debug, Default)]
struct Shared {
    accounts: HashMap<AccountId, AccountState>,
    users: HashMap<UserId, UserState>,
    sticky: HashMap<[u8; 16], (AccountId, Timestamp)>,
    standings: HashMap<AccountId, (i64, String)>,
    hearts: HashMap<u64, Timestamp>,
    leader: Option<(u64, Timestamp)>,
    listeners: Vec<mpsc::UnboundedSender<News>>,
    /// What keys had used before: the SQL of the fake.
    spent: HashMap<(KeyId, CostWindow), Nanos>,
    down: bool,
    /// Instances that reach nothing any more.
    cut: HashSet<u64>,
    /// Answers that are lost after the work was done.
    lose: u32,
}

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryFleet {
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
}

impl MemoryFleet {
    /// An empty store.
    pub fn new(clock: Clock) -> Self {
        Self { shared: Arc::default(), clock }
    }

    /// The store as one instance sees it.
    pub fn instance(&self, number: u64) -> Arc<dyn Fleet> {
        let (tell, hear) = mpsc::unbounded_channel();
        self.with(|s| s.listeners.push(tell));
        Arc::new(Instance { store: self.clone(), number, news: Arc::new(AsyncMutex::new(hear)) })
    }

    /// Takes the store away, or brings it back.
    pub fn set_down(&self, down: bool) {
        self.with(|s| s.down = down);
    }

    /// The instance reaches the store no more: as good as killed.
    pub fn cut(&self, number: u64) {
        self.with(|s| s.cut.insert(number));
    }

    /// Loses the next answers after doing the work.
    pub fn lose_answers(&self, count: u32) {
        self.with(|s| s.lose = count);
    }

    /// Forgets everything, as a flush does.
    pub fn flush(&self) {
        self.with(|s| {
            (s.accounts, s.users, s.sticky) = Default::default();
            tell(s, &News::Missed);
        });
    }

    /// Live leases of an account.
    pub fn slots(&self, account: AccountId) -> usize {
        let now = self.clock.now();
        self.with(|s| s.accounts.get(&account).map_or(0, |a| a.leases.values().filter(|(end, ..)| *end > now).count()))
    }

    /// Live slots of a key, and the money that is held and used in one of its windows.
    pub fn key(&self, user: UserId, key: KeyId, window: CostWindow) -> (usize, Nanos, Nanos) {
        let now = self.clock.now();
        self.with(|s| {
            let Some(user) = s.users.get(&user) else { return (0, Nanos::ZERO, Nanos::ZERO) };
            let slots = user.key_slots.get(&key).map_or(0, |slots| slots.values().filter(|end| **end > now).count());
            let cap = user.caps.get(&(key, window));
            (slots, cap.map_or(Nanos::ZERO, |c| c.held), cap.map_or(Nanos::ZERO, |c| c.used))
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Shared) -> R) -> R {
        work(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn call<R: Send + 'static>(
        &self,
        number: u64,
        work: impl FnOnce(&mut Shared, Timestamp) -> R,
    ) -> PortFuture<Result<R, PortError>> {
        let now = self.clock.now();
        let result = self.with(|s| {
            if s.down || s.cut.contains(&number) {
                return Err(PortError("away".to_owned()));
            }
            let done = work(s, now);
            if s.lose > 0 {
                s.lose -= 1;
                return Err(PortError("the answer was lost".to_owned()));
            }
            Ok(done)
        });
        Box::pin(async move {
            // An answer never comes in the turn of its question.
            tokio::task::yield_now().await;
            result
        })
    }
}

struct Instance {
    store: MemoryFleet,
    number: u64,
    news: Arc<AsyncMutex<mpsc::UnboundedReceiver<News>>>,
}

impl Fleet for Instance {
    fn is_up(&self) -> bool {
        !self.store.with(|s| s.down || s.cut.contains(&self.number))
    }

    fn reserve(&self, ends: Vec<SharedEnd>, ask: ReserveAsk) -> PortFuture<Result<ReserveAnswer, PortError>> {
        self.store.call(self.number, |s, now| {
            ends.iter().for_each(|end| take_back(s, now, end));
            let admission = ask.admission.as_ref().map(|admission| admit(s, now, admission, ask.ttl_ms));
            let lease = lease(s, now, &ask.lease, ask.ttl_ms);
            let bound = ask.sticky.as_ref().map(|sticky| stick(s, now, sticky));
            ReserveAnswer { admission, lease, bound }
        })
    }

    fn end(&self, ends: Vec<SharedEnd>) -> PortFuture<Result<(), PortError>> {
        self.store.call(self.number, |s, now| ends.iter().for_each(|end| take_back(s, now, end)))
    }

    fn renew(&self, held: Holdings) -> PortFuture<Result<Lost, PortError>> {
        self.store.call(self.number, |s, now| {
            let until = now.plus(held.ttl_ms);
            let leases = held.leases.iter().enumerate().filter(|(_, ask)| !renew_lease(s, now, ask, until));
            let leases = leases.map(|(index, _)| index).collect();
            let admissions = held.admissions.iter().enumerate().filter(|(_, a)| !renew_admission(s, now, a, until));
            Lost { leases, admissions: admissions.map(|(index, _)| index).collect() }
        })
    }

    fn beat(&self) -> PortFuture<Result<u32, PortError>> {
        let number = self.number;
        self.store.call(self.number, move |s, now| {
            s.hearts.insert(number, now);
            s.hearts.retain(|_, at| now.since(*at) < DEAD);
            u32::try_from(s.hearts.len()).unwrap_or(u32::MAX)
        })
    }

    fn lead(&self, for_ms: i64) -> PortFuture<Result<bool, PortError>> {
        let number = self.number;
        self.store.call(number, move |s, now| {
            let free = s.leader.is_none_or(|(leader, until)| leader == number || until <= now);
            if free {
                s.leader = Some((number, now.plus(for_ms)));
            }
            free
        })
    }

    fn standings(&self, of: Vec<AccountId>) -> PortFuture<Result<Vec<StoredStanding>, PortError>> {
        let wanted = move |id: &AccountId| of.is_empty() || of.contains(id);
        self.store.call(self.number, move |s, _| {
            s.standings
                .iter()
                .filter(|(id, _)| wanted(id))
                .map(|(id, (version, text))| StoredStanding { account: *id, version: *version, text: text.clone() })
                .collect()
        })
    }

    fn save_standing(
        &self,
        id: AccountId,
        seen: i64,
        text: String,
    ) -> PortFuture<Result<Option<(i64, String)>, PortError>> {
        self.store.call(self.number, move |s, _| {
            let (version, known) = s.standings.get(&id).cloned().unwrap_or_default();
            if version != seen {
                return Some((version, known));
            }
            s.standings.insert(id, (seen + 1, text));
            tell(s, &News::Standing(id));
            None
        })
    }

    fn news(&self) -> PortFuture<Option<News>> {
        let news = Arc::clone(&self.news);
        Box::pin(async move { news.lock().await.recv().await })
    }
}

fn tell(s: &mut Shared, news: &News) {
    s.listeners.retain(|listener| listener.send(news.clone()).is_ok());
}
