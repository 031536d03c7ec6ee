//! Every path of `relay-api.md` §1, in the spellings that clients use.

use super::*;

fn call_of(path: &str) -> CallTarget {
    match target(path) {
        Ok(Target::Call(call)) => call,
        other => panic!("{path}: {other:?}"),
    }
}

/// Endpoint, dialect, wire, model, stream, platform and tail of a call.
type Seen = (Endpoint, Dialect, Wire, Option<String>, Option<bool>, Platform, String);

fn seen(path: &str) -> Seen {
    let call = call_of(path);
    (
        call.endpoint,
        call.client.dialect,
        call.client.wire,
        call.model,
        call.stream,
        call.pool.platform(),
        call.tail.into_owned(),
    )
}

#[test]
fn anthropic_routes_exist_under_every_base() {
    for base in ["", "/api", "/claude", "/api/claude", "/anthropic"] {
        for version in ["", "/v1", "/v1/v1"] {
            let path = |tail: &str| format!("{base}{version}{tail}");
            let messages = seen(&path("/messages"));
            assert_eq!(
                (messages.0, messages.1, messages.5),
                (Endpoint::Generate, Dialect::Anthropic, Platform::Claude)
            );
            assert_eq!(seen(&path("//messages/")), messages);
            assert_eq!(seen(&path("/messages/count_tokens")).0, Endpoint::CountTokens, "{base}{version}");
            assert!(matches!(target(&path("/models")), Ok(Target::Models(_))));
            assert!(
                matches!(target(&path("/models/claude-opus-4-5")), Ok(Target::Model(_, m)) if m == "claude-opus-4-5")
            );
            assert!(matches!(target(&path("/key-info")), Ok(Target::KeyInfo(Dialect::Anthropic))));
            assert_eq!(target(&path("/usage")), Ok(Target::Usage));
            assert_eq!(target(&path("/me")), Ok(Target::Me));
            assert_eq!(target(&path("/organizations/x/usage")), Ok(Target::OrganizationUsage));
        }
    }
    for path in ["/", "/api/hello"] {
        assert_eq!(target(path), Ok(Target::Hello));
    }
    for path in ["/api/event_logging/batch", "/api/api/event_logging/batch", "/v1internal:recordCodeAssistMetrics"] {
        assert_eq!(target(path), Ok(Target::EventBatch));
    }
}

#[test]
fn openai_routes_exist_under_every_base() {
    for base in ["", "/api", "/openai"] {
        for version in ["", "/v1", "/v1/v1"] {
            for (tail, endpoint, dialect) in [
                ("/chat/completions", Endpoint::Generate, Dialect::Chat),
                ("/completions", Endpoint::Complete, Dialect::Chat),
                ("/embeddings", Endpoint::Embed, Dialect::Chat),
                ("/images/generations", Endpoint::Image, Dialect::Chat),
                ("/images/edits", Endpoint::Image, Dialect::Chat),
                ("/audio/speech", Endpoint::Audio, Dialect::Chat),
                ("/audio/transcriptions", Endpoint::Audio, Dialect::Chat),
                ("/audio/translations", Endpoint::Audio, Dialect::Chat),
                ("/responses", Endpoint::Generate, Dialect::Responses),
                ("/responses/compact", Endpoint::Compact, Dialect::Responses),
                ("/responses/resp_1", Endpoint::Stored, Dialect::Responses),
                ("/responses/resp_1/cancel", Endpoint::Stored, Dialect::Responses),
                ("/responses/resp_1/input_items", Endpoint::Stored, Dialect::Responses),
            ] {
                let path = format!("{base}{version}{tail}");
                let (found, speaks, wire, .., upstream) = seen(&path);
                assert_eq!((found, speaks, wire, upstream.as_str()), (endpoint, dialect, Wire::Plain, tail), "{path}");
            }
        }
    }
    assert_eq!(call_of("/v1/chat/completions").pool, Pool::ByModel(Platform::OpenAi));
    assert_eq!(
        call_of("/api/v1/chat/completions").pool,
        Pool::ByModel(Platform::Claude),
        "as claude-relay-service did"
    );
    assert_eq!(target("/openai/key-info"), Ok(Target::KeyInfo(Dialect::Chat)));
}

#[test]
fn google_names_model_and_verb_in_the_path() {
    for base in ["", "/gemini", "/genai"] {
        for version in ["v1", "v1beta"] {
            for (verb, endpoint, stream) in [
                ("generateContent", Endpoint::Generate, false),
                ("streamGenerateContent", Endpoint::Generate, true),
                ("countTokens", Endpoint::CountTokens, false),
                ("embedContent", Endpoint::Embed, false),
                ("batchEmbedContents", Endpoint::Embed, false),
            ] {
                let path = format!("{base}/{version}/models/gemini-2.5-pro:{verb}");
                let (found, dialect, wire, model, streams, platform, tail) = seen(&path);
                assert_eq!((found, dialect, wire), (endpoint, Dialect::Gemini, Wire::Plain), "{path}");
                assert_eq!((model.as_deref(), streams), (Some("gemini-2.5-pro"), Some(stream)));
                assert_eq!((platform, tail), (Platform::Gemini, format!("/{version}/models/gemini-2.5-pro:{verb}")));
            }
        }
        assert_eq!(target(&format!("{base}/v1beta/models")), Ok(Target::Models(Some(Dialect::Gemini))));
        let one = format!("{base}/v1beta/models/gemini-2.5-pro");
        assert!(matches!(target(&one), Ok(Target::Model(Some(Dialect::Gemini), _))), "{one}");
    }
    assert_eq!(target("/v1/models"), Ok(Target::Models(None)), "three families share this path");
    assert_eq!(target("/gemini/v1/models"), Ok(Target::Models(Some(Dialect::Gemini))));
}

#[test]
fn code_assist_goes_to_its_own_accounts_only() {
    for (path, endpoint, tail) in [
        ("/v1internal:generateContent", Endpoint::Generate, ":generateContent"),
        ("/v1internal:streamGenerateContent", Endpoint::Generate, ":streamGenerateContent"),
        ("/v1internal:countTokens", Endpoint::CountTokens, ":countTokens"),
        ("/v1internal:loadCodeAssist", Endpoint::Assist, ":loadCodeAssist"),
        ("/v1internal:retrieveUserQuota", Endpoint::Assist, ":retrieveUserQuota"),
        ("/v1internal/operations/abc", Endpoint::Assist, "/operations/abc"),
        ("/v1beta/models/gemini-x:loadCodeAssist", Endpoint::Assist, ":loadCodeAssist"),
    ] {
        let call = call_of(path);
        assert_eq!((call.endpoint, &*call.tail, call.client.wire), (endpoint, tail, Wire::CodeAssist), "{path}");
        assert_eq!(call.pool, CODE_ASSIST);
    }
    assert_eq!(target("/v1internal:somethingElse"), Err(NoTarget::Unknown));
}

#[test]
fn bedrock_ids_come_plain_encoded_and_with_slashes() {
    let id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    for (path, expected) in [
        (format!("/model/{id}/invoke"), id),
        ("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse".to_owned(), id),
        (
            "/model/arn:aws:bedrock:us-east-1:1:inference-profile/x/invoke".to_owned(),
            "arn:aws:bedrock:us-east-1:1:inference-profile/x",
        ),
    ] {
        assert_eq!(seen(&path).3.as_deref(), Some(expected), "{path}");
    }
    for (verb, endpoint, dialect, stream) in [
        ("invoke", Endpoint::Generate, Dialect::Anthropic, false),
        ("invoke-with-response-stream", Endpoint::Generate, Dialect::Anthropic, true),
        ("converse", Endpoint::Generate, Dialect::Converse, false),
        ("converse-stream", Endpoint::Generate, Dialect::Converse, true),
        ("count-tokens", Endpoint::CountTokens, Dialect::Anthropic, false),
    ] {
        let path = format!("/model/{id}/{verb}");
        let (found, speaks, wire, _, streams, ..) = seen(&path);
        assert_eq!((found, speaks, wire, streams), (endpoint, dialect, Wire::Bedrock, Some(stream)), "{path}");
    }
}

#[test]
fn some_paths_fix_the_pool() {
    for (path, pool, dialect) in [
        ("/droid/claude/v1/messages", DROID, Dialect::Anthropic),
        ("/droid/openai/v1/responses", DROID, Dialect::Responses),
        ("/droid/openai/responses", DROID, Dialect::Responses),
        ("/droid/comm/v1/chat/completions", DROID, Dialect::Chat),
        ("/azure/chat/completions", AZURE, Dialect::Chat),
        ("/azure/responses", AZURE, Dialect::Responses),
        ("/azure/embeddings", AZURE, Dialect::Chat),
        ("/backend-api/codex/responses", CHATGPT, Dialect::Responses),
        ("/backend-api/codex/responses/compact", CHATGPT, Dialect::Responses),
        ("/openai/claude/v1/chat/completions", Pool::Fixed(Platform::Claude), Dialect::Chat),
        ("/openai/gemini/v1/chat/completions", Pool::Fixed(Platform::Gemini), Dialect::Chat),
        ("/gemini/messages", Pool::Fixed(Platform::Gemini), Dialect::Anthropic),
        ("/gemini/v1/chat", Pool::Fixed(Platform::Gemini), Dialect::Chat),
    ] {
        let call = call_of(path);
        assert_eq!((call.pool, call.client), (pool, Surface::plain(dialect)), "{path}");
    }
    let deployment = call_of("/openai/deployments/my-deploy/chat/completions");
    assert_eq!((deployment.model.as_deref(), &*deployment.tail), (Some("my-deploy"), "/chat/completions"));
}

#[test]
fn dot_segments_are_refused_and_the_rest_is_unknown() {
    for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/%2E./messages", "/./v1/messages", "/v1/..%2fmessages"] {
        assert_eq!(target(path), Err(NoTarget::Unsafe), "{path}");
    }
    for path in [
        "/v1/messages/batches",
        "/v2/messages",
        "/api/v1/accounts",
        "/claude/api/v1/messages/x",
        "/model/x",
        "/backend-api/wham/usage",
    ] {
        assert_eq!(target(path), Err(NoTarget::Unknown), "{path}");
    }
}
