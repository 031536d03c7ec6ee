//! The seam at which an experiment ranks accounts by something else than headroom (`docs/experiments`). Filter, tiers,
//! stickiness, queue and ties stay what they are, so that a comparison shows the ranking alone. Never in the product.

use crate::account::view::AccountView;

/// An account's merit, by its last view and how many reservations that view does not show yet. The greatest wins.
pub type Merit = dyn Fn(&AccountView, u32) -> i64;

/// Ranks accounts.
pub struct Rival(pub Box<Merit>);

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rival")
    }
}
