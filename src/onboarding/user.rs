//! What may be said about a user, and what must hold of names and addresses (`access.md` §2); passwords:
//! `identity::password`.

use actors::domain::money::Nanos;
use serde::{Deserialize, Serialize};

use super::json::{Moment, Money};
use super::{Invalid, must, text};
use crate::store::users::{KeyLimits, Profile};

/// What strategies may ask about a person, in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileInput {
    /// Name at GitHub.
    pub github_username: Option<String>,
    /// Repositories with a star of the user, as a comma list.
    pub github_star: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Grade of a paying customer; 0 = none.
    pub vip: u32,
    /// Organisation.
    pub org: Option<String>,
    /// When the person registered at the outside system.
    pub register_time: Option<Moment>,
    /// When the person was last seen at the outside system.
    pub access_time: Option<Moment>,
    /// Number in the employer's directory.
    pub employee_number: Option<String>,
}

impl From<Profile> for ProfileInput {
    fn from(profile: Profile) -> Self {
        Self {
            github_username: profile.github_username,
            github_star: profile.github_star,
            phone: profile.phone,
            vip: profile.vip,
            org: profile.org,
            register_time: profile.register_time.map(Moment),
            access_time: profile.access_time.map(Moment),
            employee_number: profile.employee_number,
        }
    }
}

impl ProfileInput {
    /// The profile, checked.
    ///
    /// # Errors
    /// When a text is too long.
    pub fn checked(self) -> Result<Profile, Invalid> {
        let texts = [
            ("profile.github_username", &self.github_username, 100),
            ("profile.github_star", &self.github_star, 4_000),
            ("profile.phone", &self.phone, 40),
            ("profile.org", &self.org, 200),
            ("profile.employee_number", &self.employee_number, 100),
        ];
        for (field, value, most) in texts {
            value.as_deref().map_or(Ok(()), |value| text(value, field, 0, most))?;
        }
        Ok(Profile {
            github_username: self.github_username,
            github_star: self.github_star,
            phone: self.phone,
            vip: self.vip,
            org: self.org,
            register_time: self.register_time.map(|moment| moment.0),
            access_time: self.access_time.map(|moment| moment.0),
            employee_number: self.employee_number,
        })
    }
}

/// Highest limits of the keys that a user makes, in JSON; 0 or null = no bound.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLimitsInput {
    /// Live requests.
    pub concurrency_limit: u32,
    /// Requests per minute.
    pub rpm_limit: u32,
    /// Charge per day.
    pub daily_cost_limit: Option<Money>,
    /// Charge per week.
    pub weekly_cost_limit: Option<Money>,
    /// Charge per week for Claude traffic.
    pub weekly_claude_cost_limit: Option<Money>,
    /// Charge per calendar month.
    pub monthly_cost_limit: Option<Money>,
    /// Charge in all.
    pub total_cost_limit: Option<Money>,
    /// Charge per five hours.
    pub five_hour_cost_limit: Option<Money>,
}

impl From<KeyLimits> for KeyLimitsInput {
    fn from(limits: KeyLimits) -> Self {
        let money = |nanos: Nanos| Some(Money(nanos)).filter(|_| nanos.0 != 0);
        Self {
            concurrency_limit: limits.concurrency_limit,
            rpm_limit: limits.rpm_limit,
            daily_cost_limit: money(limits.daily_cost_limit),
            weekly_cost_limit: money(limits.weekly_cost_limit),
            weekly_claude_cost_limit: money(limits.weekly_claude_cost_limit),
            monthly_cost_limit: money(limits.monthly_cost_limit),
            total_cost_limit: money(limits.total_cost_limit),
            five_hour_cost_limit: money(limits.five_hour_cost_limit),
        }
    }
}

impl KeyLimitsInput {
    /// The limits, checked.
    ///
    /// # Errors
    /// When an amount is negative.
    pub fn checked(self) -> Result<KeyLimits, Invalid> {
        let nanos = |money: Option<Money>| {
            let nanos = money.map_or(Nanos(0), |money| money.0);
            must(nanos.0 >= 0, "default_key_limits", "must not be negative").map(|()| nanos)
        };
        Ok(KeyLimits {
            concurrency_limit: self.concurrency_limit,
            rpm_limit: self.rpm_limit,
            daily_cost_limit: nanos(self.daily_cost_limit)?,
            weekly_cost_limit: nanos(self.weekly_cost_limit)?,
            weekly_claude_cost_limit: nanos(self.weekly_claude_cost_limit)?,
            monthly_cost_limit: nanos(self.monthly_cost_limit)?,
            total_cost_limit: nanos(self.total_cost_limit)?,
            five_hour_cost_limit: nanos(self.five_hour_cost_limit)?,
        })
    }
}

/// A user name made of a text from outside, such as the part of an address before the `@`: what is not allowed becomes `-`.
pub fn username_from(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let mapped: String = text.split('@').next().unwrap_or_default().chars().take(58).map(allowed).collect();
    let name = mapped.trim_matches('-');
    if name.len() < 3 { format!("user{}{name}", if name.is_empty() { "" } else { "." }) } else { name.to_owned() }
}

/// 3 to 64 of `[A-Za-z0-9_.-]`, not starting or ending with `-`.
pub fn check_username(name: &str) -> Result<(), Invalid> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let fits = (3..=64).contains(&name.len()) && plain && !name.starts_with('-') && !name.ends_with('-');
    must(fits, "username", "must have 3 to 64 letters, digits, _ . - and no - at its ends")
}

/// One `@` with something on both sides and a dot or `localhost` behind it, at most 254 bytes.
pub fn check_email(email: &str) -> Result<(), Invalid> {
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.contains('@'));
    let domain =
        parts.is_some_and(|(_, d)| d == "localhost" || (d.contains('.') && !d.starts_with('.') && !d.ends_with('.')));
    let plain = !email.chars().any(|c| c.is_whitespace() || c.is_control());
    must(domain && plain && email.len() <= 254, "email", "is not an e-mail address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_fit_the_rule() {
        for (text, name) in
            [("ada@b.example", "ada"), ("Ö. Zgür@x", "-.--zg-r"), ("a", "user.a"), ("", "user"), ("--", "user")]
        {
            let made = username_from(text);
            assert!(check_username(&made).is_ok(), "{made}");
            if !name.starts_with('-') {
                assert_eq!(made, name);
            }
        }
        assert!(check_username(&username_from(&"x".repeat(90))).is_ok());
    }

    #[test]
    fn names_and_addresses_have_rules() {
        assert!(check_username("a.b-c_1").is_ok());
        assert!(["ab", "-abc", "abc-", "a b c", "é-name"].iter().all(|name| check_username(name).is_err()));
        assert!(check_email("a@b.example").is_ok() && check_email("a@localhost").is_ok());
        assert!(["a", "@b.c", "a@b", "a@b@c.d", "a b@c.d"].iter().all(|email| check_email(email).is_err()));
    }
}
