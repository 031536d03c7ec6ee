//! Values in management JSON: money as decimal text, times as RFC 3339 (`admin-api.md` §1, `billing.md` §1).

use std::borrow::Cow;

use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// USD as `{"amount":"0.025707","currency":"USD"}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money(pub Nanos);

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Money)]
struct Written<'a> {
    /// Decimal text with at most nine fraction digits.
    #[schema(example = "0.025707")]
    amount: Cow<'a, str>,
    /// Always `USD`.
    #[serde(default = "usd")]
    #[schema(example = "USD")]
    currency: Cow<'a, str>,
}

fn usd() -> Cow<'static, str> {
    Cow::Borrowed("USD")
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { amount: Cow::Owned(self.0.to_string()), currency: usd() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        if written.currency != "USD" {
            return Err(Error::custom("currency must be USD"));
        }
        written.amount.parse().map(Self).map_err(|e| Error::custom(format!("amount: {e}")))
    }
}

impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        Written::schema()
    }
}

impl utoipa::ToSchema for Money {}

/// A moment as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|()| Error::custom("not a time in RFC 3339"))
    }
}

impl std::str::FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let time = chrono::DateTime::parse_from_rfc3339(text).map_err(drop)?;
        Ok(Self(Timestamp(time.timestamp_millis())))
    }
}

impl utoipa::PartialSchema for Moment {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
    }
}

impl utoipa::ToSchema for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_times_have_one_form() {
        let money = Money(Nanos(25_707_000));
        let text = serde_json::to_string(&money).unwrap();
        assert_eq!(text, r#"{"amount":"0.025707","currency":"USD"}"#);
        assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), money);
        for bad in [r#"{"amount":"1e3"}"#, r#"{"amount":1}"#, r#"{"amount":"1","currency":"CNY"}"#, "1.0"] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
        let moment: Moment = serde_json::from_str(r#""2026-01-02T03:04:05+08:00""#).unwrap();
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2026-01-01T19:04:05.000Z""#);
    }
}
