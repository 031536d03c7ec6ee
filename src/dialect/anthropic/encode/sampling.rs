//! Sampling parameters, as far as the model takes them.

use serde::Serialize;
use serde_json::Number;

use super::model::Model;
use crate::dialect::form::{Losses, Sampling};

/// Beside thinking the vendor takes no nucleus below this.
const LEAST_THINKING_TOP_P: f64 = 0.95;

/// The fields of a request.
#[derive(Default, Serialize)]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Number>,
}

/// What the model takes of the sampling parameters; everything else is counted as lost.
pub(super) fn fields(sampling: &Sampling, model: Model, thinking: bool, losses: &mut Losses) -> Fields {
    for (word, given) in [
        ("seed", sampling.seed.is_some()),
        ("presence_penalty", sampling.presence_penalty.as_ref().is_some_and(|number| number.as_f64() != Some(0.0))),
        ("frequency_penalty", sampling.frequency_penalty.as_ref().is_some_and(|number| number.as_f64() != Some(0.0))),
        ("logit_bias", sampling.logit_bias.as_ref().is_some_and(|bias| !bias.is_empty())),
    ] {
        if given {
            losses.drop(word);
        }
    }
    let mut keep = |word: &'static str, number: Option<Number>, takes: &dyn Fn(f64) -> bool| {
        let kept = number.clone().filter(|number| model.samples && takes(number.as_f64().unwrap_or_default()));
        if kept.is_none() && number.is_some() {
            losses.drop(word);
        }
        kept
    };
    let temperature = keep("temperature", sampling.temperature.clone(), &|t| !thinking || t >= 1.0);
    let one = temperature.is_some() && !model.both_samplers;
    Fields {
        top_p: keep("top_p", sampling.top_p.clone(), &|p| !one && (!thinking || p >= LEAST_THINKING_TOP_P)),
        top_k: keep("top_k", sampling.top_k.clone(), &|_| !thinking),
        temperature: temperature.map(|temperature| clamp(temperature, losses)),
    }
}

/// This dialect's temperatures end at 1.
fn clamp(temperature: Number, losses: &mut Losses) -> Number {
    let bound = match temperature.as_f64() {
        Some(t) if t > 1.0 => 1_u8,
        Some(t) if t < 0.0 => 0,
        _ => return temperature,
    };
    losses.drop("temperature");
    Number::from(bound)
}
