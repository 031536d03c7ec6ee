//! Every recorded answer of every vendor, through the relay in chunks of 1, 7 and 997 bytes and whole: the same bytes for
//! the client, the vendor's own usage in the row.

mod lane;
mod translated;

use actors::domain::account::AccountKind;
use actors::domain::usage::{RequestStatus, Tokens};
use serde_json::Value;

use crate::recorded::{Family, Recorded, recorded, tokens};
use crate::support::speech::Form;
use lane::{Lane, Relayed, own_form, wrapped};

/// Chunk sizes; `None` = the whole body at once, with its length.
const SIZES: [Option<usize>; 4] = [Some(1), Some(7), Some(997), None];

/// Anthropic answers that bill more than the SDK's last usage object says – several messages in one stream, or several
/// models at work for one – added up by hand: id, input, output.
const SEVERAL_PARTS: [(&str, u64, u64); 5] = [
    ("a691516b95bed58a", 1630 + 1040, 158 + 41),
    ("887c82718e60609d", 879 + 1398 + 1639, 177 + 213 + 95),
    ("895bef2757b7ce98", 408 + 412, 264),
    ("a509a7745d3caf21", 1128 + 2543 + 1283, 135 + 18 + 10),
    ("9d1ce0b3dcd7fe89", 1128 + 2518 + 1262, 110 + 22 + 11),
];

/// Answers that no SDK decodes although a client may use them, read by hand.
fn undecoded(id: &str) -> Option<Tokens> {
    let counted = |input, output| Tokens { input, output, ..Tokens::default() };
    match id {
        // A `[DONE]` of another dialect behind the end.
        "f95fa102eb9124f9" => Some(counted(32, 16)),
        // An error event behind the content.
        "baafd4cb5cec28b1" => Some(Tokens { reasoning: 10, ..counted(43, 10) }),
        // Claude by Bedrock's invoke; the corpus decodes Converse only.
        "fde28f03bfc50588" => Some(Tokens { cache_read: 9511, cache_w5m: 1956, ..counted(3, 44) }),
        _ => None,
    }
}

/// What becomes of a recorded answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The client gets it and it is counted.
    Served,
    /// The client gets it and it is counted; an error inside of it makes it no success.
    Failed,
    /// The client gets it: the mistake is its own.
    Told,
    /// The client gets an error of ours with this status and condition (`relay-api.md` §3).
    Hidden(u16, &'static str),
    /// The vendor is not asked; status and condition as above.
    Refused(u16, &'static str),
}

/// Answers whose status does not tell what becomes of them.
const EXCEPTIONS: [(&str, Fate); 6] = [
    // An error event behind the content: the client's limit is reached.
    ("baafd4cb5cec28b1", Fate::Failed),
    // 400, but about our credential.
    ("05d1e62ee285bacd", Fate::Hidden(502, "upstream_error")),
    ("d3e5d9dc38ff20bb", Fate::Hidden(502, "upstream_error")),
    // Titan's embeddings: invoke is served for Claude's models only.
    ("7e4ad9e765a29b67", Fate::Refused(400, "translation_unsupported")),
    ("d7aa99286fdc1f43", Fate::Refused(400, "translation_unsupported")),
    ("d847de4a67f9dc8b", Fate::Refused(400, "translation_unsupported")),
];

impl Fate {
    fn of(recorded: &Recorded) -> Self {
        if let Some((_, fate)) = EXCEPTIONS.iter().find(|(id, _)| *id == recorded.id) {
            return *fate;
        }
        match recorded.status {
            200 => Self::Served,
            401..=403 | 500.. => Self::Hidden(502, "upstream_error"),
            _ => Self::Told,
        }
    }
}

/// What the vendor says that it used.
fn usage(recorded: &Recorded) -> Tokens {
    if recorded.family == Family::Embeddings {
        let body: Value = serde_json::from_slice(&recorded.body).unwrap();
        return tokens(recorded.family, &body["usage"]);
    }
    let Some(expected) = &recorded.expected else { return undecoded(&recorded.id).unwrap() };
    let counted = tokens(recorded.family, &expected.usage);
    let several = SEVERAL_PARTS.iter().find(|(id, ..)| *id == recorded.id);
    several.map_or(counted, |(_, input, output)| Tokens { input: *input, output: *output, ..counted })
}

impl Relayed<'_> {
    /// The bytes that the client should get.
    fn original(&self) -> Vec<u8> {
        if self.form == Form::CodeAssist { wrapped(self.recorded) } else { self.recorded.body.clone() }
    }

    fn is_unchanged(&self) {
        assert!(self.answer.complete && self.answer.body == self.original(), "{}: {}", self.what, self.answer.text());
        assert_eq!(self.answer.status, self.recorded.status, "{}", self.what);
    }

    fn has_its_kind(&self) {
        let kind = self.answer.header("content-type").unwrap();
        let stream =
            if self.form == Form::Converse { "application/vnd.amazon.eventstream" } else { "text/event-stream" };
        assert!(
            kind.starts_with(if self.recorded.stream { stream } else { "application/json" }),
            "{}: {kind}",
            self.what
        );
    }

    fn is_ours(&self, status: u16, condition: &str) {
        let (answer, what) = (&self.answer, &self.what);
        assert_eq!((answer.status, answer.header("x-quotalane-error")), (status, Some(condition)), "{what}");
        let (message, _) = self.form.read_error(&answer.json());
        assert!(!self.recorded.body_text().contains(&message), "{what}: {message}");
    }

    /// The row says what the vendor said, or that it is an estimate.
    async fn is_counted(&self, lane: &Lane, status: RequestStatus) {
        let what = &self.what;
        let (row, attempts) = lane.app.row(&self.answer).await;
        assert_eq!((row.status, attempts.len()), (status, 1), "{what}");
        let counted = attempts[0].usage.as_ref().unwrap_or_else(|| panic!("{what}: no usage"));
        let expected = usage(self.recorded);
        let found = Tokens { web_search: 0, ..counted.tokens };
        // Where the vendor says nothing the row must not pretend.
        assert_eq!(if counted.estimated { Tokens::default() } else { found }, expected, "{what}");
    }

    async fn check(&self, lane: &Lane) {
        match Fate::of(self.recorded) {
            fate @ (Fate::Served | Fate::Failed) => {
                self.is_unchanged();
                self.has_its_kind();
                let failed = fate == Fate::Failed;
                self.is_counted(lane, if failed { RequestStatus::Truncated } else { RequestStatus::Ok }).await;
            }
            Fate::Told => {
                self.is_unchanged();
                self.is_free(lane).await;
            }
            Fate::Hidden(status, condition) => {
                self.is_ours(status, condition);
                self.is_free(lane).await;
            }
            Fate::Refused(status, condition) => self.is_ours(status, condition),
        }
    }

    async fn is_free(&self, lane: &Lane) {
        let (row, attempts) = lane.app.row(&self.answer).await;
        assert_eq!((row.cost.charge.0, row.status, attempts.len()), (0, RequestStatus::Error, 1), "{}", self.what);
    }
}

/// All answers of a vendor from an account of this kind, to clients of this form or of the vendor's own.
async fn every(family: Family, kind: AccountKind, form: Option<Form>) {
    let (lane, answers) = (Lane::open(kind).await, recorded(family));
    let mut relayed = Vec::new();
    for answer in &answers {
        relayed.extend(lane.relay(answer, form.unwrap_or_else(|| own_form(answer)), &SIZES).await);
    }
    for one in &relayed {
        one.check(&lane).await;
    }
    lane.close().await;
}

#[actix_rt::test]
async fn every_answer_of_anthropic_goes_through_and_is_counted_as_the_vendor_did() {
    every(Family::Anthropic, AccountKind::ClaudeConsole, None).await;
}

#[actix_rt::test]
async fn every_chat_completion_does() {
    every(Family::Chat, AccountKind::OpenAi, None).await;
}

#[actix_rt::test]
async fn every_response_does() {
    every(Family::Responses, AccountKind::OpenAiResponses, None).await;
}

#[actix_rt::test]
async fn every_embedding_does() {
    every(Family::Embeddings, AccountKind::OpenAi, None).await;
}

#[actix_rt::test]
async fn every_answer_of_gemini_does() {
    every(Family::Gemini, AccountKind::GeminiApi, None).await;
}

/// Code Assist sends the same answers in an envelope.
#[actix_rt::test]
async fn every_answer_of_gemini_does_when_it_came_in_an_envelope() {
    every(Family::Gemini, AccountKind::Gemini, None).await;
}

#[actix_rt::test]
async fn every_answer_of_gemini_does_in_its_envelope() {
    every(Family::Gemini, AccountKind::Gemini, Some(Form::CodeAssist)).await;
}

#[actix_rt::test]
async fn every_answer_of_bedrock_does() {
    every(Family::Bedrock, AccountKind::Bedrock, None).await;
}
