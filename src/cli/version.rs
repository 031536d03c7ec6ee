//! `version`: what was built.

use super::exit::Failure;
use super::output::Output;
use crate::observe::build::Build;

/// Prints the version, as text or JSON.
pub fn run(json: bool, out: Output) -> Result<(), Failure> {
    let build = Build::current();
    if json {
        return out.line(&serde_json::to_string(&build).unwrap_or_default());
    }
    out.line(&format!("quotalane {} ({}, {})", build.version, build.commit, build.built_at))
}
