//! The seam at which an experiment ranks accounts by something else than headroom (`docs/experiments`). Filter, tiers,
//! stickiness, queue and ties stay what they are, so that a comparison shows the ranking alone. Never in the product.

use crate::account::view::AccountView;

/// Gives an account its merit, the greatest wins. It sees the account's last view and how many reservations that view does
/// not show yet.
pub struct Rival(pub Box<dyn Fn(&AccountView, u32) -> i64>);

impl std::fmt::Debug for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rival")
    }
}
