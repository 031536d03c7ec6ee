//! How much the model may think (`relay-api.md` §9.1). Gemini 3 takes a level, Gemini 2.5 a budget with bounds by model,
//! older models neither.

use serde::Serialize;

use crate::dialect::form::{Effort, ReasoningControl, Request};

/// `thinkingConfig`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
}

/// The most that stands for the level LOW.
const LOW: u64 = 4_096;

/// What a model understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    Level,
    /// Least and most tokens; the least is 0 where thinking can be switched off.
    Budget(u64, u64),
    None,
}

/// The configuration for a request; `None` when it says nothing about thinking, or its model cannot think.
pub(super) fn config(request: &Request) -> Option<ThinkingConfig> {
    let control = request.reasoning.as_ref()?;
    let mut config = match control_of(&request.model) {
        Control::Level => ThinkingConfig { thinking_level: level(control), ..ThinkingConfig::default() },
        Control::Budget(least, most) => {
            let budget = budget(control, request.max_output).map(|budget| bounded(budget, least, most));
            ThinkingConfig { thinking_budget: budget, ..ThinkingConfig::default() }
        }
        Control::None => return None,
    };
    config.include_thoughts = control.show;
    (config != ThinkingConfig::default()).then_some(config)
}

/// True for models that want the signature of every tool call back: Gemini 3 and later.
pub(super) fn wants_signatures(model: &str) -> bool {
    control_of(model) == Control::Level
}

/// Bounds as the vendor documents them. Names without a version are aliases of models that still understand budgets.
fn control_of(model: &str) -> Control {
    let Some((_, version)) = model.split_once("gemini-") else { return Control::None };
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(3..) => Control::Level,
        Ok(2) if version.starts_with("2.5-pro") => Control::Budget(128, 32_768),
        Ok(2) if version.starts_with("2.5") => Control::Budget(0, 24_576),
        Ok(_) => Control::None,
        Err(_) => Control::Budget(0, 24_576),
    }
}

/// Without thinking there is the lowest level only; a model that may decide is not told any.
fn level(control: &ReasoningControl) -> Option<&'static str> {
    let wanted = control.effort.map(Effort::budget).or(control.budget).or(control.disabled.then_some(0))?;
    Some(if wanted <= LOW { "LOW" } else { "HIGH" })
}

/// The tokens to think; −1 = as the model likes. Thoughts are part of the output, so some of it must be left.
fn budget(control: &ReasoningControl, max_output: Option<u64>) -> Option<i64> {
    if control.disabled {
        return Some(0);
    }
    let Some(wanted) = control.budget.or(control.effort.map(Effort::budget)) else {
        return control.adaptive.then_some(-1);
    };
    let left = max_output.map_or(u64::MAX, |most| most.saturating_sub(1));
    Some(i64::try_from(wanted.min(left)).unwrap_or(i64::MAX))
}

fn bounded(budget: i64, least: u64, most: u64) -> i64 {
    u64::try_from(budget).map_or(budget, |tokens| i64::try_from(tokens.clamp(least, most)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(model: &str, max_output: Option<u64>, reasoning: ReasoningControl) -> (Option<i64>, Option<&'static str>) {
        let request = Request { model: model.to_owned(), max_output, reasoning: Some(reasoning), ..Request::default() };
        config(&request).map_or((None, None), |config| (config.thinking_budget, config.thinking_level))
    }

    fn effort(effort: Effort) -> ReasoningControl {
        ReasoningControl { effort: Some(effort), ..ReasoningControl::default() }
    }

    fn tokens(budget: u64) -> ReasoningControl {
        ReasoningControl { budget: Some(budget), ..ReasoningControl::default() }
    }

    const OFF: ReasoningControl =
        ReasoningControl { effort: None, budget: None, adaptive: false, disabled: true, show: None };
    const FREE: ReasoningControl =
        ReasoningControl { effort: None, budget: None, adaptive: true, disabled: false, show: None };

    #[test]
    fn budgets_for_gemini_2_5() {
        assert_eq!(of("gemini-2.5-pro", None, effort(Effort::Medium)), (Some(8_192), None));
        assert_eq!(of("gemini-2.5-pro", Some(5_000), effort(Effort::High)), (Some(4_999), None));
        assert_eq!(of("gemini-2.5-pro", None, OFF), (Some(128), None));
        assert_eq!(of("gemini-2.5-flash", None, OFF), (Some(0), None));
        assert_eq!(of("gemini-2.5-flash", None, effort(Effort::Max)), (Some(24_576), None));
        assert_eq!(of("gemini-2.5-flash", None, FREE), (Some(-1), None));
        assert_eq!(of("gemini-flash-latest", None, tokens(100)), (Some(100), None));
        assert_eq!(of("gemini-2.5-flash", None, ReasoningControl::default()), (None, None));
    }

    #[test]
    fn levels_from_gemini_3_on_and_nothing_for_others() {
        assert_eq!(of("gemini-3-pro-preview", None, tokens(4_096)), (None, Some("LOW")));
        assert_eq!(of("gemini-3.8-flash", None, tokens(4_097)), (None, Some("HIGH")));
        assert_eq!(of("models/gemini-3-flash", None, effort(Effort::Minimal)), (None, Some("LOW")));
        assert_eq!(of("gemini-3-flash", None, OFF), (None, Some("LOW")));
        assert_eq!(of("gemini-10", None, FREE), (None, None));
        for model in ["gemini-2.0-flash", "gemini-1.5-pro", "gemma-3"] {
            assert_eq!(of(model, None, effort(Effort::High)), (None, None), "{model}");
        }
    }

    #[test]
    fn showing_thoughts_is_asked_for_by_itself() {
        let show = ReasoningControl { show: Some(true), ..ReasoningControl::default() };
        let request = Request { model: "gemini-3-pro".into(), reasoning: Some(show), ..Request::default() };
        let json = serde_json::to_string(&config(&request).unwrap()).unwrap();
        assert_eq!(json, r#"{"includeThoughts":true}"#);
        assert!(wants_signatures("gemini-3-pro") && !wants_signatures("gemini-2.5-pro"));
    }
}
