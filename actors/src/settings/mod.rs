//! Publishes the dynamic settings.

/// The settings in force; readers take a snapshot, the settings actor replaces it.
pub type SharedSettings = std::sync::Arc<arc_swap::ArcSwap<crate::domain::settings::Settings>>;
