//! Every recorded answer to clients of the other dialects: they read the text, the tool calls, the end and the usage that the
//! vendor's own client reads.

use actors::domain::account::AccountKind;
use actors::domain::usage::RequestStatus;

use super::lane::{Lane, Relayed, own_form};
use super::usage;
use crate::recorded::{Family, Recorded, recorded, sha};
use crate::support::speech::{Form, Said};

/// The dialects that are translated into each other.
const FORMS: [Form; 4] = [Form::Anthropic, Form::Chat, Form::Responses, Form::Gemini];

/// Two choices: a translated answer holds the first, the corpus the texts of both.
const TWO_CHOICES: [&str; 3] = ["6f57cf00d3b32416", "ab23b9dd3841a8c0", "c7a7ccd06e2b0396"];

/// Several messages in one stream: the translated one ends with the first, the row counts them all.
const SEVERAL_MESSAGES: [&str; 2] = ["887c82718e60609d", "a691516b95bed58a"];

/// Calls in `partialArgs`: the corpus counts each fragment, a translated answer has each call.
const PARTIAL_CALLS: [(&str, u64); 2] = [("4801a0bcf8bf43f6", 2), ("b1415e2224e287f6", 4)];

/// The form's word for the end of the recorded answer.
fn stop(form: Form, recorded: &Recorded) -> &'static str {
    let expected = recorded.expected.as_ref().unwrap();
    let by_parts = matches!(recorded.family, Family::Responses | Family::Gemini) && expected.tools > 0;
    let words = match expected.stop.as_str() {
        "completed" | "STOP" if by_parts => ["tool_use", "tool_calls", "completed", "STOP"],
        "tool_use" | "tool_calls" => ["tool_use", "tool_calls", "completed", "STOP"],
        "end_turn" | "stop" | "completed" | "STOP" => ["end_turn", "stop", "completed", "STOP"],
        "stop_sequence" => ["stop_sequence", "stop", "completed", "STOP"],
        "max_tokens" | "length" | "incomplete" | "MAX_TOKENS" => ["max_tokens", "length", "incomplete", "MAX_TOKENS"],
        "refusal" | "content_filter" | "MODEL_ARMOR" => ["refusal", "content_filter", "incomplete", "SAFETY"],
        other => panic!("what does {other} mean?"),
    };
    words[FORMS.iter().position(|known| *known == form).unwrap()]
}

fn means_the_same(relayed: &Relayed<'_>) {
    let Relayed { recorded, form, answer, what } = relayed;
    let (id, expected) = (recorded.id.as_str(), recorded.expected.as_ref().unwrap());
    let said = Said::of(*form, answer);
    assert!(said.done && said.errors.is_empty(), "{what}: {:?}", said.errors);
    if SEVERAL_MESSAGES.contains(&id) {
        return;
    }
    // An exception that is none any more is no exception.
    assert_eq!(sha(said.text.as_bytes()) != expected.text_sha, TWO_CHOICES.contains(&id), "{what}: {}", said.text);
    let calls = PARTIAL_CALLS.iter().find(|known| known.0 == id).map_or(expected.tools, |known| known.1);
    assert_eq!(said.tools.len() as u64, calls, "{what}");
    assert_eq!(said.stop.as_deref(), Some(stop(*form, recorded)), "{what}");
    let used = usage(recorded);
    // A stream of this form begins with a token of output.
    let least = u64::from(*form == Form::Anthropic && recorded.stream);
    assert_eq!(said.usage.unwrap_or_default(), (used.context(), used.output.max(least)), "{what}");
}

async fn every(family: Family, kind: AccountKind) {
    let (lane, answers) = (Lane::open(kind).await, recorded(family));
    let mut relayed = Vec::new();
    for answer in answers.iter().filter(|answer| answer.expected.is_some()) {
        for form in FORMS.into_iter().filter(|form| *form != own_form(answer)) {
            relayed.extend(lane.relay(answer, form, &[Some(7)]).await);
        }
    }
    for one in &relayed {
        means_the_same(one);
        one.is_counted(&lane, RequestStatus::Ok).await;
    }
    lane.close().await;
}

#[actix_rt::test]
async fn every_answer_of_anthropic_means_the_same_to_other_clients() {
    every(Family::Anthropic, AccountKind::ClaudeConsole).await;
}

#[actix_rt::test]
async fn every_chat_completion_does() {
    every(Family::Chat, AccountKind::OpenAi).await;
}

#[actix_rt::test]
async fn every_response_does() {
    every(Family::Responses, AccountKind::OpenAiResponses).await;
}

#[actix_rt::test]
async fn every_answer_of_gemini_does() {
    every(Family::Gemini, AccountKind::GeminiApi).await;
}
