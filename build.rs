//! Rebuilds the embedded migrations and configuration when their files change.
fn main() {
    for path in ["migrations/sqlite", "migrations/mysql", "configs"] {
        println!("cargo:rerun-if-changed={path}");
    }
}
