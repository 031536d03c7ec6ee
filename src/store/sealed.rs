//! Every column that holds a sealed value: what a change of the master key must rewrite, and what a start must be able to
//! open (`access.md` §12). `tests/tidy` fails when a place is sealed that this table does not know.

use super::db::Db;
use super::error::StoreError;
use super::sql::{built, sql};
use super::vault::Place;

/// Rows read and rewritten at once: a transaction of a few milliseconds, so that other writers hardly wait.
pub const STEP: i64 = 100;

/// A column of sealed texts in a table whose rows have a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Column of the number to which a value is bound.
    pub row: &'static str,
}

/// The sealed columns.
pub const COLUMNS: &[SealedColumn] = &[
    SealedColumn { table: "accounts", column: "credential", row: "id" },
    SealedColumn { table: "egress_proxies", column: "password", row: "id" },
    SealedColumn { table: "user_second_factors", column: "secret", row: "user_id" },
];

/// Sealed values of the installation itself, by their name in `meta`. The check value is the last to be rewritten: until
/// then the database still belongs to the old key.
pub const NAMED: [&str; 2] = [super::meta::KEY_PEPPER, super::meta::CHECK_VALUE];

/// A sealed value and where it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Number of its row; 0 for a named one.
    pub row: i64,
    /// The stored text.
    pub text: String,
}

impl SealedColumn {
    /// The place of a row's value.
    pub const fn place(&self, row: i64) -> Place<'static> {
        Place { table: self.table, column: self.column, row }
    }

    /// The next values after a row that do not start with `current`, at most [`STEP`].
    pub async fn stale(&self, db: &Db, after: i64, current: &str) -> Result<Vec<SealedValue>, StoreError> {
        let Self { table, column, row } = self;
        let query = built(format!(
            "SELECT {row} AS row_number_of, {column} AS sealed FROM {table} WHERE {row} > ? AND {column} IS NOT NULL \
             AND SUBSTR({column}, 1, ?) <> ? ORDER BY {row} LIMIT {STEP}"
        ));
        let length = i64::try_from(current.len()).unwrap_or(i64::MAX);
        let rows = db.read(query.bind(after).bind(length).bind(current)).await?;
        rows.iter()
            .map(|found| Ok(SealedValue { row: found.int("row_number_of")?, text: found.text("sealed")? }))
            .collect()
    }

    /// Puts new texts in place of the ones that were read. A value that was changed meanwhile stays: whoever changed it
    /// sealed it with the first key. No version counts up, because what is sealed stays the same. Returns how many went in.
    pub async fn replace(&self, db: &Db, values: Vec<(SealedValue, String)>) -> Result<u64, StoreError> {
        let Self { table, column, row } = *self;
        db.work(move |tx| {
            let values = values.clone();
            Box::pin(async move {
                let mut replaced = 0;
                for (seen, fresh) in values {
                    let update = built(format!("UPDATE {table} SET {column} = ? WHERE {row} = ? AND {column} = ?"));
                    replaced += tx.write(update.bind(fresh).bind(seen.row).bind(seen.text)).await?.affected;
                }
                Ok(replaced)
            })
        })
        .await
    }

    /// How many values each key has sealed; `""` stands for values of the predecessor's form.
    async fn count(&self, db: &Db) -> Result<Vec<(String, i64)>, StoreError> {
        let Self { table, column, .. } = self;
        let query = built(format!(
            "SELECT CASE WHEN SUBSTR({column}, 1, 4) = 'ql1:' \
             THEN SUBSTR({column}, 5, INSTR(SUBSTR({column}, 5), ':') - 1) ELSE '' END AS sealing_key, \
             COUNT(*) AS sealed FROM {table} WHERE {column} IS NOT NULL GROUP BY sealing_key"
        ));
        db.read(query).await?.iter().map(|row| Ok((row.text("sealing_key")?, row.int("sealed")?))).collect()
    }
}

/// How many stored values each key has sealed, in all columns; `""` stands for the predecessor's form.
pub async fn keys_in_use(db: &Db) -> Result<std::collections::BTreeMap<String, i64>, StoreError> {
    let mut uses = std::collections::BTreeMap::new();
    for column in COLUMNS {
        for (key, values) in column.count(db).await? {
            *uses.entry(key).or_insert(0) += values;
        }
    }
    Ok(uses)
}

/// The place of a named value.
pub const fn named_place(name: &'static str) -> Place<'static> {
    Place { table: "meta", column: name, row: 0 }
}

/// Puts a new text in place of a named one, if it still is what was read.
pub async fn replace_named(db: &Db, name: &str, seen: &str, fresh: String) -> Result<bool, StoreError> {
    let update = sql("UPDATE meta SET value = ? WHERE name = ? AND value = ?");
    Ok(db.write(update.bind(fresh).bind(name).bind(seen)).await?.affected > 0)
}
