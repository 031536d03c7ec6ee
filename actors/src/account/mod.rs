//! One actor per upstream account.
pub mod messages;
pub mod view;
