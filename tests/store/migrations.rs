//! The schema: from nothing, twice, by several at once, and with the same tables in both folders.

use quotalane::store::{StoreError, migrations};

use crate::servers::each_empty_db;

#[tokio::test]
async fn migrations_apply_once_and_can_be_repeated() {
    each_empty_db(|test| async move {
        let missing = migrations::verify(&test.db).await.unwrap_err();
        assert!(matches!(missing, StoreError::Data(text) if text.contains("is missing")));
        migrations::up(&test.db).await.unwrap();
        migrations::up(&test.db).await.unwrap();
        migrations::verify(&test.db).await.unwrap();
        let states = migrations::status(&test.db).await.unwrap();
        assert!(states.len() >= 23 && states.iter().all(|s| s.applied && !s.changed));
    })
    .await;
}

#[tokio::test]
async fn several_instances_migrate_at_once() {
    each_empty_db(|test| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let db = test.another().await;
            tasks.spawn(async move { migrations::up(&db).await });
        }
        for result in tasks.join_all().await {
            result.unwrap();
        }
        migrations::verify(&test.db).await.unwrap();
    })
    .await;
}

#[test]
fn both_folders_hold_the_same_files_and_tables() {
    let read = |folder: &str| -> Vec<(String, String)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path.file_name().unwrap().to_string_lossy().into_owned(), columns(&text).join(","))
            })
            .collect();
        files.sort();
        files
    };
    assert_eq!(read("sqlite"), read("mysql"));
}

/// The table and its column names, without types and indexes.
fn columns(text: &str) -> Vec<String> {
    let word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let Some((_, created)) = text.split_once("CREATE TABLE") else {
        let table = text.split_once("ALTER TABLE ").unwrap().1;
        return std::iter::once(table).chain(text.split("ADD COLUMN ").skip(1)).map(word).collect();
    };
    let table = created.split_once("\n)").unwrap().0;
    table
        .lines()
        .map(|line| if line.contains('(') && !line.starts_with("    ") { line.to_owned() } else { word(line) })
        .filter(|word| !matches!(word.as_str(), "" | "PRIMARY" | "UNIQUE" | "KEY"))
        .collect()
}
