//! The settings actor on a paused clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{SettingsActor, SettingsDeps, SettingsHandle, SharedSettings};
use crate::domain::settings::Settings;
use crate::handle::Mailbox;
use crate::ports::{PortError, PortFuture, SettingsStore};

/// Settings whose flush interval is the version; a broken store fails.
#[derive(Default)]
struct Store {
    version: AtomicI64,
    broken: Mutex<bool>,
}

impl SettingsStore for Store {
    fn load(&self) -> PortFuture<Result<(Settings, i64), PortError>> {
        let version = self.version.load(Ordering::Relaxed);
        let settings = Settings { usage_flush_ms: version, ..Settings::default() };
        let broken = *self.broken.lock().unwrap();
        let result = if broken { Err(PortError("down".to_owned())) } else { Ok((settings, version)) };
        Box::pin(std::future::ready(result))
    }
}

fn start(version: i64) -> (Arc<Store>, SettingsHandle) {
    let store = Arc::new(Store { version: AtomicI64::new(version), ..Store::default() });
    let deps = SettingsDeps { mailbox: Mailbox::default(), store: store.clone(), shared: SharedSettings::default() };
    deps.mailbox.start(SettingsActor::new(deps.clone()));
    (store, SettingsHandle::new(deps.mailbox, deps.shared))
}

#[actix_rt::test]
async fn settings_are_read_at_start_and_every_five_seconds() {
    tokio::time::pause();
    let (store, handle) = start(101);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(handle.current().usage_flush_ms, 101);
    store.version.store(102, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert_eq!(handle.current().usage_flush_ms, 101);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(handle.current().usage_flush_ms, 102);
}

#[actix_rt::test]
async fn a_reload_is_in_force_when_it_returns_and_a_failure_changes_nothing() {
    let (store, handle) = start(101);
    store.version.store(103, Ordering::Relaxed);
    assert_eq!(handle.reload().await, Ok(()));
    assert_eq!(handle.current().usage_flush_ms, 103);
    *store.broken.lock().unwrap() = true;
    store.version.store(104, Ordering::Relaxed);
    assert_eq!(handle.reload().await, Err(PortError("down".to_owned())));
    assert_eq!(handle.current().usage_flush_ms, 103);
}

#[actix_rt::test]
async fn without_an_actor_a_reload_fails_instead_of_hanging() {
    let handle = SettingsHandle::new(Mailbox::default(), SharedSettings::default());
    assert!(handle.reload().await.is_err());
}
