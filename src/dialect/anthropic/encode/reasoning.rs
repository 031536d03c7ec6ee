//! How much the model may think, in this dialect's ways: a budget, or adaptive with an effort (`relay-api.md` §9.1).

use serde::Serialize;

use super::model::Model;
use crate::dialect::form::{Effort, Losses, Part, ReasoningControl, Request, Role, ToolChoice, Turn};

/// Output tokens when the source sets no cap. Thinking counts as output, so its share comes on top.
const DEFAULT_OUTPUT: u64 = 4_096;

/// Most output tokens that every model with thinking allows.
const LEAST_LIMIT: u64 = 32_000;

/// The vendor's least budget.
const LEAST_BUDGET: u64 = 1_024;

/// The `thinking` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
}

/// What a request says about thinking and the length of the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// The model will think.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. }))
    }

    fn without(max_output: Option<u64>) -> Self {
        Self { max_tokens: max_output.unwrap_or(DEFAULT_OUTPUT), ..Self::default() }
    }
}

/// Decides on thinking and the cap of the output.
pub(super) fn plan(request: &Request, model: Model, losses: &mut Losses) -> Plan {
    let plain = Plan::without(request.max_output);
    let Some(control) = request.reasoning.as_ref().filter(|control| **control != ReasoningControl::default()) else {
        return plain;
    };
    let off = control.disabled || control.effort == Some(Effort::None) || control.budget == Some(0);
    if off {
        return switched_off(plain, model, losses);
    }
    if !model.thinks {
        losses.drop("reasoning_control");
        return plain;
    }
    if model.adaptive {
        return adaptive(request, control, model, losses);
    }
    if forces_tool(request) || continues_tool_loop(request) {
        losses.drop("reasoning_control");
        return plain;
    }
    budget(request, control, losses)
}

fn switched_off(plain: Plan, model: Model, losses: &mut Losses) -> Plan {
    if model.always_thinks {
        losses.drop("reasoning_control");
        return plain;
    }
    Plan { thinking: model.thinks.then_some(Thinking::Disabled), ..plain }
}

fn adaptive(request: &Request, control: &ReasoningControl, model: Model, losses: &mut Losses) -> Plan {
    let effort = control.effort.or_else(|| control.budget.map(Effort::of_budget));
    // The vendor takes no adaptive thinking beside a forced tool, but the effort still counts.
    let forced = forces_tool(request);
    if forced {
        losses.drop("reasoning_control");
    }
    let share = effort.unwrap_or(Effort::High).budget();
    Plan {
        max_tokens: request.max_output.unwrap_or_else(|| (DEFAULT_OUTPUT + share).min(LEAST_LIMIT)),
        thinking: (!forced).then_some(Thinking::Adaptive { display: display(control) }),
        effort: effort.map(|effort| effort_word(effort, model)),
    }
}

fn budget(request: &Request, control: &ReasoningControl, losses: &mut Losses) -> Plan {
    let wanted = control.budget.or_else(|| control.effort.map(Effort::budget));
    let wanted = wanted.unwrap_or(Effort::Medium.budget()).max(LEAST_BUDGET);
    let most = request.max_output.map_or(LEAST_LIMIT - DEFAULT_OUTPUT, |cap| cap.saturating_sub(1));
    let budget_tokens = wanted.min(most);
    if budget_tokens < LEAST_BUDGET {
        losses.drop("reasoning_control");
        return Plan::without(request.max_output);
    }
    Plan {
        max_tokens: request.max_output.unwrap_or(DEFAULT_OUTPUT + budget_tokens),
        thinking: Some(Thinking::Enabled { budget_tokens, display: display(control) }),
        effort: None,
    }
}

fn display(control: &ReasoningControl) -> Option<&'static str> {
    control.show.map(|show| if show { "summarized" } else { "omitted" })
}

fn effort_word(effort: Effort, model: Model) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => Effort::Low.as_str(),
        Effort::XHigh if !model.xhigh => Effort::High.as_str(),
        known => known.as_str(),
    }
}

/// The vendor refuses thinking when a tool must be called.
fn forces_tool(request: &Request) -> bool {
    !request.tools.is_empty() && matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}

/// With a budget, the last message of the model must begin with its thinking when it calls tools or is to be continued;
/// what the history holds of it came from another vendor's client and is not sent.
fn continues_tool_loop(request: &Request) -> bool {
    let mut spoken = request.turns.iter().rev().filter(|turn| is_sent(turn)).peekable();
    if spoken.peek().is_some_and(|turn| turn.role == Role::Assistant) {
        return true;
    }
    // Consecutive turns of the model become one message.
    let last_message = spoken.skip_while(|turn| turn.role != Role::Assistant);
    let mut parts = last_message.take_while(|turn| turn.role == Role::Assistant).flat_map(|turn| &turn.parts);
    parts.any(|part| matches!(part, Part::ToolCall(_)))
}

/// A turn of nothing but blank text and foreign reasoning is left out.
fn is_sent(turn: &Turn) -> bool {
    turn.parts.iter().any(|part| match part {
        Part::Text { text, .. } | Part::Refusal(text) => !text.trim().is_empty(),
        Part::Reasoning(_) => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::form::{Reasoning, Tool, ToolCall};

    fn planned(model: &str, max_output: Option<u64>, control: ReasoningControl) -> (Plan, Vec<&'static str>) {
        let request = Request { max_output, reasoning: Some(control), ..Request::default() };
        let mut losses = Losses::new(false);
        (plan(&request, Model::of(model), &mut losses), losses.dropped().to_vec())
    }

    fn effort(effort: Effort) -> ReasoningControl {
        ReasoningControl { effort: Some(effort), ..ReasoningControl::default() }
    }

    fn tokens(budget: u64) -> ReasoningControl {
        ReasoningControl { budget: Some(budget), ..ReasoningControl::default() }
    }

    const OLD: &str = "claude-sonnet-4-5";
    const NEW: &str = "claude-opus-4-8";

    #[test]
    fn older_models_get_a_budget_below_the_cap() {
        for (control, cap, budget_tokens, max_tokens) in [
            (effort(Effort::Low), Some(8_000), Some(2_048), 8_000),
            (effort(Effort::Medium), Some(64_000), Some(8_192), 64_000),
            (effort(Effort::High), Some(8_000), Some(7_999), 8_000),
            (effort(Effort::Max), None, Some(27_904), 32_000),
            (effort(Effort::Low), None, Some(2_048), 6_144),
            (tokens(512), Some(4_000), Some(1_024), 4_000),
            (tokens(512), Some(1_000), None, 1_000),
            (ReasoningControl { adaptive: true, ..ReasoningControl::default() }, Some(64_000), Some(8_192), 64_000),
        ] {
            let (plan, lost) = planned(OLD, cap, control.clone());
            let expected = budget_tokens.map(|budget_tokens| Thinking::Enabled { budget_tokens, display: None });
            assert_eq!((plan.thinking, plan.max_tokens, plan.effort), (expected, max_tokens, None), "{control:?}");
            assert_eq!(lost.is_empty(), budget_tokens.is_some());
        }
    }

    #[test]
    fn newer_models_get_an_effort() {
        for (control, word) in [
            (effort(Effort::Minimal), Some("low")),
            (effort(Effort::XHigh), Some("xhigh")),
            (tokens(9_000), Some("high")),
            (ReasoningControl { adaptive: true, ..ReasoningControl::default() }, None),
        ] {
            let (plan, lost) = planned(NEW, Some(100), control);
            assert_eq!((plan.thinking, plan.effort), (Some(Thinking::Adaptive { display: None }), word));
            assert_eq!((plan.max_tokens, lost.len()), (100, 0));
        }
        assert_eq!(planned("claude-opus-4-6", None, effort(Effort::XHigh)).0.effort, Some("high"));
        assert_eq!(planned(NEW, None, effort(Effort::Medium)).0.max_tokens, 4_096 + 8_192);
    }

    #[test]
    fn switching_off_is_said_where_it_can_be() {
        for control in [effort(Effort::None), tokens(0)] {
            assert_eq!(planned(OLD, None, control.clone()).0.thinking, Some(Thinking::Disabled));
            assert_eq!(planned("claude-3-5-haiku-20241022", None, control.clone()), (Plan::without(None), vec![]));
            assert_eq!(planned("claude-fable-5", None, control), (Plan::without(None), vec!["reasoning_control"]));
        }
    }

    #[test]
    fn a_forced_tool_and_an_unfinished_loop_switch_thinking_off() {
        let tool = Tool { name: "t".to_owned(), description: None, schema: None, strict: None, cache: None };
        let mut request = Request {
            reasoning: Some(effort(Effort::High)),
            tools: vec![tool],
            tool_choice: Some(ToolChoice::Required),
            ..Request::default()
        };
        let thinks = |request: &Request, model| plan(request, Model::of(model), &mut Losses::new(false)).thinks();
        assert!(!thinks(&request, OLD) && !thinks(&request, NEW));
        assert_eq!(plan(&request, Model::of(NEW), &mut Losses::new(false)).effort, Some("high"));
        request.tool_choice = None;
        assert!(thinks(&request, OLD) && thinks(&request, NEW));
        let call = ToolCall { id: "a".to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        request.turns = vec![Turn { role: Role::Assistant, parts: vec![Part::ToolCall(call)] }];
        assert!(!thinks(&request, OLD) && thinks(&request, NEW));
        let thought = Part::Reasoning(Reasoning::default());
        request.turns.push(Turn { role: Role::User, parts: vec![Part::text("a")] });
        request.turns.push(Turn { role: Role::Assistant, parts: vec![thought] });
        assert!(!thinks(&request, OLD), "the last message is not sent");
    }
}
