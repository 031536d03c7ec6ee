//! `secrets generate`: fresh secrets as lines for an environment file.

use rand::RngExt;

use super::exit::Failure;
use super::output::Output;

/// Verbs on secrets.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Print a new master key and session secret
    Generate,
}

/// Runs a verb.
pub fn run(verb: &Verb, out: Output) -> Result<(), Failure> {
    match verb {
        Verb::Generate => {
            out.line(&format!("QUOTALANE_SECURITY__MASTER_KEY={}", random_hex()))?;
            out.line(&format!("QUOTALANE_SECURITY__JWT_SECRET={}", random_hex()))
        }
    }
}

/// 32 random bytes as hex.
pub fn random_hex() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}
