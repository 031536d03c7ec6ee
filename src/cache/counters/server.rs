//! Counters in Redis: two hashes per scope, one script per event.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{Cmd, Script};

use super::super::CacheError;
use super::super::link::Link;
use super::super::server::{BATCH, PREFIX, REQUEST, Redis};
use super::events::Mark;
use super::{Counts, SEEN_MS, Scope};

static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/count.lua")));
/// Hash tags per kind of owner.
const TAGS: i64 = 64;
/// Events per pipeline: a few hundred KB of commands.
const STEP: usize = 100;

fn key(scope: &Scope, hash: &str) -> String {
    format!("{PREFIX}{{{}}}:{hash}:{}", scope.tag(), scope.suffix())
}

fn dirty_key(tag: &str) -> String {
    format!("{PREFIX}{{{tag}}}:dirty")
}

/// A scope as the dirty set names it. Scopes are plain data: this cannot fail in practice, and then marks nothing.
fn text(scope: &Scope) -> String {
    serde_json::to_string(scope).unwrap_or_default()
}

/// A script called by its digest is not loaded by itself: it is loaded first, with each batch, which costs one round trip.
/// Repeating a batch that was cut is harmless: what it did is remembered by event.
pub(super) async fn count(redis: &Redis, marks: Vec<(bool, Mark)>) -> Result<(), CacheError> {
    for step in marks.chunks(STEP) {
        let calls: Vec<Cmd> = step.iter().filter_map(|(late, mark)| add(mark, *late)).collect();
        let run = move |mut link: Link| async move {
            COUNT.load_async(&mut link).await?;
            link.all::<i64>(calls).await
        };
        redis.call(BATCH, run).await?;
    }
    Ok(())
}

fn add(mark: &Mark, late: bool) -> Option<Cmd> {
    let tag = mark.scopes.first().map(Scope::tag)?;
    let mut call = redis::cmd("EVALSHA");
    call.arg(COUNT.get_hash()).arg(2 + 2 * mark.scopes.len());
    call.arg(format!("{PREFIX}{{{tag}}}:seen:{}", mark.event)).arg(dirty_key(&tag));
    for scope in &mark.scopes {
        call.arg(key(scope, "usage")).arg(key(scope, "cost"));
    }
    call.arg(SEEN_MS).arg(i64::from(late));
    for scope in &mark.scopes {
        call.arg(text(scope)).arg(scope.ttl_ms().unwrap_or(0));
        for hash in ["usage", "cost"] {
            let fields = mark.counts.fields(hash);
            call.arg(fields.len());
            for (name, amount) in fields {
                call.arg(name).arg(amount);
            }
        }
    }
    Some(call)
}

pub(super) async fn counts(redis: &Redis, scope: &Scope) -> Result<Option<Counts>, CacheError> {
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("HGETALL").arg(key(scope, "usage")).cmd("HGETALL").arg(key(scope, "cost"));
    let run = move |mut c: Link| async move { pipe.query_async(&mut c).await };
    let (usage, cost): (HashMap<String, i64>, HashMap<String, i64>) = redis.call(REQUEST, run).await?;
    if usage.is_empty() {
        return Ok(None);
    }
    let mut counts = Counts::default();
    usage.into_iter().chain(cost).for_each(|(name, value)| counts.set(&name, value));
    Ok(Some(counts))
}

pub(super) async fn mark_dirty(redis: &Redis, scope: &Scope) -> Result<(), CacheError> {
    let mut command = redis::cmd("SADD");
    command.arg(dirty_key(&scope.tag())).arg(text(scope));
    redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
}

pub(super) async fn take_dirty(redis: &Redis, limit: usize) -> Result<Vec<Scope>, CacheError> {
    let tags: Vec<String> =
        ["u", "a"].iter().flat_map(|kind| (0..TAGS).map(move |n| format!("{kind}{n:02}"))).collect();
    let each = limit.div_ceil(tags.len()).max(1);
    let pop = |tag: &String| {
        let mut pop = redis::cmd("SPOP");
        pop.arg(dirty_key(tag)).arg(each);
        pop
    };
    let pops: Vec<Cmd> = tags.iter().map(pop).collect();
    let run = move |mut link: Link| async move { link.all(pops).await };
    let taken: Vec<Vec<String>> = redis.call(BATCH, run).await?;
    // A text that is no scope was not written by this version and names nothing that we count.
    Ok(taken.into_iter().flatten().filter_map(|scope| serde_json::from_str(&scope).ok()).collect())
}

pub(super) async fn replace(redis: &Redis, scope: &Scope, counts: &Counts) -> Result<(), CacheError> {
    let mut pipe = redis::pipe();
    pipe.atomic();
    for hash in ["usage", "cost"] {
        let key = key(scope, hash);
        pipe.cmd("DEL").arg(&key).ignore();
        let set = pipe.cmd("HSET").arg(&key);
        for (name, value) in counts.fields(hash) {
            set.arg(name).arg(value);
        }
        set.ignore();
        if let Some(ttl) = scope.ttl_ms() {
            pipe.cmd("PEXPIRE").arg(&key).arg(ttl).ignore();
        }
    }
    let run = move |mut c: Link| async move { pipe.query_async::<()>(&mut c).await };
    redis.call(BATCH, run).await
}
