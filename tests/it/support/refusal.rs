//! Status and word of a refusal in every form (`relay-api.md` §3), written down once more.

use super::speech::Form;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    anthropic: (u16, &'static str),
    openai: (u16, &'static str),
    google: (u16, &'static str),
    /// Out of money: no wait helps.
    pub money: bool,
}

const fn refusal(status: u16, anthropic: &'static str, openai: &'static str, google: &'static str) -> Refusal {
    Refusal { anthropic: (status, anthropic), openai: (status, openai), google: (status, google), money: false }
}

pub const UNKNOWN_KEY: Refusal = refusal(401, "authentication_error", "invalid_request_error", "UNAUTHENTICATED");
pub const NOT_PERMITTED: Refusal = refusal(403, "permission_error", "permission_error", "PERMISSION_DENIED");
pub const BAD: Refusal = refusal(400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT");
pub const TOO_LARGE: Refusal = refusal(413, "request_too_large", "invalid_request_error", "INVALID_ARGUMENT");
pub const NOT_FOUND: Refusal = refusal(404, "not_found_error", "invalid_request_error", "NOT_FOUND");
pub const LIMITED: Refusal = refusal(429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED");
pub const NOBODY: Refusal = refusal(503, "overloaded_error", "server_error", "UNAVAILABLE");
pub const UPSTREAM: Refusal = refusal(502, "api_error", "server_error", "INTERNAL");
pub const OUT_OF_MONEY: Refusal = Refusal {
    openai: (429, "insufficient_quota"),
    money: true,
    ..refusal(402, "billing_error", "", "RESOURCE_EXHAUSTED")
};

impl Refusal {
    /// Status and word for a form. Amazon's clients get Anthropic's status.
    pub fn of(self, form: Form) -> (u16, &'static str) {
        match form {
            Form::Anthropic | Form::Invoke | Form::Converse => self.anthropic,
            Form::Chat | Form::Responses => self.openai,
            Form::Gemini | Form::CodeAssist => self.google,
        }
    }
}
