//! Groups of accounts: their rank, and the models that a group keeps on some of its accounts (`scheduling.md` §9).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{AccountSpec, Platform};
use super::id::{AccountId, GroupId};
use super::model::Pattern;

/// Models that a group keeps on some of its accounts. Of several routes the first that covers the model counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRoute {
    /// Requested models, `*` for any part.
    pub pattern: Pattern,
    /// The only accounts that serve them in this group.
    #[schema(value_type = Vec<i64>)]
    pub account_ids: Vec<AccountId>,
}

/// Membership of an account in a group, with what the group says about its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// The group's priority; higher is preferred.
    pub priority: i32,
    /// The only platform that the group is for; absent = any.
    pub platform: Option<Platform>,
    /// The group's routes.
    pub routes: Arc<[ModelRoute]>,
}

impl Membership {
    /// Membership in a group for everything.
    pub fn plain(group: GroupId, priority: i32) -> Self {
        Self { group, priority, platform: None, routes: Arc::from([]) }
    }

    /// True when the account serves this requested model as a member of the group.
    pub fn admits(&self, account: &AccountSpec, model: &str) -> bool {
        self.platform.is_none_or(|platform| platform == account.kind.platform())
            && self
                .routes
                .iter()
                .find(|route| route.pattern.matches(model))
                .is_none_or(|route| route.account_ids.contains(&account.id))
    }
}
