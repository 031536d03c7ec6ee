//! What every kind that speaks to Google's API shares.
