//! Who is asking: API keys, people, and the secrets that prove either. Secrets appear here as digests, sealed text or
//! types that print nothing.

pub mod key_text;
pub mod keyring;
pub mod pepper;

pub mod password;
pub mod revocation;
pub mod setup;
pub mod throttle;
pub mod token;

pub mod reseal;
pub mod second_factor;
pub mod totp;

pub mod ldap;
pub mod oidc;
pub mod person;

pub mod seal;
