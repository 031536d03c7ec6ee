//! The invoice of a paid order: its lines sum to what was paid.

use chrono::{DateTime, Datelike};

use super::Site;
use crate::store::invoices::{self, InvoiceLine};
use crate::store::orders::OrderRow;
use crate::store::{StoreError, Tx};

/// Issues the invoice of an order that was paid with money or credit; nothing for a free one.
pub async fn issue(tx: &mut Tx, site: Site, order: &OrderRow) -> Result<(), StoreError> {
    if order.pay_minor == 0 {
        return Ok(());
    }
    let year = DateTime::from_timestamp_millis(site.now.0).map_or(1970, |time| time.with_timezone(&site.zone).year());
    invoices::issue(tx, year, order.id, order.user, &lines(order), order.pay(), site.now).await.map(drop)
}

fn lines(order: &OrderRow) -> Vec<InvoiceLine> {
    let surplus = order.pricing.change.map_or(0, |change| change.surplus_minor);
    [
        ("base", order.base_minor),
        ("fee", order.fee_minor),
        ("discount", -order.discount_minor),
        ("credit", -order.credit_minor),
        ("to_wallet", surplus),
    ]
    .into_iter()
    .filter(|(_, amount)| *amount != 0)
    .map(|(item, amount_minor)| InvoiceLine { item: item.to_owned(), amount_minor })
    .collect()
}
