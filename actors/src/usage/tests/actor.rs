//! The actor on a paused clock.

use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::handle::Mailbox;
use crate::kept::Kept;
use crate::settings::SharedSettings;
use crate::usage::{Queue, UsageActor, UsageDeps, UsageHandle};

fn start(sink: &Sink) -> (UsageHandle, UsageDeps) {
    let deps = UsageDeps {
        clock: Clock::frozen(Timestamp(0)),
        settings: SharedSettings::default(),
        mailbox: Mailbox::default(),
        sink: Arc::new(sink.clone()),
        queue: Kept::new(Queue::default()),
    };
    deps.mailbox.start(UsageActor::new(deps.clone()));
    (UsageHandle::new(deps.mailbox.clone(), deps.queue.clone(), deps.clock.clone()), deps)
}

async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[actix_rt::test]
async fn records_wait_for_their_batch_as_long_as_the_setting_says() {
    tokio::time::pause();
    let sink = Sink::default();
    let (handle, deps) = start(&sink);
    handle.record(sink.journal("a", 1, 4));
    pass(999).await;
    assert_eq!((sink.stored(), handle.stats().pending), (0, 3));
    pass(2).await;
    assert_eq!((sink.stored(), handle.stats().pending), (3, 0));
    assert_eq!(sink.with(|s| (s.counted, s.acknowledged["a"])), (3, 30));
    assert_eq!(deps.mailbox.depth(), 0);
}

#[actix_rt::test]
async fn a_flush_waits_out_a_failure() {
    tokio::time::pause();
    let sink = Sink::default();
    let (handle, _) = start(&sink);
    sink.with(|s| s.down = true);
    handle.record(sink.journal("a", 1, 3));
    let early = tokio::time::timeout(Duration::from_secs(30), handle.flush()).await;
    assert!(early.is_err());
    assert!(sink.with(|s| s.calls) < 15, "a dead database is not hammered");
    sink.with(|s| s.down = false);
    handle.flush().await;
    assert_eq!((sink.stored(), handle.stats().flushes_ok, handle.stats().dead), (2, 1, 0));
}

#[actix_rt::test]
async fn what_only_a_replay_knows_is_stored_even_if_there_is_more_of_it_than_memory() {
    tokio::time::pause();
    let sink = Sink::default();
    let (handle, _) = start(&sink);
    let count = super::super::queue::MEMORY as u128 + 700;
    // In no journal: interrupted attempts are made up.
    handle.store((1..=count).map(|n| recorded(n, "a", 10)).collect()).await;
    assert_eq!((sink.stored() as u128, handle.stats().left_in_journal), (count, 0));
}

#[actix_rt::test]
async fn a_rebuilt_actor_goes_on_with_the_queue() {
    tokio::time::pause();
    let sink = Sink::default();
    let (handle, deps) = start(&sink);
    handle.record(sink.journal("a", 1, 3));
    pass(10).await;
    sink.journal("a", 3, 4);
    deps.mailbox.start(UsageActor::new(deps.clone()));
    handle.flush().await;
    assert_eq!((sink.stored(), handle.stats().files_behind), (3, 0));
}

#[actix_rt::test]
async fn a_poisoned_event_does_not_hold_the_others_up() {
    tokio::time::pause();
    let sink = Sink::default();
    let (handle, _) = start(&sink);
    sink.with(|s| s.poison.insert(2));
    handle.record(sink.journal("a", 1, 21));
    tokio::time::timeout(Duration::from_secs(10), handle.flush()).await.unwrap();
    assert_eq!(sink.with(|s| (s.stored.len(), s.dead.clone())), (19, vec![2]));
}
