//! The few places where SQLite and MySQL need different words (`stack.md` §4.1).

/// Which database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// The embedded file.
    Sqlite,
    /// MySQL 8 or MariaDB ≥ 10.11.
    MySql,
}

impl Flavor {
    /// Adds the new row's values to these columns when a row with the same key exists, and keeps the larger value of those.
    pub(crate) fn upsert_add(self, key: &str, add: &[&str], max: &[&str]) -> String {
        let larger = match self {
            Self::Sqlite => "MAX",
            Self::MySql => "GREATEST",
        };
        let sums = add.iter().map(|c| format!("{c} = {c} + {}", self.new_value(c)));
        let peaks = max.iter().map(|c| format!("{c} = {larger}({c}, {})", self.new_value(c)));
        self.upsert(key, &sums.chain(peaks).collect::<Vec<_>>())
    }

    /// Overwrites these columns when a row with the same key exists.
    pub(crate) fn upsert_set(self, key: &str, columns: &[&str]) -> String {
        let sets: Vec<String> = columns.iter().map(|c| format!("{c} = {}", self.new_value(c))).collect();
        self.upsert(key, &sets)
    }

    fn new_value(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("excluded.{column}"),
            Self::MySql => format!("VALUES({column})"),
        }
    }

    fn upsert(self, key: &str, sets: &[String]) -> String {
        match self {
            Self::Sqlite => format!(" ON CONFLICT({key}) DO UPDATE SET {}", sets.join(", ")),
            Self::MySql => format!(" ON DUPLICATE KEY UPDATE {}", sets.join(", ")),
        }
    }

    /// The texts of these expressions after one another.
    pub(crate) fn concat(self, parts: &[&str]) -> String {
        match self {
            Self::Sqlite => format!("({})", parts.join(" || ")),
            Self::MySql => format!("CONCAT({})", parts.join(", ")),
        }
    }

    /// Locks the rows read until the transaction ends; SQLite's `BEGIN IMMEDIATE` already holds the only writer.
    pub(crate) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::MySql => " FOR UPDATE",
        }
    }
}

/// `%text%` with the wildcards of `LIKE` in `text` taken literally. Goes with `ESCAPE '!'`: a backslash would mean
/// different things to the two databases.
pub(crate) fn like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_own_upsert() {
        assert_eq!(Flavor::Sqlite.upsert_add("k", &["n"], &[]), " ON CONFLICT(k) DO UPDATE SET n = n + excluded.n");
        assert_eq!(Flavor::MySql.upsert_add("k", &[], &["n"]), " ON DUPLICATE KEY UPDATE n = GREATEST(n, VALUES(n))");
    }

    #[test]
    fn wildcards_of_the_caller_are_literal() {
        assert_eq!(like("50%_!"), "%50!%!_!!%");
    }
}
