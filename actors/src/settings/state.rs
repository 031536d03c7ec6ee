//! When to read the settings, and what a read changes.

use tokio::sync::oneshot;

use crate::domain::settings::Settings;
use crate::ports::PortError;

/// Whoever waits for a reload.
pub(super) type Asker = oneshot::Sender<Result<(), PortError>>;

/// Reads run one at a time; an asker is answered by a read that began after it asked.
#[derive(Default)]
pub(super) struct State {
    version: Option<i64>,
    generation: u64,
    running: bool,
    /// Answered by the running read.
    now: Vec<Asker>,
    /// Answered by the read after it.
    next: Vec<Asker>,
}

/// What a finished read asks for.
pub(super) struct Finished {
    /// Publish these.
    pub(super) publish: Option<Settings>,
    /// Answer these, with the read's result.
    pub(super) answer: Vec<Asker>,
    /// Start this read at once.
    pub(super) start: Option<u64>,
}

impl State {
    /// Somebody wants a fresh read. Returns the generation of the read to start, if none is running.
    pub(super) fn on_reload(&mut self, asker: Asker) -> Option<u64> {
        self.next.push(asker);
        self.start()
    }

    /// The poll timer fired.
    pub(super) fn on_poll(&mut self) -> Option<u64> {
        self.start()
    }

    /// A read finished; `None` for one that nobody waits for any more.
    pub(super) fn on_loaded(
        &mut self,
        generation: u64,
        result: Result<(Settings, i64), PortError>,
    ) -> Option<Finished> {
        if !self.running || generation != self.generation {
            return None;
        }
        self.running = false;
        let publish = result.ok().filter(|(_, version)| self.version != Some(*version)).map(|(settings, version)| {
            self.version = Some(version);
            settings
        });
        let answer = std::mem::take(&mut self.now);
        let start = if self.next.is_empty() { None } else { self.start() };
        Some(Finished { publish, answer, start })
    }

    fn start(&mut self) -> Option<u64> {
        if self.running {
            return None;
        }
        self.running = true;
        self.generation += 1;
        self.now.append(&mut self.next);
        Some(self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(version: i64) -> Result<(Settings, i64), PortError> {
        Ok((Settings::default(), version))
    }

    #[test]
    fn only_a_new_version_is_published() {
        let mut state = State::default();
        for (version, published) in [(1, true), (1, false), (3, true), (2, true)] {
            let generation = state.on_poll().unwrap();
            let finished = state.on_loaded(generation, loaded(version)).unwrap();
            assert_eq!(finished.publish.is_some(), published, "version {version}");
        }
        let generation = state.on_poll().unwrap();
        let failed = state.on_loaded(generation, Err(PortError("down".to_owned()))).unwrap();
        assert!(failed.publish.is_none());
    }

    #[test]
    fn who_asks_during_a_read_gets_the_next_one() {
        let mut state = State::default();
        let first = state.on_poll().unwrap();
        let (asker, _answer) = oneshot::channel();
        assert_eq!(state.on_reload(asker), None);
        assert_eq!(state.on_poll(), None);
        let finished = state.on_loaded(first, loaded(1)).unwrap();
        assert!(finished.answer.is_empty());
        let second = finished.start.unwrap();
        assert!(state.on_loaded(first, loaded(9)).is_none());
        assert_eq!(state.on_loaded(second, loaded(2)).unwrap().answer.len(), 1);
    }
}
