//! What every kind that speaks to Google's API shares: header policy, the model inside of bodies, classification.

pub(super) mod classify;
mod delay;
pub(super) mod headers;
pub(super) mod members;
mod refusal;

#[cfg(test)]
mod tests;
