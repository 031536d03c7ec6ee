//! How our errors become management answers. The only place that knows status codes.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use actors::domain::billing::Refusal;
use serde::Serialize;
use serde_json::Value;

use crate::identity::password::{PasswordError, PasswordRule};
use crate::identity::token::TokenError;
use crate::onboarding::Invalid;
use crate::store::StoreError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:literal;)+) => {
        /// Why a management call failed. Each reason has one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in the answer.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The HTTP status, which is also the answer's `code`.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

reasons! {
    /// A value is missing, of the wrong type or out of bounds.
    InvalidArgument = "INVALID_ARGUMENT", 400;
    /// The body has a field that the route does not know.
    UnknownField = "UNKNOWN_FIELD", 400;
    /// Not a decimal amount of USD.
    InvalidAmount = "INVALID_AMOUNT", 400;
    /// Not an invite code that can be used.
    InviteCodeInvalid = "INVITE_CODE_INVALID", 400;
    /// The route must be told what makes two calls the same.
    IdempotencyKeyMissing = "IDEMPOTENCY_KEY_MISSING", 400;
    /// No session.
    Unauthenticated = "UNAUTHENTICATED", 401;
    /// Name and password do not belong together.
    InvalidCredentials = "INVALID_CREDENTIALS", 401;
    /// The session has ended.
    TokenExpired = "TOKEN_EXPIRED", 401;
    /// The password was right; a code of the second factor is missing.
    SecondFactorRequired = "SECOND_FACTOR_REQUIRED", 401;
    /// The wallet does not hold that much.
    InsufficientFunds = "INSUFFICIENT_FUNDS", 402;
    /// The role does not suffice.
    PermissionDenied = "PERMISSION_DENIED", 403;
    /// The password is wanted again.
    StepUpRequired = "STEP_UP_REQUIRED", 403;
    /// The role needs a second factor, and the user has none yet.
    SecondFactorMissing = "SECOND_FACTOR_MISSING", 403;
    /// Nobody may register.
    RegistrationClosed = "REGISTRATION_CLOSED", 403;
    /// Accounts of this kind must be allowed first.
    OauthDisabled = "OAUTH_DISABLED", 403;
    /// Nothing there, or not yours.
    NotFound = "NOT_FOUND", 404;
    /// The route does not know this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    /// A unique value is taken.
    AlreadyExists = "ALREADY_EXISTS", 409;
    /// A user has this e-mail address.
    EmailTaken = "EMAIL_TAKEN", 409;
    /// A user has this name.
    UsernameTaken = "USERNAME_TAKEN", 409;
    /// A person from outside has the name or address of another user.
    AccountConflict = "ACCOUNT_CONFLICT", 409;
    /// The row changed since it was read.
    VersionConflict = "VERSION_CONFLICT", 409;
    /// The state does not allow it.
    IllegalTransition = "ILLEGAL_TRANSITION", 409;
    /// Something still refers to it.
    InUse = "IN_USE", 409;
    /// What was quoted no longer holds.
    QuoteStale = "QUOTE_STALE", 409;
    /// There is a live subscription of the family.
    AlreadySubscribed = "ALREADY_SUBSCRIBED", 409;
    /// The environment locks the setting.
    SettingLocked = "SETTING_LOCKED", 409;
    /// The body is too large.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413;
    /// The address must not be called.
    UnsafeUrl = "UNSAFE_URL", 422;
    /// The key came with another body before.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422;
    /// Prices of two currencies do not compare.
    CurrencyMismatch = "CURRENCY_MISMATCH", 422;
    /// What is left over cannot become credit.
    SurplusNotCreditable = "SURPLUS_NOT_CREDITABLE", 422;
    /// The code does not exist, is over, used up or not for this.
    DiscountInvalid = "DISCOUNT_INVALID", 422;
    /// More was to be given back than was paid.
    RefundExceedsPaid = "REFUND_EXCEEDS_PAID", 422;
    /// The plan is not for sale.
    PlanNotSellable = "PLAN_NOT_SELLABLE", 422;
    /// The wallet cannot pay in this currency.
    NotPayableFromWallet = "NOT_PAYABLE_FROM_WALLET", 422;
    /// Three orders wait for payment already.
    TooManyPending = "TOO_MANY_PENDING", 429;
    /// Too many tries.
    TooManyAttempts = "TOO_MANY_ATTEMPTS", 429;
    /// Our fault.
    Internal = "INTERNAL", 500;
    /// A vendor failed.
    UpstreamError = "UPSTREAM_ERROR", 502;
    /// There is no owner yet.
    SetupRequired = "SETUP_REQUIRED", 503;
    /// The directory is down.
    LdapUnavailable = "LDAP_UNAVAILABLE", 503;
    /// The OpenID provider is down.
    OidcUnavailable = "OIDC_UNAVAILABLE", 503;
    /// A dependency is down.
    Unavailable = "UNAVAILABLE", 503;
}

/// A fault of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldFault {
    /// Path of the field.
    pub field: String,
    /// Machine word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// A failed management call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Why.
    pub reason: Reason,
    /// For people; no secrets.
    pub message: Cow<'static, str>,
    /// Details for programs.
    pub metadata: Option<Box<Value>>,
    /// Faults of single fields.
    pub fields: Vec<FieldFault>,
    /// Seconds after which asking again may help.
    pub retry_after_s: Option<u64>,
    /// Methods that the route takes.
    pub allow: Option<String>,
}

/// The failure envelope.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Failure {
    /// The HTTP status.
    pub code: u16,
    /// The reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Details for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<Value>>,
    /// Faults of single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldFault>,
    /// Id of the request, as in the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl ApiError {
    /// A failure with its text.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), metadata: None, fields: Vec::new(), retry_after_s: None, allow: None }
    }

    /// A value is not acceptable.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let fault = FieldFault { field: field.to_owned(), reason: "invalid", message: message.clone() };
        let text = if field.is_empty() { message } else { format!("{field} {message}") };
        Self { fields: vec![fault], ..Self::new(Reason::InvalidArgument, text) }
    }

    /// Nothing there, or not yours: the same answer.
    pub fn not_found(what: &str) -> Self {
        Self::new(Reason::NotFound, format!("{what} not found"))
    }

    /// The route is there, with other methods.
    pub fn wrong_method(known: String) -> Self {
        Self { allow: Some(known), ..Self::new(Reason::MethodNotAllowed, "method not allowed") }
    }

    /// Something of ours went wrong; the cause goes to the log, not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(target: "http", cause = %cause, "management call failed");
        Self::new(Reason::Internal, "internal error")
    }

    /// A dependency is down.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::warn!(target: "http", cause = %cause, "dependency unavailable");
        Self { retry_after_s: Some(5), ..Self::new(Reason::Unavailable, "temporarily unavailable") }
    }

    /// Adds details for programs.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(Box::new(metadata));
        self
    }

    /// Says when asking again may help.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The answer, with the id of its request when that is known.
    pub fn respond(&self, request_id: Option<String>, bare: bool) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((ALLOW, methods.as_str()));
        }
        if bare {
            return response.json(serde_json::json!({ "error": self.message }));
        }
        response.json(Failure {
            code: self.reason.status(),
            reason: self.reason.as_str(),
            message: self.message.to_string(),
            metadata: self.metadata.clone(),
            fields: self.fields.clone(),
            request_id,
        })
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(None, false)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Aborted(_) => Self::unavailable(&error),
            StoreError::Conflict(what) => Self::new(Reason::AlreadyExists, format!("already exists: {what}")),
            StoreError::VersionConflict => Self::new(Reason::VersionConflict, "the row changed since it was read"),
            StoreError::NotFound => Self::not_found("row"),
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Data(_) => Self::internal(&error),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::InsufficientFunds => Reason::InsufficientFunds,
            Refusal::IllegalTransition => Reason::IllegalTransition,
            Refusal::IdempotencyConflict => Reason::IdempotencyKeyReused,
            Refusal::QuoteStale => Reason::QuoteStale,
            Refusal::AlreadySubscribed => Reason::AlreadySubscribed,
            Refusal::PlanNotSellable => Reason::PlanNotSellable,
            Refusal::CurrencyMismatch => Reason::CurrencyMismatch,
            Refusal::SurplusNotCreditable => Reason::SurplusNotCreditable,
            Refusal::DiscountInvalid => Reason::DiscountInvalid,
            Refusal::NotPayableFromWallet => Reason::NotPayableFromWallet,
            Refusal::RefundExceedsPaid => Reason::RefundExceedsPaid,
            Refusal::TooManyPending => Reason::TooManyPending,
            Refusal::AmountOverflow => Reason::InvalidAmount,
        };
        Self::new(reason, refusal.to_string())
    }
}

impl From<Invalid> for ApiError {
    fn from(fault: Invalid) -> Self {
        Self::invalid(fault.field, fault.message)
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Overloaded => Self::unavailable(&error),
            PasswordError::Failed => Self::internal(&error),
        }
    }
}

impl From<PasswordRule> for ApiError {
    fn from(rule: PasswordRule) -> Self {
        Self::invalid("password", rule.to_string())
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::new(Reason::Unauthenticated, "the session is not valid"),
            TokenError::Expired => Self::new(Reason::TokenExpired, "the session has ended"),
            TokenError::Secrets => Self::internal(&error),
        }
    }
}
