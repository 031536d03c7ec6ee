//! The store that instances share: the one in memory that the engine's tests use, Redis and Redis Cluster decide alike.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actors::billing::windows::Bounds;
use actors::clock::Clock;
use actors::domain::id::{AccountId, KeyId, LeaseId, RequestId, UserId};
use actors::domain::key::CostWindow;
use actors::domain::limit::RateDimension;
use actors::domain::money::Nanos;
use actors::domain::route::SessionHash;
use actors::domain::time::{DAY, MINUTE, Timestamp};
use actors::fleet::ask::{
    AdmissionAnswer, AdmissionAsk, CapAsk, HeldAdmission, Holdings, LeaseAnswer, LeaseAsk, Lost, Missing, News,
    RateAsk, RateOwner, ReserveAsk, SharedEnd, StickyAsk, StickyMove, StoredStanding, Taken,
};
use actors::guard::Resolution;
use actors::ports::{Fleet, PortError, PortFuture};
use actors::testing::fleet::MemoryFleet;
use quotalane::cache::Cache;
use quotalane::cache::fleet::{SharedFleet, Spending};
use quotalane::store::io::IoRuntime;

use crate::{NOW, servers};

const TTL: i64 = 60_000;

/// What SQL would know.
struct Spent(i64);

impl Spending for Spent {
    fn of_key(&self, _: KeyId, _: CostWindow, _: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        Box::pin(std::future::ready(Ok(Nanos(self.0))))
    }

    fn of_account(&self, _: AccountId, _: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        Box::pin(std::future::ready(Ok(Nanos(self.0))))
    }
}

/// A store with two instances, and an owner that no other test uses.
struct Store {
    one: Arc<dyn Fleet>,
    two: Arc<dyn Fleet>,
    id: i64,
    now: Timestamp,
    clock: Option<Clock>,
}

async fn each_store<F, Fut>(test: F)
where
    F: Fn(Store) -> Fut,
    Fut: Future<Output = ()>,
{
    let id = || i64::from(rand::random::<u32>()) + 1_000;
    let clock = Clock::frozen(NOW);
    let memory = MemoryFleet::new(clock.clone());
    test(Store { one: memory.instance(1), two: memory.instance(2), id: id(), now: NOW, clock: Some(clock) }).await;
    for url in [servers::redis_url(), servers::redis_cluster_url()].into_iter().flatten() {
        let io = IoRuntime::start().unwrap();
        let clock = Clock::system();
        let cache = Cache::open(io.handle(), &url, clock.clone()).unwrap();
        let fleet = |name: &str| -> Arc<dyn Fleet> {
            Arc::new(SharedFleet::of(&cache, Arc::from(name), Arc::new(Spent(0))).unwrap())
        };
        test(Store { one: fleet("one"), two: fleet("two"), id: id(), now: clock.now(), clock: None }).await;
    }
}

impl Store {
    fn lease(&self, lease: u128, change: impl FnOnce(&mut LeaseAsk)) -> ReserveAsk {
        let mut ask = LeaseAsk {
            lease: LeaseId(lease),
            account: AccountId(self.id),
            slots: 0,
            rpm: 0,
            tpm: 0,
            tokens: 10,
            budget: Nanos::ZERO,
            day: self.now.plus(DAY),
            day_start: self.now,
            cost: Nanos(10),
            probe: false,
        };
        change(&mut ask);
        ReserveAsk { admission: None, lease: Arc::new(ask), sticky: None, ttl_ms: TTL }
    }

    fn admission(&self, n: u128, change: impl FnOnce(&mut AdmissionAsk)) -> Arc<AdmissionAsk> {
        let mut ask = AdmissionAsk {
            request: RequestId(n),
            ticket: 1,
            user: UserId(self.id),
            key: KeyId(self.id),
            key_slots: 0,
            user_slots: 0,
            amount: Nanos(10),
            caps: Vec::new(),
            rates: Vec::new(),
        };
        change(&mut ask);
        Arc::new(ask)
    }

    fn cap(&self, limit: i64) -> CapAsk {
        let bounds = Bounds { start: self.now, end: Some(self.now.plus(DAY)) };
        CapAsk { window: CostWindow::Day, limit: Nanos(limit), bounds }
    }

    async fn reserve(&self, ask: ReserveAsk) -> LeaseAnswer {
        self.one.reserve(Vec::new(), ask).await.unwrap().lease
    }

    /// The answer of the other instance for each question in turn.
    async fn admit(&self, ask: &Arc<AdmissionAsk>) -> AdmissionAnswer {
        let lease = self.lease(ask.request.0, |_| ());
        let ask = ReserveAsk { admission: Some(Arc::clone(ask)), ..lease };
        self.two.reserve(Vec::new(), ask).await.unwrap().admission.unwrap()
    }

    /// Lets time pass until the condition holds: at once in memory, for real in Redis.
    async fn until<Fut: Future<Output = bool>>(&self, condition: impl Fn() -> Fut) {
        let give_up = async {
            while !condition().await {
                match &self.clock {
                    Some(clock) => clock.advance(10),
                    None => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), give_up).await.unwrap();
    }
}

fn taken(answer: AdmissionAnswer) -> Arc<Taken> {
    match answer {
        AdmissionAnswer::Granted(taken) => Arc::new(taken),
        refused => panic!("{refused:?}"),
    }
}

fn lease_end(ask: &ReserveAsk, answer: &LeaseAnswer, tokens: i64, cost: i64) -> SharedEnd {
    let (ask, bucket) = (Arc::clone(&ask.lease), answer.bucket);
    SharedEnd::Lease { ask, bucket, tokens, cost: Nanos(cost), withdrawn: false }
}

#[tokio::test]
async fn slots_of_an_account_are_granted_up_to_the_limit_and_come_back_once() {
    each_store(|store| async move {
        let asks: Vec<_> = (1..=3).map(|n| store.lease(n, |a| a.slots = 2)).collect();
        let first = store.reserve(asks[0].clone()).await;
        assert_eq!((first.missing, first.slots), (None, 1));
        assert_eq!(store.reserve(asks[1].clone()).await.slots, 2);
        let again = store.reserve(asks[0].clone()).await;
        assert_eq!((again.missing, again.slots), (None, 2), "asking again takes no second slot");
        let refused = store.reserve(asks[2].clone()).await;
        assert_eq!((refused.missing, refused.slots), (Some(Missing::Slots), 2));
        assert!((1..=TTL).contains(&refused.wait_ms));
        let end = lease_end(&asks[0], &first, 0, 0);
        store.two.end(vec![end.clone(), end.clone()]).await.unwrap();
        let third = store.one.reserve(vec![end], asks[2].clone()).await.unwrap().lease;
        assert_eq!((third.missing, third.slots), (None, 2), "giving back again takes nothing from others");
    })
    .await;
}

#[tokio::test]
async fn two_hundred_parallel_askers_never_exceed_a_limit() {
    each_store(|store| async move {
        let store = Arc::new(store);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..200_u128 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let fleet = if n % 2 == 0 { &store.one } else { &store.two };
                let caps = vec![store.cap(130)];
                let admission = store.admission(n, |a| (a.key_slots, a.caps) = (17, caps));
                let ask = ReserveAsk { admission: Some(admission), ..store.lease(n, |a| a.slots = 7) };
                let answer = fleet.reserve(Vec::new(), ask).await.unwrap();
                let admitted = matches!(answer.admission, Some(AdmissionAnswer::Granted(_)));
                (answer.lease.missing.is_none(), admitted)
            });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|(lease, _)| *lease).count(), 7);
        assert_eq!(answers.iter().filter(|(_, admitted)| *admitted).count(), 13, "130 are room for 13 of 10 each");
    })
    .await;
}

#[tokio::test]
async fn rates_of_an_account_count_over_a_minute_and_are_corrected() {
    each_store(|store| async move {
        for (n, missing) in [(1, None), (2, None), (3, Some(Missing::Rpm))] {
            assert_eq!(store.reserve(store.lease(n, |a| a.rpm = 2)).await.missing, missing);
        }
        let other = Store { id: store.id + 1, ..store };
        let ask = |n, tokens| other.lease(n, |a| (a.tpm, a.tokens) = (100, tokens));
        let first = other.reserve(ask(1, 60)).await;
        assert_eq!((first.missing, first.tokens), (None, 60));
        let refused = other.reserve(ask(2, 50)).await;
        assert_eq!(refused.missing, Some(Missing::Tpm));
        assert!((1..=62_000).contains(&refused.wait_ms), "{refused:?}");
        other.one.end(vec![lease_end(&ask(1, 60), &first, -40, 0)]).await.unwrap();
        assert_eq!(other.reserve(ask(2, 50)).await.tokens, 70, "20 were used, 50 are reserved");
        assert_eq!(other.reserve(ask(3, 500)).await.missing, Some(Missing::Tpm), "never");
    })
    .await;
}

#[tokio::test]
async fn a_daily_budget_holds_reserves_and_books() {
    each_store(|store| async move {
        let ask = |n| store.lease(n, |a| a.budget = Nanos(25));
        let first = store.reserve(ask(1)).await;
        assert_eq!((first.missing, first.spent), (None, Nanos(10)));
        store.reserve(ask(2)).await;
        assert_eq!(store.reserve(ask(3)).await.missing, Some(Missing::Budget));
        store.one.end(vec![lease_end(&ask(1), &first, 0, 3)]).await.unwrap();
        let third = store.reserve(ask(3)).await;
        assert_eq!((third.missing, third.spent), (None, Nanos(23)), "3 spent, twice 10 reserved");
        let next_day = store.lease(4, |a| (a.budget, a.day) = (Nanos(25), a.day.plus(DAY)));
        assert_eq!(store.reserve(next_day).await.spent, Nanos(10), "a new day begins empty");
    })
    .await;
}

#[tokio::test]
async fn one_probe_at_a_time() {
    each_store(|store| async move {
        let ask = |n| store.lease(n, |a| a.probe = true);
        let first = store.reserve(ask(1)).await;
        assert_eq!(first.missing, None);
        assert_eq!(store.reserve(ask(2)).await.missing, Some(Missing::Probe));
        store.one.end(vec![lease_end(&ask(1), &first, 0, 0)]).await.unwrap();
        assert_eq!(store.reserve(ask(2)).await.missing, None);
    })
    .await;
}

#[tokio::test]
async fn keys_and_owners_have_slots_of_their_own() {
    each_store(|store| async move {
        let limits = |a: &mut AdmissionAsk| (a.key_slots, a.user_slots) = (2, 3);
        let other_key = |a: &mut AdmissionAsk| (a.key_slots, a.user_slots, a.key) = (2, 3, KeyId(a.key.0 + 1));
        let asks = [store.admission(1, limits), store.admission(2, limits)];
        for ask in &asks {
            taken(store.admit(ask).await);
        }
        assert_eq!(store.admit(&store.admission(3, limits)).await, AdmissionAnswer::KeyBusy);
        taken(store.admit(&store.admission(4, other_key)).await);
        assert_eq!(store.admit(&store.admission(5, other_key)).await, AdmissionAnswer::UserBusy);
        store.one.end(vec![SharedEnd::Permit { ask: Arc::clone(&asks[0]) }; 2]).await.unwrap();
        taken(store.admit(&store.admission(6, limits)).await);
    })
    .await;
}

#[tokio::test]
async fn rates_of_keys_are_smooth_and_capped_and_given_back() {
    each_store(|store| async move {
        let rate = |dimension, window_ms, limit, cost, smooth| RateAsk {
            owner: RateOwner::Key,
            dimension,
            window_ms,
            family: None,
            limit,
            cost,
            smooth,
        };
        let rpm = |n| store.admission(n, |a| a.rates = vec![rate(RateDimension::Requests, MINUTE, 3, 1, true)]);
        let first = taken(store.admit(&rpm(1)).await);
        assert_eq!(first.rates[0].1, 1);
        for n in 2..=3 {
            taken(store.admit(&rpm(n)).await);
        }
        let AdmissionAnswer::Rate(0, Some(wait)) = store.admit(&rpm(4)).await else { panic!("a fourth passed") };
        assert!((1..=62_000).contains(&wait), "{wait}");
        let end = |resolution| SharedEnd::Hold { ask: rpm(1), taken: Arc::clone(&first), resolution };
        store.one.end(vec![end(Resolution::Withdraw), end(Resolution::Withdraw)]).await.unwrap();
        taken(store.admit(&rpm(5)).await);
        assert!(matches!(store.admit(&rpm(6)).await, AdmissionAnswer::Rate(0, Some(_))), "withdrawn once");

        let tokens =
            |n, cost| store.admission(n, |a| a.rates = vec![rate(RateDimension::Tokens, 10_000, 100, cost, false)]);
        let reserved = taken(store.admit(&tokens(11, 80)).await);
        assert!(matches!(store.admit(&tokens(12, 30)).await, AdmissionAnswer::Rate(0, Some(_))));
        let resolution = Resolution::Settle { charge: Nanos(1), tokens: 20 };
        store.one.end(vec![SharedEnd::Hold { ask: tokens(11, 80), taken: reserved, resolution }]).await.unwrap();
        assert_eq!(taken(store.admit(&tokens(12, 30)).await).rates[0].1, 50);
        assert_eq!(store.admit(&tokens(13, 101)).await, AdmissionAnswer::Rate(0, None), "never");
    })
    .await;
}

#[tokio::test]
async fn money_is_held_settled_once_and_released() {
    each_store(|store| async move {
        let ask = |n| store.admission(n, |a| a.caps = vec![store.cap(25)]);
        let first = taken(store.admit(&ask(1)).await);
        assert_eq!(first.starts, [store.now]);
        let second = taken(store.admit(&ask(2)).await);
        let refused = store.admit(&ask(3)).await;
        assert_eq!(refused, AdmissionAnswer::Money(CostWindow::Day, Some(store.now.plus(DAY))));
        let settle = Resolution::Settle { charge: Nanos(4), tokens: 0 };
        let end = SharedEnd::Hold { ask: ask(1), taken: first, resolution: settle };
        store.one.end(vec![end.clone(), end.clone(), end]).await.unwrap();
        taken(store.admit(&ask(3)).await);
        assert!(matches!(store.admit(&ask(4)).await, AdmissionAnswer::Money(..)), "4 used, twice 10 held");
        let end = SharedEnd::Hold { ask: ask(2), taken: second, resolution: Resolution::Release };
        store.one.end(vec![end]).await.unwrap();
        taken(store.admit(&ask(4)).await);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_renews_is_free_again_and_what_was_forgotten_is_taken_again() {
    each_store(|store| async move {
        let caps = || vec![store.cap(10)];
        let admission = |n| store.admission(n, |a| (a.key_slots, a.caps) = (1, caps()));
        let whole = |n, ttl_ms| {
            let lease = store.lease(n, |a| a.slots = 1);
            ReserveAsk { admission: Some(admission(n)), ttl_ms, ..lease }
        };
        let answer = store.one.reserve(Vec::new(), whole(1, 150)).await.unwrap();
        let first = taken(answer.admission.unwrap());
        let kept = Holdings {
            leases: vec![Arc::clone(&whole(1, 0).lease)],
            admissions: vec![HeldAdmission { ask: admission(1), taken: first, hold: true, permit: true }],
            ttl_ms: 400,
        };
        assert_eq!(store.one.renew(kept.clone()).await.unwrap(), Lost::default());
        let next = || async {
            let answer = store.two.reserve(Vec::new(), whole(2, TTL)).await.unwrap();
            let admitted = matches!(answer.admission, Some(AdmissionAnswer::Granted(_)));
            assert!(!admitted || answer.lease.missing.is_none(), "both end at the same time");
            admitted
        };
        store.until(next).await;
        let lost = Lost { leases: vec![0], admissions: vec![0] };
        assert_eq!(store.one.renew(kept.clone()).await.unwrap(), lost, "others have the room by now");

        let other = Store { id: store.id + 1, ..store };
        let ask = other.lease(1, |a| a.slots = 1);
        let held = Holdings { leases: vec![Arc::clone(&ask.lease)], admissions: Vec::new(), ttl_ms: TTL };
        assert_eq!(other.one.renew(held).await.unwrap(), Lost::default(), "the store had forgotten it");
        assert_eq!(other.reserve(other.lease(2, |a| a.slots = 1)).await.missing, Some(Missing::Slots));
    })
    .await;
}

#[tokio::test]
async fn a_session_is_bound_once_and_moved_by_the_first_who_leaves() {
    each_store(|store| async move {
        let session = SessionHash(u128::from(rand::random::<u64>()).to_be_bytes());
        let ask = |n: u128, account, way| {
            let sticky = StickyAsk { session, account: AccountId(account), way, ttl_ms: TTL, renew_below_ms: 1_000 };
            ReserveAsk { sticky: Some(sticky), ..store.lease(n, |_| ()) }
        };
        let bound = |ask| async { store.one.reserve(Vec::new(), ask).await.unwrap().bound };
        let leave = StickyMove::Leave(AccountId(5));
        assert_eq!(bound(ask(1, 5, StickyMove::Bind)).await, Some(AccountId(5)));
        assert_eq!(bound(ask(2, 6, StickyMove::Bind)).await, Some(AccountId(5)), "the loser uses the winner's");
        assert_eq!(bound(ask(3, 7, leave)).await, Some(AccountId(7)));
        assert_eq!(bound(ask(4, 8, leave)).await, Some(AccountId(7)), "it was moved already");
        assert_eq!(bound(ask(5, 9, StickyMove::Bind)).await, Some(AccountId(7)));
    })
    .await;
}

#[tokio::test]
async fn freed_slots_are_news_only_where_all_were_taken() {
    each_store(|store| async move {
        // A subscription takes a moment; its beginning is news itself.
        let hear = async |wanted: News| {
            let heard = async { while store.two.news().await.unwrap() != wanted {} };
            tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
        };
        let ask = |n| store.lease(n, |a| a.slots = 1);
        let free_until_heard = async {
            loop {
                let answer = store.reserve(ask(1)).await;
                store.one.end(vec![lease_end(&ask(1), &answer, 0, 0)]).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = hear(News::AccountSlot(AccountId(store.id))) => {}
            () = free_until_heard => {}
        }
        let admission = store.admission(1, |a| a.key_slots = 1);
        taken(store.admit(&admission).await);
        store.one.end(vec![SharedEnd::Permit { ask: admission }]).await.unwrap();
        hear(News::KeySlot(UserId(store.id), KeyId(store.id))).await;
    })
    .await;
}

#[tokio::test]
async fn hearts_are_counted_and_standings_are_stored_by_version() {
    each_store(|store| async move {
        let id = AccountId(store.id);
        assert!(store.one.beat().await.unwrap() >= 1);
        assert!(store.two.beat().await.unwrap() >= 2);
        assert_eq!(store.one.save_standing(id, 0, "first|one".to_owned()).await.unwrap(), None);
        let newer = store.two.save_standing(id, 0, "late".to_owned()).await.unwrap();
        assert_eq!(newer, Some((1, "first|one".to_owned())));
        assert_eq!(store.two.save_standing(id, 1, "second".to_owned()).await.unwrap(), None);
        let second = StoredStanding { account: id, version: 2, text: "second".to_owned() };
        assert_eq!(store.one.standings(vec![id]).await.unwrap(), std::slice::from_ref(&second));
        assert!(store.one.standings(Vec::new()).await.unwrap().contains(&second));
    })
    .await;
}
