//! The operator's error rules of an account, tried before the built-in classification.

use actors::domain::account::{AccountSpec, ErrorRule};
use actors::domain::time::MINUTE;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use crate::upstream::AnswerHead;

/// The judgement of the first rule that matches; a rule with an unknown class or scope never matches.
pub(super) fn judge(status: u16, text: &[u8], answer: &AnswerHead<'_>, account: &AccountSpec) -> Option<Judgement> {
    if account.error_rules.is_empty() || status < 400 {
        return None;
    }
    let text = String::from_utf8_lossy(text).to_lowercase();
    account.error_rules.iter().filter(|rule| matches(rule, status, &text)).find_map(|rule| judgement(rule, answer))
}

fn matches(rule: &ErrorRule, status: u16, text: &str) -> bool {
    rule.status.is_none_or(|wanted| wanted == status)
        && (rule.keywords.is_empty() || rule.keywords.iter().any(|word| text.contains(&word.to_lowercase())))
}

fn judgement(rule: &ErrorRule, answer: &AnswerHead<'_>) -> Option<Judgement> {
    let scope = match rule.scope.as_deref() {
        None | Some("all") => Scope::All,
        Some("family") => Scope::Family(answer.family.clone()),
        Some("model") => Scope::Model(answer.model.into()),
        Some(_) => return None,
    };
    let rest_ms = rule.minutes.map(|minutes| i64::from(minutes) * MINUTE);
    Some(Judgement {
        scope,
        until: rest_ms.map(|ms| answer.now.plus(ms)),
        retry_after_ms: rest_ms,
        ..Judgement::of(Verdict::parse(&rule.class)?)
    })
}
