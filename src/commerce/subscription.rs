//! What users and administrators do to a running subscription.

use actors::domain::billing::{BucketStatus, OrderEvent, Refusal, SubEvent, SubStatus};
use actors::domain::id::{PlanId, SubscriptionId, UserId};

pub use super::renewal::renew_now;

use super::{Site, order, quota};
use crate::store::buckets::{self, PAUSED};
use crate::store::subscriptions::{self, SubscriptionRow};
use crate::store::{Db, StoreError, Tx, orders};

/// Something that is done to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// No further period, or yes again.
    CancelAtEnd(bool),
    /// It renews itself, or not.
    AutoRenew(bool),
    /// The plan of the next period; `None` = the same.
    Schedule(Option<PlanId>),
    /// An administrator stops it: time stands still.
    Pause,
    /// An administrator lets it go on.
    Resume,
    /// An administrator gives days.
    Extend(u32),
    /// An administrator takes it back: unused quota is gone.
    Revoke,
}

/// Does it.
///
/// # Errors
/// [`Refusal::IllegalTransition`] when the status does not allow it.
pub async fn act(
    db: &Db,
    site: Site,
    id: SubscriptionId,
    owner: Option<UserId>,
    act: Act,
) -> Result<SubscriptionRow, StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            let row = subscriptions::lock(tx, id, owner).await?;
            let changed = act_in(tx, site, row, act).await?;
            subscriptions::save(tx, &changed, site.now).await?;
            Ok(SubscriptionRow { version: changed.version + 1, updated_at: site.now, ..changed })
        })
    })
    .await
}

async fn act_in(tx: &mut Tx, site: Site, mut row: SubscriptionRow, act: Act) -> Result<SubscriptionRow, StoreError> {
    match act {
        Act::CancelAtEnd(cancel) => {
            row.status.after(SubEvent::CancelFlagged)?;
            row.cancel_at_period_end = cancel;
        }
        Act::AutoRenew(renew) => {
            row.status.after(SubEvent::CancelFlagged)?;
            row.auto_renew = renew;
        }
        Act::Schedule(plan) => {
            row.status.after(SubEvent::CancelFlagged)?;
            row.scheduled_plan = plan.filter(|plan| *plan != row.plan);
        }
        Act::Pause => pause(tx, site, &mut row).await?,
        Act::Resume => resume(tx, site, &mut row).await?,
        Act::Extend(days) => extend(tx, site, &mut row, days).await?,
        Act::Revoke => revoke(tx, site, &mut row).await?,
    }
    Ok(row)
}

async fn pause(tx: &mut Tx, site: Site, row: &mut SubscriptionRow) -> Result<(), StoreError> {
    let before = row.status;
    row.status = before.after(SubEvent::Paused)?.to;
    row.paused = Some((site.now, before));
    row.due_at = None;
    for bucket in buckets::lock_subscription(tx, row.id).await? {
        buckets::reschedule(tx, bucket.bucket.id, PAUSED, bucket.bucket.expires_at, site.now).await?;
    }
    Ok(())
}

/// Goes on: every time moves by how long it stood still.
async fn resume(tx: &mut Tx, site: Site, row: &mut SubscriptionRow) -> Result<(), StoreError> {
    let (since, before) = row.paused.ok_or(Refusal::IllegalTransition)?;
    row.status = row.status.after(SubEvent::Resumed { to: before })?.to;
    let stood = site.now.since(since).max(0);
    let running = before != SubStatus::PastDue;
    for bucket in buckets::lock_subscription(tx, row.id).await? {
        let end = bucket.bucket.expires_at;
        let queued = running && end.is_some_and(|end| end > row.period_end);
        let start = if queued { row.period_end.plus(stood) } else { site.now };
        buckets::reschedule(tx, bucket.bucket.id, start, end.map(|end| end.plus(stood)), site.now).await?;
    }
    row.period_end = row.period_end.plus(stood);
    (row.anchor_at, row.period_no) = (row.period_end, 0);
    row.past_due_since = row.past_due_since.map(|since| since.plus(stood));
    row.paused = None;
    row.due_at = Some(if running { row.period_end } else { site.now });
    Ok(())
}

async fn extend(tx: &mut Tx, site: Site, row: &mut SubscriptionRow, days: u32) -> Result<(), StoreError> {
    row.status.after(SubEvent::CancelFlagged)?;
    if row.next_order.is_some() {
        // The next period was sold with its times.
        return Err(Refusal::IllegalTransition.into());
    }
    let old = row.period_end;
    row.period_end = site.days_later(old, days)?;
    (row.anchor_at, row.period_no) = (row.period_end, 0);
    row.due_at = Some(row.period_end);
    for bucket in buckets::lock_subscription(tx, row.id).await? {
        if bucket.bucket.expires_at == Some(old) {
            let start = bucket.bucket.starts_at;
            buckets::reschedule(tx, bucket.bucket.id, start, Some(row.period_end), site.now).await?;
        }
    }
    Ok(())
}

async fn revoke(tx: &mut Tx, site: Site, row: &mut SubscriptionRow) -> Result<(), StoreError> {
    row.status = row.status.after(SubEvent::Revoked)?.to;
    (row.ended_at, row.due_at, row.next_order) = (Some(site.now), None, None);
    (row.paused, row.past_due_since) = (None, None);
    for open in orders::lock_open(tx, row.id).await? {
        order::end(tx, site, open, OrderEvent::Cancelled).await?;
    }
    quota::close_all(tx, row, BucketStatus::Voided, site.now).await
}
