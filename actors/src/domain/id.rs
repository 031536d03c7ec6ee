//! Identifiers. Row ids are positive `i64`; request, lease and decision ids are ULIDs, so they sort by time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

row_id! {
    /// An upstream credential that we own.
    AccountId;
    /// An API key that we issue.
    KeyId;
    /// A person or tenant who owns keys.
    UserId;
    /// A set of accounts. Group 0 is virtual: the accounts without a group.
    GroupId;
    /// An outbound (egress) proxy.
    ProxyId;
    /// An immutable row of the price book.
    PriceVersionId;
    /// Spendable value of a user: the wallet, a plan's quota, a gift.
    BucketId;
    /// A plan that can be subscribed to.
    PlanId;
    /// An immutable version of a plan's terms.
    PlanVersionId;
    /// A user's subscription to a plan.
    SubscriptionId;
    /// Something that is to be paid.
    OrderId;
}

/// Says that a text is not an id of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct ParseIdError;

/// One client request: `req_<26-character ULID>` outside, 128 bits inside. Also the id of its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", ulid::Ulid(self.0))
    }
}

impl FromStr for RequestId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ulid = text.strip_prefix("req_").ok_or(ParseIdError)?;
        ulid::Ulid::from_string(ulid).map(|u| Self(u.0)).map_err(|_| ParseIdError)
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One upstream call of a request: `<request_id>.<n>`, n from 1. Unique for ever; usage is deduplicated by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The request that this attempt serves.
    pub request: RequestId,
    /// 1 for the first upstream call of the request.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.request, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (request, number) = text.rsplit_once('.').ok_or(ParseIdError)?;
        Ok(Self { request: request.parse()?, number: number.parse().map_err(|_| ParseIdError)? })
    }
}

impl Serialize for AttemptId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AttemptId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! ulid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                ulid::Ulid(self.0).fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                ulid::Ulid::from_string(text).map(|u| Self(u.0)).map_err(|_| ParseIdError)
            }
        }
    )*};
}

ulid_id! {
    /// A granted slot of an account.
    LeaseId;
    /// One choice of the scheduler, kept to explain it.
    DecisionId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_a_round_trip_through_text() {
        let attempt = AttemptId { request: RequestId(0x0193_7d2c_0000_0000_0000_0000_0000_002a), number: 3 };
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
        assert!(attempt.to_string().starts_with("req_01"));
        assert_eq!("req_nonsense.1".parse::<AttemptId>(), Err(ParseIdError));
        assert_eq!("01J.1".parse::<AttemptId>(), Err(ParseIdError));
    }
}
