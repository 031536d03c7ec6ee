//! Slots, rates and budget of an account.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::domain::money::Nanos;
use actors::fleet::ask::{LeaseAnswer, LeaseAsk, Missing};
use actors::ports::PortError;
use futures_util::future::try_join_all;
use redis::RedisResult;

use super::scripts::{RENEW_LEASES, RESERVE, RETURN_LEASE};
use super::{CHANNEL, DECISION, GRACE_MS, Link, Redis, Spending, keys, port_error};

/// Takes everything of a lease, or nothing. `None` = the store must be told what the day has cost.
pub(super) async fn reserve(
    link: &Link,
    ask: &LeaseAsk,
    ttl_ms: i64,
    spent: Option<Nanos>,
) -> RedisResult<Option<LeaseAnswer>> {
    let mut call = RESERVE.prepare_invoke();
    for key in keys::account(ask.account) {
        call.key(key);
    }
    call.arg(ask.lease.to_string()).arg(ttl_ms).arg(GRACE_MS).arg(ask.slots).arg(ask.rpm).arg(ask.tpm);
    call.arg(ask.tokens).arg(ask.budget.0).arg(ask.day.0).arg(ask.cost.0).arg(u8::from(ask.probe));
    call.arg(spent.map(|nanos| nanos.0.to_string()).unwrap_or_default());
    let (missing, wait_ms, slots, requests, tokens, spent, bucket): (i64, i64, u32, i64, i64, i64, i64) =
        call.invoke_async(&mut link.clone()).await?;
    let missing = match missing {
        0 => None,
        1 => Some(Missing::Slots),
        2 => Some(Missing::Rpm),
        3 => Some(Missing::Tpm),
        4 => Some(Missing::Budget),
        5 => Some(Missing::Probe),
        _ => return Ok(None),
    };
    let wait_ms = if wait_ms < 0 { i64::MAX } else { wait_ms };
    Ok(Some(LeaseAnswer { missing, wait_ms, slots, requests, tokens, spent: Nanos(spent), bucket }))
}

/// As [`reserve`], after telling the store what the day has cost.
pub(super) async fn reserve_told(
    redis: &Redis,
    spending: &dyn Spending,
    ask: &Arc<LeaseAsk>,
    ttl_ms: i64,
) -> Result<LeaseAnswer, PortError> {
    let spent = spending.of_account(ask.account, ask.day_start).await?;
    let ask = Arc::clone(ask);
    let told = redis.call(DECISION, move |link| async move { reserve(&link, &ask, ttl_ms, Some(spent)).await }).await;
    told.map_err(port_error)?.ok_or_else(|| PortError("the shared store forgot what it was told".to_owned()))
}

/// Gives a lease back.
pub(super) async fn give_back(
    link: &Link,
    ask: &LeaseAsk,
    bucket: i64,
    tokens: i64,
    cost: Nanos,
    withdrawn: bool,
) -> RedisResult<()> {
    let mut call = RETURN_LEASE.prepare_invoke();
    for key in keys::account(ask.account) {
        call.key(key);
    }
    call.arg(ask.lease.to_string()).arg(ask.slots).arg(bucket).arg(tokens).arg(ask.day.0).arg(cost.0);
    call.arg(u8::from(withdrawn)).arg(CHANNEL).arg(format!("a:{}", ask.account));
    call.invoke_async(&mut link.clone()).await
}

/// Renews leases, account by account. Returns the indexes of those that were lost.
pub(super) async fn renew(link: &Link, leases: &[Arc<LeaseAsk>], ttl_ms: i64) -> RedisResult<Vec<usize>> {
    let mut accounts: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, ask) in leases.iter().enumerate() {
        accounts.entry(ask.account).or_default().push(index);
    }
    let renewals = accounts.into_iter().map(|(account, indexes)| async move {
        let mut call = RENEW_LEASES.prepare_invoke();
        for key in keys::account(account) {
            call.key(key);
        }
        let asks: Vec<&Arc<LeaseAsk>> = indexes.iter().filter_map(|index| leases.get(*index)).collect();
        call.arg(ttl_ms).arg(GRACE_MS).arg(asks.first().map_or(0, |ask| ask.slots));
        for ask in asks {
            call.arg(ask.lease.to_string()).arg(ask.cost.0).arg(ask.day.0);
        }
        let lost: Vec<usize> = call.invoke_async(&mut link.clone()).await?;
        Ok::<_, redis::RedisError>(lost.into_iter().filter_map(|n| indexes.get(n).copied()).collect::<Vec<_>>())
    });
    Ok(try_join_all(renewals).await?.concat())
}
