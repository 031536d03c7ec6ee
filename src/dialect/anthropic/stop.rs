//! Why a model stopped, in Anthropic's words (`relay-api.md` §9.2).

use crate::dialect::form::StopReason;

/// The reason behind a `stop_reason`. `pause_turn` has no counterpart and counts as something else.
pub(super) fn parse(word: &str) -> StopReason {
    match word {
        "end_turn" => StopReason::End,
        "stop_sequence" => StopReason::StopSequence,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "tool_use" => StopReason::ToolUse,
        "refusal" => StopReason::Refusal,
        _ => StopReason::Other,
    }
}

/// The `stop_reason` of a reason.
pub(super) const fn word(stop: StopReason) -> &'static str {
    match stop {
        StopReason::End | StopReason::Other => "end_turn",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_but_other_comes_back() {
        use StopReason as S;
        for stop in [S::End, S::StopSequence, S::Length, S::ToolUse, S::Refusal] {
            assert_eq!(parse(word(stop)), stop);
        }
        assert_eq!(parse("model_context_window_exceeded"), S::Length);
        assert_eq!(parse("pause_turn"), S::Other);
        assert_eq!(word(S::Other), "end_turn");
    }
}
