//! Reading what vendors report about themselves: odd values must not make the rest unreadable.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

/// A value that counts only when it has the expected form; `null` and anything else reads as absent.
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}
