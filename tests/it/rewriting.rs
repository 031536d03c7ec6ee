//! What the relay changes in a stream on purpose: the model's name, and the usage chunk that only it asked for.

use std::collections::BTreeMap;

use actors::domain::account::AccountKind;
use actors::domain::key::DisconnectPolicy;
use actors::domain::usage::RequestStatus;
use serde_json::{Value, json};

use crate::support::app::{MODEL, spawn_app};
use crate::support::client::Call;
use crate::support::pools::{Pools, Way, model, pairs};
use crate::support::speech::{self, Form, Prompt, sse};
use crate::support::until;

#[actix_rt::test]
async fn the_requested_name_is_written_back_in_every_dialect() {
    let pools = Pools::start().await;
    for (account, _) in pools.of.values() {
        let map = [(MODEL, "vendor-a"), ("gpt-5", "vendor-b"), ("gemini-2.5-pro", "vendor-c")];
        let map: BTreeMap<String, String> = map.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        pools.app.change_account(*account, |a| a.model_map = map.clone()).await;
    }
    for (tongue, kind, _) in pairs() {
        for stream in [false, true] {
            for fault in ["headers", "byte_chunks"] {
                let what = format!("{tongue:?} on {} stream {stream} {fault}", kind.as_str());
                pools.app.mock.fault(json!({"fault": {"kind": fault}, "times": 1})).await;
                let asked = model(tongue, kind);
                let answer = pools.app.ask(tongue, pools.key(kind), &Prompt::plain(&asked, stream)).await;
                let said = tongue.read(&answer);
                assert!(said.ended(tongue.form, false), "{what}: {}", answer.text());
                let call = pools.app.mock.last_attempt().await;
                assert!(call.model.as_deref().unwrap().contains("vendor-"), "{what}: {:?}", call.model);
                assert!(!answer.text().contains("vendor-"), "{what}: {}", answer.text());
                if tongue.form != Form::Converse {
                    let shown = said.model.unwrap_or_default();
                    assert!(shown == asked || format!("droid,{shown}") == asked, "{what}: {shown}");
                }
            }
        }
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn a_usage_chunk_that_nobody_asked_for_is_not_shown_but_counted() {
    let pools = Pools::start().await;
    let chat = |(tongue, ..): &(speech::Tongue, AccountKind, Way)| tongue.form == Form::Chat;
    for (tongue, kind, way) in pairs().filter(chat) {
        for options in [Value::Null, json!({"include_usage": false}), json!({"include_usage": true})] {
            for fault in ["headers", "byte_chunks"] {
                let what = format!("{tongue:?} on {} {options} {fault}", kind.as_str());
                pools.app.mock.fault(json!({"fault": {"kind": fault}, "times": 1})).await;
                let prompt = Prompt::plain(&model(tongue, kind), true);
                let mut body = prompt.body(Form::Chat);
                body["stream_options"] = options.clone();
                if options.is_null() {
                    body.as_object_mut().unwrap().remove("stream_options");
                }
                let call = Call { body: body.to_string().into_bytes(), ..tongue.call(pools.key(kind), &prompt) };
                let answer = pools.app.send(&call).await;
                let said = tongue.read(&answer);
                assert!(said.ended(Form::Chat, false) && said.text.ends_with(prompt.canary()), "{what}: {said:?}");
                let wanted = options["include_usage"] == true;
                assert_eq!(said.usage.is_some(), wanted, "{what} {way:?}: {}", answer.text());
                let empty = sse(&answer.body).iter().filter(|chunk| chunk["choices"] == json!([])).count();
                assert_eq!(empty, usize::from(wanted), "{what}: {}", answer.text());
                let (row, _) = pools.app.row(&answer).await;
                // Factory's bodies are not edited.
                let silent = kind == AccountKind::Droid && !wanted;
                assert_eq!(row.usage.estimated, silent, "{what}: {:?}", row.usage);
            }
        }
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn a_client_that_leaves_a_translated_stream_is_charged_by_the_policy_of_its_key() {
    for (tongue, kind, model) in [
        (speech::MESSAGES, AccountKind::OpenAi, "gpt-5"),
        (speech::CHAT, AccountKind::ClaudeConsole, MODEL),
        (speech::RESPONSES, AccountKind::GeminiApi, "gemini-2.5-pro"),
        (speech::GEMINI, AccountKind::OpenAiResponses, "gpt-5"),
        (speech::CODE_ASSIST, AccountKind::Gemini, "gemini-2.5-pro"),
        (speech::CONVERSE, AccountKind::Bedrock, MODEL),
    ] {
        for policy in [DisconnectPolicy::Cancel, DisconnectPolicy::DrainFull] {
            let app = spawn_app().await;
            app.set(json!({"relay.translate": "all"})).await;
            app.account_of(kind, "a", |_| {}).await;
            let key = app.key(|k| k.disconnect = policy).await;
            app.mock.script(json!({"delay_ms": 10, "events": 30})).await;
            let mut open = tongue.call(&key, &Prompt::plain(model, true)).open(app.addr()).await;
            // What Amazon's clients get is packed.
            let bytes = if tongue.form == Form::Converse { "contentBlockDelta" } else { "word" };
            assert!(open.until(bytes).await);
            drop(open);
            until("the upstream call ends", async || app.mock.last_attempt().await.ended != "open").await;
            let (row, _) = app.only_row().await;
            let call = app.mock.last_attempt().await;
            let what = format!("{tongue:?} {policy:?}: {row:?} {call:?}");
            assert_eq!((row.status, row.cost.charge.0 > 0), (RequestStatus::Cancelled, true), "{what}");
            if policy == DisconnectPolicy::Cancel {
                assert!(row.usage.estimated && !call.terminal && row.flags.is_empty(), "{what}");
            } else {
                assert!(!row.usage.estimated && call.terminal && row.flags == ["drained"], "{what}");
                assert_eq!(row.usage.tokens.output, call.usage.unwrap().output_tokens, "{what}");
            }
            app.finish().await;
        }
    }
}
