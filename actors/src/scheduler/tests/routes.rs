//! Model routes of groups, for keys that are bound to the group and for everybody else (`scheduling.md` §9).

use std::sync::Arc;

use crate::domain::account::{AccountSpec, Platform};
use crate::domain::group::{Membership, ModelRoute};
use crate::domain::id::{AccountId, GroupId};
use crate::domain::key::{Binding, BindingTarget, KeyPolicy};
use crate::domain::model::Pattern;
use crate::domain::route::{RefusalReason, RouteRequest};
use crate::scheduler::tests::{World, family, key, request, sonnet, view};

/// A group whose Opus goes to these accounts only.
fn group(id: i64, priority: i32, opus: &[i64]) -> Membership {
    let account_ids = opus.iter().copied().map(AccountId).collect();
    let route = ModelRoute { pattern: Pattern("claude-opus-*".to_owned()), account_ids };
    let routes: Vec<ModelRoute> = if opus.is_empty() { Vec::new() } else { vec![route] };
    Membership { routes: Arc::from(routes), ..Membership::plain(GroupId(id), priority) }
}

fn in_groups(spec: &mut AccountSpec, groups: &[Membership]) {
    spec.groups = groups.to_vec();
}

fn opus(n: u128, key: &Arc<KeyPolicy>) -> RouteRequest {
    RouteRequest { model: Arc::from("claude-opus-4-5"), family: family("opus"), ..request(n, key) }
}

fn bound(id: i64, strict: bool) -> Arc<KeyPolicy> {
    let binding = Binding { platform: Platform::Claude, target: BindingTarget::Group(GroupId(id)), strict };
    key(1, |k| k.bindings = vec![binding])
}

#[test]
fn a_routed_model_goes_to_its_accounts_and_other_models_to_all() {
    let mut world = World::new((1..=3).map(|id| view(id, |s, _| in_groups(s, &[group(1, 5, &[2])]))));
    let strict = bound(1, true);
    for n in 0..4 {
        assert_eq!(world.chosen(opus(n, &strict)), 2);
    }
    let others: Vec<i64> = (10..13).map(|n| world.chosen(request(n, &strict))).collect();
    assert_eq!(others, [1, 3, 1], "the least used, by turns");
    let free = key(2, |_| ());
    assert_eq!(world.chosen(opus(20, &free)), 2, "an unbound key is served by the same members");
    world.adjust(2, |v| Arc::make_mut(&mut v.spec).enabled = false);
    assert_eq!(world.refusal(opus(21, &strict)).reason, RefusalReason::DedicatedUnavailable);
    assert_eq!(world.refusal(opus(22, &free)).reason, RefusalReason::NoAccount);
    let record = world.state.records.find(None, 1).remove(0);
    let words: Vec<String> = record.candidates.iter().map(|c| c.excluded.as_ref().unwrap().by.to_string()).collect();
    assert_eq!(words, ["group_mismatch", "disabled", "group_mismatch"]);
}

#[test]
fn an_unbound_request_takes_the_best_group_that_lets_it() {
    let mut world = World::new([
        view(1, |s, _| in_groups(s, &[group(1, 9, &[2]), group(2, 3, &[])])),
        view(2, |s, _| in_groups(s, &[group(2, 3, &[])])),
        view(3, |_, _| ()),
    ]);
    let free = key(1, |_| ());
    // Group 1 keeps Opus from its member 1, who serves it through group 2: in the same tier as account 2.
    let record = world.turn(|state, turn| state.simulate(turn, opus(1, &free)));
    let tiers: Vec<(i32, i32)> = record.candidates.iter().map(|c| c.tier).collect();
    assert_eq!(tiers, [(3, 50), (3, 50), (-1, 50)]);
    let record = world.turn(|state, turn| state.simulate(turn, sonnet(2)));
    assert_eq!(record.candidates[0].tier, (9, 50));
}

#[test]
fn the_first_route_that_covers_a_model_counts_and_its_case_does_not() {
    let route =
        |pattern: &str, id| ModelRoute { pattern: Pattern(pattern.to_owned()), account_ids: vec![AccountId(id)] };
    let routes: Arc<[ModelRoute]> = Arc::from(vec![route("Claude-Opus-4-5", 1), route("*opus*", 2)]);
    let member = Membership { routes, ..Membership::plain(GroupId(1), 0) };
    let mut world = World::new((1..=2).map(|id| view(id, |s, _| in_groups(s, std::slice::from_ref(&member)))));
    let strict = bound(1, true);
    assert_eq!(world.chosen(opus(1, &strict)), 1);
    let older = RouteRequest { model: Arc::from("CLAUDE-OPUS-4-1"), ..opus(2, &strict) };
    assert_eq!(world.chosen(older), 2);
}

#[test]
fn a_group_of_another_service_is_no_group() {
    let other = Membership { platform: Some(Platform::OpenAi), ..group(1, 9, &[]) };
    let own = Membership { platform: Some(Platform::Claude), ..group(2, 1, &[]) };
    let mut world = World::new([
        view(1, |s, _| in_groups(s, std::slice::from_ref(&other))),
        view(2, |s, _| in_groups(s, std::slice::from_ref(&own))),
    ]);
    for n in 0..3 {
        assert_eq!(world.chosen(sonnet(n)), 2);
    }
    assert_eq!(world.refusal(request(9, &bound(1, true))).reason, RefusalReason::DedicatedUnavailable);
}

#[test]
fn a_preferring_key_leaves_a_group_whose_route_has_nobody() {
    let mut world = World::new([view(1, |s, _| in_groups(s, &[group(1, 5, &[9])])), view(2, |_, _| ())]);
    assert_eq!(world.chosen(opus(1, &bound(1, false))), 2);
    assert_eq!(world.chosen(request(2, &bound(1, false))), 1);
}
