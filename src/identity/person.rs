//! A person as an outside directory or provider describes one.

use crate::store::users::Role;

/// A person that somebody else vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// User name there.
    pub username: String,
    /// Shown name.
    pub display_name: String,
    /// E-mail address, if it is known to be the person's.
    pub email: Option<String>,
    /// The role of the person's groups, or that of everybody.
    pub role: Role,
    /// The role comes from groups and replaces the one stored; otherwise it is only what a newcomer starts with.
    pub role_is_mapped: bool,
}
