//! What every kind that speaks to Anthropic's API shares.
