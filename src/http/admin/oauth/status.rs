//! `GET /oauth/{session_id}`: how far an authorisation is. Of a device flow it asks the vendor, and makes the account when the
//! owner has finished.

use actix_web::get;
use actix_web::web::{Data as State, Path};
use serde::Serialize;

use super::{failed, input_of, settle, way_of};
use crate::http::admin::AdminState;
use crate::http::admin::accounts::must_be_allowed;
use crate::http::admin::authorisations::{Authorisation, End};
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Session};
use crate::upstream::oauth::Granted;
use crate::upstream::oauth::device::{Poll, SLOWER};

/// How far an authorisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Progress {
    /// The owner has not finished.
    Pending,
    /// The account has its tokens.
    Completed,
    /// It took too long.
    Expired,
    /// The owner said no.
    Denied,
    /// The vendor gave no tokens.
    Failed,
}

/// An authorisation as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StatusView {
    /// How far it is.
    pub status: Progress,
    /// The account, once it has its tokens.
    pub account_id: Option<i64>,
    /// Device flow: seconds until the next look makes sense.
    pub interval: Option<i64>,
}

/// Shows an authorisation. Look no more often than every `interval` seconds; more often asks nothing.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<StatusView>)))]
#[get("/oauth/{session_id}")]
pub async fn show_authorisation(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<String>,
) -> Result<Data<StatusView>, ApiError> {
    let mut seen = state.authorisations.look(&id).await?;
    let now = state.clock.now();
    if seen.end.is_none() && seen.ends_at > now.0 && seen.device.is_some() {
        poll(&session, &state, &id, &mut seen).await?;
    }
    let ended = seen.end.or_else(|| (seen.ends_at <= now.0).then_some(End::Expired));
    let (status, account_id) = match ended {
        None => (Progress::Pending, None),
        Some(End::Completed(account)) => (Progress::Completed, Some(account)),
        Some(End::Denied) => (Progress::Denied, None),
        Some(End::Expired) => (Progress::Expired, None),
        Some(End::Failed) => (Progress::Failed, None),
    };
    let interval = seen.device.as_ref().filter(|_| ended.is_none()).map(|device| device.interval_ms / 1_000);
    Ok(Data::ok(StatusView { status, account_id, interval }))
}

/// Asks the vendor, when its turn has come.
async fn poll(
    session: &Session<Admin>,
    state: &AdminState,
    id: &str,
    seen: &mut Authorisation,
) -> Result<(), ApiError> {
    must_be_allowed(state, seen.kind)?;
    let Some(device) = seen.device.as_mut() else { return Ok(()) };
    if !state.authorisations.may_poll(id, device.interval_ms).await? {
        return Ok(());
    }
    let (code, slower) = (device.device_code.as_str().into(), device.interval_ms.saturating_add(SLOWER));
    let way = way_of(state, seen).await?;
    match state.authority.poll_device(&way, &code).await.map_err(|failure| failed(&failure))? {
        Poll::Pending => return Ok(()),
        Poll::SlowDown => {
            if let Some(device) = seen.device.as_mut() {
                device.interval_ms = slower;
            }
        }
        Poll::Denied => seen.end = Some(End::Denied),
        Poll::Expired => seen.end = Some(End::Expired),
        Poll::Failed(failure) => return Err(failed(&failure)),
        Poll::Granted(granted) => return complete(session, state, id, seen, *granted).await,
    }
    state.authorisations.keep(id, seen, state.clock.now()).await
}

/// The owner has finished. Whoever takes the authorisation makes the account.
async fn complete(
    session: &Session<Admin>,
    state: &AdminState,
    id: &str,
    seen: &mut Authorisation,
    granted: Granted,
) -> Result<(), ApiError> {
    *seen = state.authorisations.take(id).await?;
    let input = match seen.account_id {
        Some(_) => None,
        None => Some(input_of(seen, seen.draft.clone())?),
    };
    let settled = settle(session, state, seen, input, granted).await;
    seen.end = Some(settled.as_ref().map_or(End::Failed, |view| End::Completed(view.id)));
    state.authorisations.keep(id, seen, state.clock.now()).await?;
    settled.map(drop)
}
