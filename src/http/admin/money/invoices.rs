//! `/invoices`: what was paid, in numbers without gaps.

use actix_web::get;
use actix_web::web::{Data as State, Path};
use actors::domain::id::OrderId;
use serde::Serialize;

use super::funds::Whose;
use super::{Price, cut, seen, stretch};
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::{Cursor, Params, Session, User};
use crate::onboarding::json::Moment;
use crate::store::invoices::{self, InvoiceLine, InvoiceRow};

/// An invoice.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InvoiceView {
    /// Its number.
    pub number: String,
    /// The order that it is for.
    pub order_id: i64,
    /// Whose.
    pub user_id: i64,
    /// Issued.
    pub issued_at: Moment,
    /// Lines, in minor units; they sum to the total.
    pub lines: Vec<InvoiceLine>,
    /// Paid.
    pub total: Price,
}

impl From<InvoiceRow> for InvoiceView {
    fn from(row: InvoiceRow) -> Self {
        Self {
            number: row.number,
            order_id: row.order.0,
            user_id: row.user.0,
            issued_at: Moment(row.issued_at),
            lines: row.lines,
            total: row.total.into(),
        }
    }
}

/// Lists invoices, newest first.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), params(Whose, Cursor),
    responses((status = 200, body = Envelope<Stretch<InvoiceView>>)))]
#[get("/invoices")]
pub async fn list_invoices(
    session: Session<User>,
    state: State<AdminState>,
    query: Params<Whose>,
    cursor: Params<Cursor>,
) -> Result<Data<Stretch<InvoiceView>>, ApiError> {
    let (limit, before) = stretch(&cursor.0)?;
    let user = seen(&session, query.0.user_id)?;
    let rows = invoices::list(&state.db, user, before.map(OrderId), limit + 1).await?;
    Ok(Data::ok(cut(rows, limit, |row| row.order.to_string())))
}

/// Shows an invoice.
#[utoipa::path(tag = "orders", security(("session" = ["user"])),
    responses((status = 200, body = Envelope<InvoiceView>)))]
#[get("/invoices/{number}")]
pub async fn get_invoice(
    session: Session<User>,
    state: State<AdminState>,
    number: Path<String>,
) -> Result<Data<InvoiceView>, ApiError> {
    let row = invoices::get(&state.db, &number, seen(&session, None)?).await?;
    row.map(|row| Data::ok(row.into())).ok_or_else(|| ApiError::not_found("invoice"))
}
