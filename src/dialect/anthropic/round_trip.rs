//! Properties of the two sides together: what is written can be read, and says the same but for the documented losses.

use actors::domain::usage::{Tokens, Usage, UsagePart};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Number, Value, json};

use super::{decode, encode};
use crate::dialect::convert::{DecodeStream, EncodeStream, Outside, Reply};
use crate::dialect::form::{
    Effort, Event, Losses, Media, Part, Reasoning, ReasoningControl, Request, Role, Sampling, Source, StopReason, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};

const MODELS: [&str; 6] =
    ["claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-4-6", "claude-3-5-haiku-20241022", "claude-fable-5", "kimi"];

const STOPS: [StopReason; 5] =
    [StopReason::End, StopReason::StopSequence, StopReason::Length, StopReason::ToolUse, StopReason::Refusal];

fn words() -> impl Strategy<Value = String> {
    "[a-z é界\"\\\\\n]{0,6}x"
}

fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,20}"
}

fn cache() -> impl Strategy<Value = Option<Value>> {
    option::of(Just(json!({"type": "ephemeral"})))
}

fn text() -> impl Strategy<Value = Part> {
    (words(), cache()).prop_map(|(text, cache)| Part::Text { text, cache })
}

fn base64(media_type: &str) -> Source {
    Source::Base64 { media_type: media_type.to_owned(), data: "AA==".to_owned() }
}

fn media() -> impl Strategy<Value = Part> {
    let url = Source::Url { url: "https://x".to_owned(), media_type: None };
    let document = prop_oneof![Just(base64("application/pdf")), Just(url.clone()), words().prop_map(Source::Text)];
    let document = (document, option::of(words()), option::of(words()));
    prop_oneof![
        prop_oneof![Just(base64("image/png")), Just(url)].prop_map(|source| Part::Image(Media::of(source))),
        document.prop_map(|(source, name, context)| Part::Document(Media { source, name, context, detail: None })),
    ]
}

fn result() -> impl Strategy<Value = Part> {
    (id(), vec(prop_oneof![text(), media()], 0..3), any::<bool>())
        .prop_map(|(id, content, is_error)| Part::ToolResult(ToolResult { id, name: None, content, is_error }))
}

fn call() -> impl Strategy<Value = Part> {
    let arguments = prop_oneof![Just("{}"), Just("{\"z\": 1.50, \"a\":[ ]}")].prop_map(str::to_owned);
    (id(), words(), arguments).prop_map(|(id, name, arguments)| Part::ToolCall(ToolCall { id, name, arguments }))
}

fn thought() -> impl Strategy<Value = Part> {
    words().prop_map(|text| Part::Reasoning(Reasoning { text, ..Reasoning::default() }))
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        vec(prop_oneof![text(), media(), result()], 1..4).prop_map(|parts| Turn { role: Role::User, parts }),
        vec(prop_oneof![text(), thought(), call()], 1..4).prop_map(|parts| Turn { role: Role::Assistant, parts }),
        vec(text(), 1..3).prop_map(|parts| Turn { role: Role::System, parts }),
    ]
}

fn tool() -> impl Strategy<Value = Tool> {
    (words(), option::of(words()), cache(), option::of(Just(true))).prop_map(|(name, description, cache, strict)| {
        Tool { name, description, schema: Some(json!({"type": "object"})), strict, cache }
    })
}

fn choice() -> impl Strategy<Value = ToolChoice> {
    let fixed = vec![ToolChoice::Auto, ToolChoice::Required, ToolChoice::None];
    prop_oneof![proptest::sample::select(fixed), words().prop_map(ToolChoice::Named)]
}

fn control() -> impl Strategy<Value = ReasoningControl> {
    let effort = option::of(proptest::sample::select(Effort::ALL.to_vec()));
    (effort, option::of(0..40_000_u64), any::<bool>(), any::<bool>(), option::of(any::<bool>())).prop_map(
        |(effort, budget, adaptive, disabled, show)| ReasoningControl { effort, budget, adaptive, disabled, show },
    )
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (option::of(0.0..2.0_f64), option::of(0.0..1.0_f64), option::of(1..50_u64)).prop_map(
        |(temperature, top_p, top_k)| Sampling {
            temperature: temperature.and_then(Number::from_f64),
            top_p: top_p.and_then(Number::from_f64),
            top_k: top_k.map(Number::from),
            ..Sampling::default()
        },
    )
}

fn form() -> impl Strategy<Value = Request> {
    let said = (proptest::sample::select(MODELS.to_vec()), vec(text(), 0..3), vec(turn(), 0..6));
    let tools = (vec(tool(), 0..3), option::of(choice()), option::of(any::<bool>()));
    let limits = (option::of(control()), option::of(1..100_000_u64), sampling(), vec(words(), 0..3));
    (said, tools, limits, option::of(words()), any::<bool>()).prop_map(|(said, tools, limits, user, stream)| Request {
        model: said.0.to_owned(),
        system: said.1,
        turns: said.2,
        tools: tools.0,
        tool_choice: tools.1,
        parallel_tools: tools.2,
        reasoning: limits.0,
        max_output: limits.1,
        sampling: limits.2,
        stop: limits.3,
        user,
        stream,
        ..Request::default()
    })
}

fn there_and_back(form: &Request) -> Request {
    let body = encode::request(form, &mut Losses::new(false)).unwrap();
    let outside = Outside { model: &form.model, stream: form.stream };
    decode::request(&body, outside, &mut Losses::new(false)).unwrap()
}

/// The conversation without what may change on the way: reasoning is dropped, turns are merged, results come first, tool
/// names of results are looked up, and instructions may become the user's.
fn gist(turns: &[Turn]) -> Vec<Turn> {
    let mut gist: Vec<Turn> = Vec::new();
    for turn in turns {
        let role = if turn.role == Role::System { Role::User } else { turn.role };
        let kept = turn.parts.iter().filter(|part| !matches!(part, Part::Reasoning(_))).cloned();
        let parts: Vec<Part> = kept
            .map(|part| match part {
                Part::ToolResult(result) => Part::ToolResult(ToolResult { name: None, ..result }),
                part => part,
            })
            .collect();
        match gist.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => gist.push(Turn { role, parts }),
        }
    }
    for turn in &mut gist {
        turn.parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
    }
    gist
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let signature = option::of(Just(Event::Signature("s".to_owned())));
    let block = prop_oneof![
        vec(words().prop_map(Event::Text), 1..4),
        (vec(words().prop_map(Event::Reasoning), 1..4), signature)
            .prop_map(|(thoughts, signature)| { thoughts.into_iter().chain(signature).collect::<Vec<_>>() }),
        (id(), words(), vec(words().prop_map(Event::Arguments), 1..4)).prop_map(|(id, name, arguments)| {
            std::iter::once(Event::ToolCall { id, name }).chain(arguments).collect::<Vec<_>>()
        }),
    ];
    (vec(block, 0..5), proptest::sample::select(STOPS.to_vec()), option::of(words())).prop_map(
        |(blocks, stop, stop_sequence)| {
            let blocks = blocks.into_iter().flat_map(|block| block.into_iter().chain([Event::Close]));
            blocks.chain([Event::Finish { stop, stop_sequence }]).collect()
        },
    )
}

fn written(events: &[Event], usage: &Usage) -> Vec<u8> {
    let reply = Reply { model: "m".to_owned(), id: "I".to_owned(), created: 0, include_usage: false };
    let (mut stream, mut out) = (encode::Stream::new(reply), Vec::new());
    stream.write(&Event::Start { id: None, model: None, usage: None }, &mut out);
    events.iter().for_each(|event| stream.write(event, &mut out));
    stream.write(&Event::Usage(Box::new(usage.clone())), &mut out);
    stream.write(&Event::Done, &mut out);
    out
}

proptest! {
    #[test]
    fn a_request_says_the_same(form in form()) {
        let read = there_and_back(&form);
        prop_assert_eq!(gist(&form.turns), gist(&read.turns));
        prop_assert_eq!((&form.system, &form.tools, &form.stop), (&read.system, &read.tools, &read.stop));
        prop_assert_eq!((&form.user, form.stream), (&read.user, read.stream));
        if !form.tools.is_empty() && form.tool_choice.is_some() {
            prop_assert_eq!(&form.tool_choice, &read.tool_choice);
        }
        let cap = read.max_output.unwrap();
        prop_assert!(form.max_output.is_none_or(|asked| asked == cap));
        let budget = read.reasoning.as_ref().and_then(|control| control.budget);
        prop_assert!(budget.is_none_or(|budget| (1_024..cap).contains(&budget)));
        let again = there_and_back(&read);
        prop_assert_eq!((&read.turns, &read.sampling), (&again.turns, &again.sampling));
        prop_assert_eq!((&read.reasoning, read.max_output), (&again.reasoning, again.max_output));
    }

    #[test]
    fn a_stream_says_the_same(events in events(), counts in proptest::array::uniform6(0..1_000_u64), size in 1..40_usize) {
        let [input, cache_read, cache_w5m, cache_w1h, output, web_search] = counts;
        let tokens = Tokens { input, cache_read, cache_w5m, cache_w1h, output, reasoning: output / 2, web_search };
        let usage = Usage::of(vec![UsagePart { model: None, tokens }]);
        let (mut stream, mut read) = (decode::Stream::new(), Vec::new());
        written(&events, &usage).chunks(size).for_each(|chunk| stream.feed(chunk, &mut read));
        prop_assert_eq!(read.pop(), Some(Event::Done));
        let mut counted = None;
        read.retain(|event| match event {
            Event::Usage(usage) => {
                counted = Some(usage.tokens);
                false
            }
            Event::Start { .. } => false,
            _ => true,
        });
        prop_assert_eq!((read, counted), (events, Some(tokens)));
    }

    #[test]
    fn no_bytes_break_the_reading_side(bytes in vec(any::<u8>(), 0..300)) {
        let mut stream = decode::Stream::new();
        stream.feed(&bytes, &mut Vec::new());
        stream.end(&mut Vec::new());
        let _ = decode::request(&bytes, Outside { model: "m", stream: false }, &mut Losses::new(true));
        let _ = decode::answer(&bytes);
    }
}
