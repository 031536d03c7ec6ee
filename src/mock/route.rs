//! Finds who answers a call: by method and path, as the vendors' own routers do.

use super::credential::{path_model, query};
use super::dialect::Dialect;
use super::generate::generate;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::wire::Request;
use super::{anthropic, bedrock, chat, code_assist, codex, embeddings, gemini, google, oauth, openai, stored, windows};

/// Answers a call.
pub(super) fn route(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let path = request.path();
    match (request.method(), path) {
        ("POST", "/v1/messages" | "/a/v1/messages") => generate(mock, call, request, anthropic::read, anthropic::word),
        ("HEAD" | "GET", "/") => Reply::json(200, ""),
        ("POST", "/v1/messages/count_tokens" | "/a/v1/messages/count_tokens") => {
            anthropic::count_tokens(mock, call, request)
        }
        _ => match call.dialect {
            Dialect::Anthropic => shared(mock, call, request),
            Dialect::Invoke | Dialect::Converse => match request.method() {
                "POST" => bedrock::model(mock, call, request),
                _ => unknown(call),
            },
            Dialect::Chat => chat_family(mock, call, request),
            Dialect::Responses => responses_family(mock, call, request),
            Dialect::Codex => codex_family(mock, call, request),
            Dialect::Gemini => gemini_family(mock, call, request),
            Dialect::CodeAssist => code_assist::verb(mock, call, request),
            Dialect::Grant => grants(mock, request).unwrap_or_else(|| unknown(call)),
        },
    }
}

fn unknown(call: &Call) -> Reply {
    call.dialect.error(404, "unknown path")
}

/// Anthropic's small endpoints, and paths that no dialect has for itself.
fn shared(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let path = request.path();
    match (request.method(), path) {
        ("GET", _) if path == "/v1/models" || path.starts_with("/v1/models/") => models(call, request),
        ("POST", "/v1/oauth/token") => oauth::anthropic::token(mock, request),
        ("GET", "/api/oauth/usage") => windows::usage(mock, call),
        ("GET", "/api/oauth/profile") => oauth::anthropic::profile(mock, call),
        ("GET", "/api/cli/org") => oauth::workos::organizations(mock, call),
        ("GET", "/inference-profiles") => bedrock::profiles(call, request),
        ("GET", "/authorize" | "/oauth/authorize" | "/cai/oauth/authorize" | "/o/oauth2/v2/auth") => {
            oauth::authorize(mock, request)
        }
        _ => unknown(call),
    }
}

/// Three vendors have this path; the caller's headers tell them apart.
fn models(call: &Call, request: &Request) -> Reply {
    if request.header("x-goog-api-key").is_some() {
        return google::models(call, request.path());
    }
    let bearer = request.header("authorization").is_some() && request.header("anthropic-version").is_none();
    if bearer { openai::models(request.path()) } else { anthropic::models(call, request.path()) }
}

fn chat_family(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let path = request.path();
    if path.starts_with("/openai/deployments/") {
        if !has_api_key(request) {
            return call.dialect.unauthorized();
        }
        if query(request, "api-version").is_none() {
            return call.dialect.error(404, "Resource not found");
        }
    }
    let ends = |end: &str| request.method() == "POST" && path.ends_with(end);
    match path {
        _ if ends("/chat/completions") => generate(mock, call, request, chat::read, chat::word),
        _ if ends("/completions") => openai::completions(mock, call, request),
        _ if ends("/embeddings") => embeddings::embeddings(mock, call, request),
        _ if ends("/images/generations") || ends("/images/edits") => openai::image(mock, call),
        _ if path.contains("/audio/") && request.method() == "POST" => openai::audio(mock, call, path),
        _ => unknown(call),
    }
}

/// Azure takes its keys in a header of its own.
fn has_api_key(request: &Request) -> bool {
    request.header("api-key").is_some()
}

fn responses_family(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let path = request.path();
    if path.starts_with("/openai/") && !has_api_key(request) {
        return call.dialect.unauthorized();
    }
    let tail = path.split_once("/responses").map_or("", |(_, tail)| tail.trim_start_matches('/'));
    match (request.method(), tail) {
        ("POST", "") => stored::create(mock, call, request),
        ("POST", "compact") => stored::compact(mock, call),
        (_, "") => unknown(call),
        (method, tail) => stored::by_id(mock, call, method, tail),
    }
}

fn codex_family(mock: &Mock, call: &Call, request: &Request) -> Reply {
    match (request.method(), request.path()) {
        ("POST", "/backend-api/codex/responses") => codex::create(mock, call, request),
        ("POST", "/backend-api/codex/responses/compact") => stored::compact(mock, call),
        ("GET", "/backend-api/codex/models") => codex::models(mock, call),
        ("GET", "/backend-api/wham/usage") => windows::codex_usage(mock, call),
        ("GET", "/backend-api/wham/accounts/check") => codex::accounts(mock, call),
        _ => unknown(call),
    }
}

fn gemini_family(mock: &Mock, call: &Call, request: &Request) -> Reply {
    let path = request.path();
    match (request.method(), path.rsplit_once(':').map(|(_, verb)| verb)) {
        ("POST", Some("generateContent" | "streamGenerateContent")) => {
            generate(mock, call, request, gemini::read, gemini::word)
        }
        ("POST", Some("countTokens")) => google::count_tokens(mock, call, request),
        ("POST", Some("embedContent" | "batchEmbedContents")) if path_model(path).is_some() => {
            google::embed(mock, call, request)
        }
        ("GET", None) => google::models(call, path),
        _ => unknown(call),
    }
}

/// Token endpoints; they are asked without an account's credential.
fn grants(mock: &Mock, request: &Request) -> Option<Reply> {
    match (request.method(), request.path()) {
        ("POST", "/oauth/token") => Some(oauth::openai::token(mock, request)),
        ("POST", "/token") => Some(oauth::google::token(mock, request)),
        ("POST", "/user_management/authorize/device") => Some(oauth::workos::device(mock, request)),
        ("POST", "/user_management/authenticate") => Some(oauth::workos::authenticate(mock, request)),
        _ => None,
    }
}
