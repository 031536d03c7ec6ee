//! Who may use whom: the module table of ARCHITECTURE.md, and which module owns which outside thing.

use crate::assert_none;
use crate::items::{self, Named};
use crate::tree::{self, Source};

/// Module of the product crate → what it may use: modules of the crate, and parts of the engine as `actors::part`.
/// `*` stands for every module on a lower line. A new word here is a design decision and wants an ADR.
const EDGES: &[(&str, &[&str])] = &[
    ("dialect", &["actors::domain"]),
    ("transport", &["actors::domain"]),
    ("cache", &["actors::domain", "actors::ports", "actors::fleet", "actors::clock"]),
    ("store", &["actors::domain", "actors::ports", "actors::clock"]),
    ("journal", &["actors::domain", "actors::ports", "actors::outbox", "actors::clock"]),
    ("config", &["actors::domain"]),
    ("observe", &["actors::domain"]),
    ("mock", &["actors::domain", "actors::clock"]),
    ("upstream", &["dialect", "transport", "actors::domain", "actors::ports"]),
    ("identity", &["store", "cache", "actors::domain", "actors::clock"]),
    ("integrations", &["actors::domain"]),
    ("relay", &["identity", "cache", "upstream", "transport", "dialect", "journal", "observe", "actors"]),
    ("commerce", &["store", "identity", "actors::domain", "actors::clock"]),
    ("onboarding", &["store", "identity", "transport", "upstream", "actors::domain", "actors::clock"]),
    ("http", &["*", "actors"]),
    ("grpc", &["*", "actors"]),
    ("app", &["*", "actors"]),
    ("cli", &["*", "actors"]),
];

/// Outside crate → the only places of the product that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store/"]),
    ("redis", &["src/cache/"]),
    ("awc", &["src/transport/"]),
    ("tokio_socks", &["src/transport/"]),
    ("tokio_rustls", &["src/transport/"]),
    ("bcrypt", &["src/identity/"]),
    ("jsonwebtoken", &["src/identity/"]),
    ("aes_gcm", &["src/identity/"]),
    ("ldap3", &["src/identity/ldap/"]),
    ("clap", &["src/cli/"]),
    ("actix", &["actors/src/"]),
    ("actix_web", &["src/http/", "src/app/", "src/relay/", "src/mock/", "src/observe/"]),
];

/// Standard library modules with one owner.
const STD_OWNERS: &[(&[&str], &[&str])] = &[
    (&["std", "env"], &["src/config/", "src/cli/", "build.rs", "bench/"]),
    (&["std", "process", "Command"], &["bench/", "build.rs"]),
];

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut offenders = Vec::new();
    for source in tree::sources() {
        let Some(module) = source.module() else { continue };
        let Some(allowed) = allowed(module) else {
            offenders
                .push(format!("{}: module `{module}` is missing in the table of tests/tidy/edges.rs", source.path));
            continue;
        };
        for named in items::paths(&source.syntax) {
            let Some(target) = target(&source, &named) else { continue };
            if !permits(&allowed, module, &target) {
                offenders.push(format!("{}: {module} must not use {target}", source.at(named.line)));
            }
        }
    }
    offenders.dedup();
    assert_none("module edges (docs/ARCHITECTURE.md, \"Who may use whom\"):", &offenders);
}

#[test]
fn relay_handlers_use_the_relay_and_nothing_below_it() {
    let below = ["store", "cache", "journal", "transport", "commerce", "onboarding", "config"];
    let offenders: Vec<String> = tree::sources()
        .iter()
        .filter(|source| source.path.starts_with("src/http/relay/"))
        .flat_map(|source| {
            items::paths(&source.syntax).into_iter().filter_map(|named| {
                let target = target(source, &named)?;
                below.contains(&target.as_str()).then(|| format!("{}: names {target}", source.at(named.line)))
            })
        })
        .collect();
    assert_none("src/http/relay speaks to crate::relay only:", &offenders);
}

#[test]
fn outside_things_are_named_by_their_owner_only() {
    let mut offenders = Vec::new();
    for source in tree::sources().iter().filter(|s| !s.is_test() && !s.path.starts_with("bench/")) {
        for named in items::paths(&source.syntax) {
            let owner = OWNERS
                .iter()
                .find(|(name, _)| named.segments.first().is_some_and(|s| s == name) && named.segments.len() > 1);
            let std_owner = STD_OWNERS.iter().find(|(path, _)| {
                named.segments.len() >= path.len() && path.iter().zip(&named.segments).all(|(a, b)| a == b)
            });
            let places = owner.map(|o| o.1).or(std_owner.map(|o| o.1));
            if places.is_some_and(|places| !places.iter().any(|place| source.path.starts_with(place))) {
                offenders.push(format!("{}: {}", source.at(named.line), named.segments.join("::")));
            }
        }
    }
    offenders.dedup();
    assert_none("an outside thing is named outside of the module that owns it:", &offenders);
}

#[test]
fn pure_files_stay_pure() {
    let impure = ["actix", "actix_rt", "tokio"];
    // A reply channel is a value: state machines keep it and hand it to the effect that answers.
    let is_reply = |named: &Named| named.segments.starts_with(&["tokio", "sync", "oneshot"].map(str::to_owned));
    let offenders: Vec<String> = tree::sources()
        .iter()
        .filter(|s| {
            s.path.starts_with("actors/src/domain/")
                || s.path.ends_with("/state.rs")
                || s.path.starts_with("src/dialect/")
        })
        .flat_map(|source| {
            items::paths(&source.syntax).into_iter().filter_map(|named| {
                let first = named.segments.first()?;
                (impure.contains(&first.as_str()) && named.segments.len() > 1 && !is_reply(&named))
                    .then(|| format!("{}: {}", source.at(named.line), named.segments.join("::")))
            })
        })
        .collect();
    assert_none("domain, dialects and state machines know no runtime:", &offenders);
}

#[test]
fn addresses_of_actors_stay_in_the_handle_file() {
    let offenders: Vec<String> = tree::sources()
        .iter()
        .filter(|s| !s.is_test() && s.path != "actors/src/handle.rs")
        .flat_map(|source| {
            items::paths(&source.syntax).into_iter().filter_map(|named| {
                (named.segments.last()? == "Addr" && named.segments.first()? == "actix").then(|| source.at(named.line))
            })
        })
        .collect();
    assert_none("actix::Addr is named in actors/src/handle.rs only:", &offenders);
}

/// What a module may use, with `*` written out.
fn allowed(module: &str) -> Option<Vec<&'static str>> {
    let line = EDGES.iter().position(|(name, _)| *name == module)?;
    let mut list: Vec<&str> = EDGES[line].1.to_vec();
    if list.contains(&"*") {
        list.extend(EDGES[..line].iter().map(|(name, _)| *name));
    }
    Some(list)
}

/// Builders of values for tests are open to every module: only test builds turn their feature on, so the product cannot use
/// them.
fn permits(allowed: &[&str], module: &str, target: &str) -> bool {
    target == "actors::testing"
        || target == module
        || allowed.iter().any(|a| *a == target || target.starts_with(&format!("{a}::")))
}

/// What a path points at: a module of the crate, or `actors::part`. `None` for anything else.
fn target(source: &Source, named: &Named) -> Option<String> {
    let first = named.segments.first()?.as_str();
    match first {
        "crate" => known(named.segments.get(1)?),
        "actors" => Some(format!("actors::{}", named.segments.get(1)?)),
        "super" => {
            let up = named.segments.iter().take_while(|s| *s == "super").count();
            let here = source.module_path();
            let base = here.len().checked_sub(up)?;
            if base == 0 { known(named.segments.get(up)?) } else { None }
        }
        _ => None,
    }
}

fn known(name: &str) -> Option<String> {
    let is_module = EDGES.iter().any(|(module, _)| *module == name)
        || tree::root().join("src").join(name).is_dir()
        || tree::root().join("src").join(format!("{name}.rs")).is_file();
    is_module.then(|| name.to_owned())
}
