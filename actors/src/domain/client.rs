//! What kinds of client a key may be restricted to, and the families of routes that they use (`access.md` §7.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::{AccountKind, KindSet};

/// A family of relay routes. Base paths and spellings do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteFamily {
    /// Anthropic messages.
    Messages,
    /// Bedrock's runtime.
    Bedrock,
    /// Chat Completions.
    Chat,
    /// Responses, stored ones and compaction included.
    Responses,
    /// Gemini's verbs.
    Gemini,
    /// Gemini Code Assist.
    CodeAssist,
    /// Everything under `/droid`.
    Droid,
    /// OpenAI embeddings.
    Embeddings,
    /// Legacy completions.
    Completions,
    /// Images.
    Images,
    /// Audio.
    Audio,
}

/// The accounts of the Droid routes.
pub const DROID: KindSet = KindSet::of(&[AccountKind::Droid]);

/// How a client of some kind is recognised. All of it can be forged: a hint, no security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientType {
    /// Word by which keys name it.
    pub id: String,
    /// Shown name.
    pub name: String,
    /// Pattern that its user agent matches, at most 200 characters.
    pub ua_regex: String,
    /// Headers that it sends; a text that the value must contain, or empty for any value.
    #[serde(default)]
    pub required_headers: BTreeMap<String, String>,
    /// Families of routes that it may use; empty = every one.
    #[serde(default)]
    pub route_families: Vec<RouteFamily>,
}
