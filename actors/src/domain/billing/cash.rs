//! Payment money: whole minor units of a currency, as text and as wallet credit (`billing.md` §1).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::money::Nanos;

/// One cent of USD in nanos.
pub const NANOS_PER_CENT: i64 = 10_000_000;

/// A currency that orders can be priced in.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// US dollar.
    #[default]
    Usd,
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// Renminbi.
    Cny,
    /// Hong Kong dollar.
    Hkd,
    /// Singapore dollar.
    Sgd,
    /// Australian dollar.
    Aud,
    /// Canadian dollar.
    Cad,
    /// Yen.
    Jpy,
    /// Won.
    Krw,
}

impl Currency {
    /// Every currency.
    pub const ALL: [Self; 10] =
        [Self::Usd, Self::Eur, Self::Gbp, Self::Cny, Self::Hkd, Self::Sgd, Self::Aud, Self::Cad, Self::Jpy, Self::Krw];

    /// The ISO code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Cny => "CNY",
            Self::Hkd => "HKD",
            Self::Sgd => "SGD",
            Self::Aud => "AUD",
            Self::Cad => "CAD",
            Self::Jpy => "JPY",
            Self::Krw => "KRW",
        }
    }

    /// The currency with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.as_str() == code)
    }

    /// Digits behind the point.
    pub const fn exponent(self) -> u32 {
        match self {
            Self::Jpy | Self::Krw => 0,
            _ => 2,
        }
    }
}

/// An amount of payment money in the currency's smallest unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Minor {
    /// Minor units: cents, or yen.
    pub amount: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// Why a text is not an amount of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseMinorError {
    /// Not a plain decimal number.
    #[error("not a decimal amount")]
    NotDecimal,
    /// More or fewer fraction digits than the currency has.
    #[error("not the fraction digits of the currency")]
    Exponent,
    /// Outside the range of an amount.
    #[error("amount out of range")]
    OutOfRange,
}

impl Minor {
    /// An amount.
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Reads a decimal text with exactly the currency's fraction digits; an optional leading `-`, no `+`, no exponent.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, ParseMinorError> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !fraction.is_none_or(plain) {
            return Err(ParseMinorError::NotDecimal);
        }
        let fraction = fraction.unwrap_or_default();
        if fraction.len() != currency.exponent() as usize {
            return Err(ParseMinorError::Exponent);
        }
        let sign = if negative { "-" } else { "" };
        let amount = format!("{sign}{whole}{fraction}").parse().map_err(|_| ParseMinorError::OutOfRange)?;
        Ok(Self { amount, currency })
    }

    /// The same money as wallet credit: one cent is 10 000 000 nanos. `None` for other currencies (there is no exchange) and
    /// for amounts beyond the range of credit.
    pub fn to_nanos(self) -> Option<Nanos> {
        let is_usd = self.currency == Currency::Usd;
        is_usd.then(|| self.amount.checked_mul(NANOS_PER_CENT).map(Nanos)).flatten()
    }
}

/// The decimal amount without its currency: `16.91`, `-0.05`, `1200` for yen.
impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let magnitude = self.amount.unsigned_abs();
        match self.currency.exponent() {
            0 => write!(f, "{sign}{magnitude}"),
            _ => write!(f, "{sign}{}.{:02}", magnitude / 100, magnitude % 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_exactly_the_digits_of_their_currency() {
        for (text, currency, amount) in [
            ("16.91", Currency::Usd, 1_691),
            ("-0.05", Currency::Cny, -5),
            ("1200", Currency::Jpy, 1_200),
            ("92233720368547758.07", Currency::Eur, i64::MAX),
        ] {
            let minor = Minor::parse(text, currency).unwrap();
            assert_eq!((minor.amount, minor.to_string().as_str()), (amount, text));
        }
        for (text, currency, error) in [
            ("16.9", Currency::Usd, ParseMinorError::Exponent),
            ("16", Currency::Usd, ParseMinorError::Exponent),
            ("16.910", Currency::Usd, ParseMinorError::Exponent),
            ("1.0", Currency::Krw, ParseMinorError::Exponent),
            ("1e2", Currency::Jpy, ParseMinorError::NotDecimal),
            ("+1.00", Currency::Usd, ParseMinorError::NotDecimal),
            ("1.", Currency::Jpy, ParseMinorError::NotDecimal),
            ("", Currency::Usd, ParseMinorError::NotDecimal),
            ("92233720368547758.08", Currency::Eur, ParseMinorError::OutOfRange),
        ] {
            assert_eq!(Minor::parse(text, currency), Err(error), "{text}");
        }
    }

    #[test]
    fn only_dollars_become_credit() {
        assert_eq!(Minor::new(1_691, Currency::Usd).to_nanos(), Some(Nanos(16_910_000_000)));
        assert_eq!(Minor::new(1_691, Currency::Cny).to_nanos(), None);
        assert_eq!(Minor::new(i64::MAX, Currency::Usd).to_nanos(), None);
        for currency in Currency::ALL {
            assert_eq!(Currency::parse(currency.as_str()), Some(currency));
            assert_eq!(serde_json::to_string(&currency).unwrap(), format!("\"{}\"", currency.as_str()));
        }
    }
}
