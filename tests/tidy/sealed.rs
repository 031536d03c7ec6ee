//! Every column that is sealed is known to the change of the master key.

use crate::assert_none;
use crate::tree;

/// Sealed outside of the database, for minutes: authorisations and logins in the cache, quotes at their callers.
const ELSEWHERE: [&str; 3] = ["oauth_session", "oidc_login", "quotes"];

#[test]
fn every_sealed_column_is_in_the_table_of_sealed_columns() {
    let table = tree::read("src/store/sealed.rs").unwrap();
    let mut offenders = Vec::new();
    let others = |path: &str| path.starts_with("src/") && path != "src/store/sealed.rs";
    for source in tree::sources().iter().filter(|source| others(&source.path) && !source.is_test()) {
        let text = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once("Place { table: \"") else { continue };
            let Some((name, rest)) = rest.split_once('"') else { continue };
            let column = rest.split('"').nth(1).unwrap_or_default();
            let known = table.contains(&format!("SealedColumn {{ table: \"{name}\", column: \"{column}\","));
            if !known && !ELSEWHERE.contains(&name) {
                offenders.push(format!("{}: {name}.{column}", source.at(number + 1)));
            }
        }
    }
    assert_none("sealed, but missing in COLUMNS of src/store/sealed.rs:", &offenders);
}
