//! Publishes the dynamic settings.
