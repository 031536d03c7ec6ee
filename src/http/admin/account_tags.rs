//! `/accounts/by-tags`: the accounts that carry some labels, the healthiest first (`scheduling.md` §9).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use actix_web::web::Data as State;
use actors::domain::id::AccountId;
use serde::Deserialize;

use super::AdminState;
use super::account_view::AccountView;
use crate::http::envelope::{Data, Envelope, Page};
use crate::http::error::ApiError;
use crate::http::extract::{Auditor, PageQuery, Params, Session};
use crate::store::accounts;

/// Labels of one search at most; an account has no more.
const LABELS: usize = 10;
/// Characters of a label at most.
const LONGEST: usize = 50;

/// Which labels.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TagQuery {
    /// 1 to 10 labels, comma-separated; an account must carry all of them.
    tags: String,
}

impl TagQuery {
    fn labels(&self) -> Result<Vec<String>, ApiError> {
        let labels: BTreeSet<&str> = self.tags.split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
        if !(1..=LABELS).contains(&labels.len()) {
            return Err(ApiError::invalid("tags", "must name 1 to 10 labels"));
        }
        if labels.iter().any(|label| label.chars().count() > LONGEST) {
            return Err(ApiError::invalid("tags", "has a label longer than 50 characters"));
        }
        Ok(labels.into_iter().map(str::to_owned).collect())
    }
}

/// Lists the accounts that carry all of these labels: the healthiest first, then by id. `total` counts every one of them.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), params(PageQuery, TagQuery),
    responses((status = 200, body = Envelope<Page<AccountView>>)))]
#[get("/accounts/by-tags")]
pub async fn accounts_by_tags(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
    query: Params<TagQuery>,
) -> Result<Data<Page<AccountView>>, ApiError> {
    let mut rows = accounts::by_tags(&state.db, &query.0.labels()?).await?;
    let views = state.engine.scheduler.views().await;
    let live: HashMap<AccountId, _> = views.iter().map(|view| (view.spec.id, view)).collect();
    // An account whose actor is being rebuilt has no health to show; it comes last.
    rows.sort_by_key(|row| (Reverse(live.get(&row.id).map(|view| view.health)), row.id));
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let (rows, page) = super::slice(rows, page.0)?;
    let now = state.clock.now();
    let items = rows.into_iter().map(|row| {
        let view = live.get(&row.id).copied();
        AccountView::new(row, view, now)
    });
    Ok(Data::page(page.answer(items.collect(), total)?))
}
