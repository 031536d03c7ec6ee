//! What time does to money: renewals and dunning, orders that run out, buckets that end. Run by a periodic job; running it
//! twice, or on two instances, changes nothing the second time.

use actors::domain::id::SubscriptionId;

use super::quota::CLOSES_AFTER;
use super::{Site, order, quota, renewal};
use crate::store::{Db, StoreError, buckets, orders, subscriptions};

/// Rows per question.
const STEP: i64 = 200;

/// Does everything that is due. Returns how many things were done. One row that cannot be handled stops no other.
///
/// # Errors
/// When the database fails.
pub async fn tick(db: &Db, site: Site) -> Result<u64, StoreError> {
    Ok(expire_orders(db, site).await? + turn_subscriptions(db, site).await? + close_buckets(db, site).await?)
}

/// Passes on what will not get better by going on; notes the rest.
fn noted(what: &str, id: &str, result: Result<bool, StoreError>) -> Result<u64, StoreError> {
    match result {
        Ok(done) => Ok(u64::from(done)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(target: "commerce", what, id, %error, "not done");
            Ok(0)
        }
    }
}

async fn expire_orders(db: &Db, site: Site) -> Result<u64, StoreError> {
    let mut done = 0;
    for order_no in orders::over(db, site.now, STEP).await? {
        done += noted("order", &order_no, order::expire(db, site, order_no.clone()).await)?;
    }
    Ok(done)
}

async fn turn_subscriptions(db: &Db, site: Site) -> Result<u64, StoreError> {
    let (mut done, mut after) = (0, SubscriptionId(0));
    loop {
        let due = subscriptions::due(db, site.now, after, STEP).await?;
        let Some(last) = due.last() else { return Ok(done) };
        after = *last;
        for id in due {
            done += noted("subscription", &id.to_string(), renewal::turn(db, site, id).await)?;
        }
    }
}

async fn close_buckets(db: &Db, site: Site) -> Result<u64, StoreError> {
    let mut done = 0;
    for id in buckets::over(db, site.now.plus(-CLOSES_AFTER), STEP).await? {
        done += noted("bucket", &id.to_string(), quota::close_one(db, id, site.now).await)?;
    }
    Ok(done)
}
