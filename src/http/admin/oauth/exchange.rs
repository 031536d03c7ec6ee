//! `POST /oauth/exchange`: what the owner pasted becomes tokens of an account.

use actix_web::post;
use actix_web::web::Data as State;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{failed, input_of, settle, way_of};
use crate::http::admin::AdminState;
use crate::http::admin::account_view::AccountView;
use crate::http::admin::accounts::{checked, must_be_allowed};
use crate::http::admin::authorisations::{Authorisation, End};
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Body, Session};
use crate::onboarding::account::AccountInput;
use crate::upstream::oauth::exchange::Redemption;
use crate::upstream::oauth::{Class, Granted, paste};

/// What the owner pasted, with the fields of the new account (see `POST /accounts`); none when an account is authorised again.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct ExchangeBody {
    /// Of the answer to the start.
    session_id: String,
    /// A bare code, `code#state`, or the address of the page that the owner ended on.
    #[schema(value_type = String, write_only)]
    code: SecretString,
    /// Fields of the account.
    #[serde(flatten)]
    account: Map<String, Value>,
}

/// Exchanges a code. A failure says in `metadata.class` what to do: `rejected` and `ambiguous` = start again, `retry_safe` =
/// send the same code again, `blocked` = use another proxy, `config` = correct the settings `oauth.<type>.*`.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = ExchangeBody,
    responses((status = 201, body = Envelope<AccountView>)))]
#[post("/oauth/exchange")]
pub async fn exchange_code(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<ExchangeBody>,
) -> Result<Data<AccountView>, ApiError> {
    let body = body.0;
    let id = body.session_id.as_str();
    let mut taken = state.authorisations.take(id).await?;
    let given = match given(&state, &taken, &body).await {
        Ok(given) => given,
        Err(error) => {
            // Nothing was sent: the owner may paste again.
            state.authorisations.keep(id, &taken, state.clock.now()).await?;
            return Err(error);
        }
    };
    let (input, code) = given;
    let granted = match redeem(&state, &taken, &code).await {
        Ok(granted) => granted,
        Err((error, keeps)) => {
            taken.end = (!keeps).then_some(End::Failed);
            state.authorisations.keep(id, &taken, state.clock.now()).await?;
            return Err(error);
        }
    };
    let view = settle(&session, &state, &taken, input, granted).await?;
    taken.end = Some(End::Completed(view.id));
    state.authorisations.keep(id, &taken, state.clock.now()).await?;
    Ok(Data::created(view))
}

/// Everything that can be checked before the code is spent.
async fn given(
    state: &AdminState,
    taken: &Authorisation,
    body: &ExchangeBody,
) -> Result<(Option<AccountInput>, SecretString), ApiError> {
    must_be_allowed(state, taken.kind)?;
    if taken.end.is_some() || taken.device.is_some() {
        return Err(ApiError::new(Reason::IllegalTransition, "this authorisation takes no code"));
    }
    if taken.ends_at <= state.clock.now().0 {
        return Err(ApiError::new(Reason::IllegalTransition, "this authorisation has expired; start again"));
    }
    let invalid = |error: paste::PasteError| ApiError::invalid("code", error.to_string());
    let pasted = paste::read(secrecy::ExposeSecret::expose_secret(&body.code)).map_err(invalid)?;
    let code = pasted.code_of(&taken.state.as_str().into()).map_err(invalid)?;
    if taken.account_id.is_some() {
        return match body.account.keys().next() {
            Some(field) => Err(ApiError::invalid(field, "is not changed by authorising again")),
            None => Ok((None, code)),
        };
    }
    let input = input_of(taken, body.account.clone())?;
    checked(state, input.clone()).await?;
    Ok((Some(input), code))
}

/// True beside an error = the same code may be sent again.
async fn redeem(state: &AdminState, taken: &Authorisation, code: &SecretString) -> Result<Granted, (ApiError, bool)> {
    let way = way_of(state, taken).await.map_err(|error| (error, true))?;
    let redemption = Redemption {
        code,
        state: &taken.state.as_str().into(),
        verifier: &taken.verifier.as_str().into(),
        redirect_uri: &taken.redirect_uri,
        setup_token: taken.setup_token,
    };
    let exchanged = state.authority.exchange(&way, &redemption).await;
    exchanged.map_err(|failure| (failed(&failure), failure.class == Class::RetrySafe))
}
