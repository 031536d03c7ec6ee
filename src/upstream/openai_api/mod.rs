//! What every kind that speaks to OpenAI's API shares.
