//! Decision records: the JSON of `scheduling.md` §6, what is kept, and simulation.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::id::{AccountId, GroupId};
use crate::domain::key::{Binding, BindingTarget};
use crate::domain::route::RouteRequest;
use crate::domain::time::{HOUR, SECOND};
use crate::domain::window::{Scope, WindowKind};
use crate::scheduler::messages::Inquiry;
use crate::scheduler::tests::{Answer, T0, World, cooling, family, key, request, session, sonnet, view, window};

fn pool() -> World {
    let limited = cooling(Scope::Family(family("sonnet")), "rate_limited", T0.plus(5 * SECOND), false);
    World::new([
        view(2, |s, v| {
            s.max_concurrency = 0;
            v.windows = Arc::new([window(WindowKind::SevenDay, 800_000, 84 * HOUR)]);
        }),
        view(5, |_, v| v.cooldowns = limited),
    ])
}

#[test]
fn the_json_is_that_of_the_reference() {
    let mut world = pool();
    let grant = world.grant(RouteRequest { session: session(0x35), ..sonnet(7) });
    let record = world.state.records.find(Some(crate::domain::id::RequestId(7)), 10).remove(0);
    let expected = json!({
        "decision_id": grant.notes.decision.to_string(), "request_id": "req_00000000000000000000000007", "attempt": 1,
        "at": "2025-01-01T00:00:00.000Z", "service": "claude", "model": "claude-sonnet-4-5", "family": "sonnet",
        "key_id": 1, "user_id": 1, "group_id": null,
        "sticky": {"hash": "35".repeat(16), "bound_account": null, "result": "miss"},
        "candidates": [
            {"account_id": 2, "tier": [-1, 50], "eligible": true, "headroom": 400_000, "bottleneck": "vendor_7d",
             "health": 100, "weight": 100, "last_assigned_seq": 0, "dims": [
                {"d": "vendor_7d", "used": 800_000, "limit": 1_000_000, "free": 200_000, "time_left": 500_000, "adj": 400_000}]},
            {"account_id": 5, "eligible": false, "excluded_by": "cooldown:family:sonnet:rate_limited",
             "until": "2025-01-01T00:00:05.000Z"}],
        "chosen": 2, "lease_id": grant.lease.id.to_string(), "outcome": "reserved", "waited_ms": 0, "elapsed_us": 0,
        "flags": []
    });
    assert_eq!(serde_json::to_value(&*record).unwrap(), expected);
    let text = serde_json::to_string(&*record).unwrap();
    let order = ["decision_id", "request_id", "sticky", "candidates", "chosen", "lease_id", "outcome", "flags"];
    let places: Vec<usize> = order.iter().map(|field| text.find(&format!("\"{field}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "fields in the order of the reference");
}

#[test]
fn simulation_explains_without_reserving_or_binding() {
    let mut world = pool();
    let asked = RouteRequest { session: session(1), ..sonnet(1) };
    for _ in 0..3 {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let inquiry = Inquiry::Simulate(Box::new(asked.clone()), reply);
        world.event(|state, turn| state.on_inquiry(turn, inquiry));
        let record: Value = serde_json::to_value(answer.try_recv().unwrap()).unwrap();
        assert_eq!((&record["chosen"], &record["outcome"]), (&json!(2), &json!("reserved")));
        assert_eq!(record["candidates"][0]["last_assigned_seq"], json!(0));
    }
    assert_eq!((world.state.bindings.len(), world.state.records.find(None, 10).len()), (0, 0));
    assert!(world.asked.is_empty());
}

#[test]
fn queued_and_refused_decisions_are_recorded_with_their_reasons() {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 1)]);
    let first = world.grant(sonnet(1));
    let waiting = world.ask(sonnet(2));
    world.pass(SECOND);
    world.end(first);
    assert!(matches!(world.answer(waiting), Answer::Granted(_)));
    world.change(view(1, |s, _| s.enabled = false));
    world.refusal(sonnet(3));
    let words: Vec<String> = world.state.records.find(None, 10).iter().map(|r| r.outcome.as_str().to_owned()).collect();
    assert_eq!(words, ["refused", "reserved", "queued", "reserved"]);
    let record = world.state.records.find(None, 2).remove(1);
    assert_eq!((record.waited_ms, record.elapsed_us, record.chosen), (1_000, 0, Some(AccountId(1))));
    let stats = world.turn(|state, turn| state.stats(turn));
    assert_eq!((stats.decisions["reserved"], stats.decisions["queued"], stats.decisions["refused"]), (2, 1, 1));
    assert_eq!(stats.exclusions, [("concurrency_full", 1), ("disabled", 1)].into());
    assert_eq!(stats.queue_waits[&("pool", "served")].count(), 1);
}

#[test]
fn every_refused_decision_and_a_hundredth_of_the_others_is_kept_for_storage() {
    let mut world = World::new([view(1, |s, _| s.max_concurrency = 0)]);
    for n in 0..400 {
        let grant = world.grant(sonnet(n));
        world.end(grant);
    }
    world.change(view(1, |s, _| s.enabled = false));
    world.refusal(sonnet(400));
    assert_eq!(world.state.records.take_unstored().len(), 5);
    assert!(world.state.records.take_unstored().is_empty());
    for n in 401..1_500 {
        world.refusal(sonnet(n));
    }
    assert_eq!(world.state.records.find(None, usize::MAX).len(), 1_000);
}

#[test]
fn a_record_names_every_account_of_a_pool_of_64_and_the_group_of_the_key() {
    let group = key(3, |k| {
        let target = BindingTarget::Group(GroupId(8));
        k.bindings = vec![Binding { platform: crate::domain::account::Platform::Claude, target, strict: false }];
    });
    let mut world = World::new((1..=64).map(|id| view(id, |_, _| ())));
    let record = world.turn(|state, turn| state.simulate(turn, request(1, &group)));
    assert_eq!((record.candidates.len(), record.dims.len(), record.unlisted), (64, 8, 0), "one bounded dimension each");
    assert_eq!(record.group_id, Some(GroupId(8)));
}

#[test]
fn a_simulation_lists_a_large_pool_whole_and_says_why_each_falls_behind() {
    let mut world = World::new((1..=100).map(|id| {
        view(id, |s, v| match id {
            1 => s.priority = 60,
            2 => v.health = 40,
            3 => s.weight = 50,
            4 => s.enabled = false,
            _ => (),
        })
    }));
    let record = world.turn(|state, turn| state.simulate(turn, sonnet(1)));
    let json = serde_json::to_value(&record).unwrap();
    let candidates = json["candidates"].as_array().unwrap();
    assert_eq!((candidates.len(), json["chosen"].clone(), json["flags"].clone()), (100, json!(1), json!([])));
    let of = |id: i64| candidates.iter().find(|c| c["account_id"] == id).unwrap();
    assert_eq!(of(1).get("behind_by"), None);
    assert_eq!((&of(2)["behind_by"], &of(4)["excluded_by"]), (&json!("priority"), &json!("disabled")));
    world.event(|state, turn| state.on_account_gone(turn, AccountId(1)));
    let json = serde_json::to_value(world.turn(|state, turn| state.simulate(turn, sonnet(2)))).unwrap();
    let of = |id: i64| json["candidates"].as_array().unwrap().iter().find(|c| c["account_id"] == id).unwrap();
    assert_eq!((&json["chosen"], &of(2)["behind_by"]), (&json!(5), &json!("headroom")));
    assert_eq!((&of(3)["behind_by"], &of(6)["behind_by"]), (&json!("weight"), &json!("id")));
}
