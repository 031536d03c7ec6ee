//! Every row of the filter of `scheduling.md` §3: its reason code, its class, and its place in the order.

use std::sync::Arc;

use crate::account::view::{AccountView, Breaker, CredentialState};
use crate::domain::account::{AccountKind, AccountSpec, AccountStatus, Visibility};
use crate::domain::group::Membership;
use crate::domain::id::{AccountId, GroupId};
use crate::domain::key::{Binding, BindingTarget, KeyPolicy};
use crate::domain::limit::SlidingWindow;
use crate::domain::model::Pattern;
use crate::domain::money::Nanos;
use crate::domain::route::{Endpoint, RouteRequest};
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::window::{Scope, WindowKind, WindowStatus};
use crate::scheduler::exclusion::Excluded;
use crate::scheduler::filter::Reach;
use crate::scheduler::pending::Pending;
use crate::scheduler::rank::evaluate;
use crate::scheduler::tests::{T0, World, cooling, family, key, request, view, window};

type Change = fn(&mut AccountSpec, &mut AccountView);
type Wish = fn(&mut RouteRequest);

/// Code, hard (H), soft (S) or neither, momentary (M), how the account is, what the request wants.
const ROWS: [(&str, &str, Change, Wish); 28] = [
    ("disabled", "H", |s, _| s.enabled = false, |_| ()),
    ("status:error", "H", |s, _| s.status = AccountStatus::Error, |_| ()),
    ("unschedulable", "H", |s, _| s.schedulable = false, |_| ()),
    ("account_expired", "H", |s, _| s.subscription_expires_at = Some(T0), |_| ()),
    ("type_not_allowed", "H", |_, _| (), |r| r.forced = Some(AccountKind::Ccr)),
    ("type_not_allowed", "H", |s, _| s.kind = AccountKind::Ccr, |_| ()),
    ("dedicated_to_other", "H", |s, _| s.visibility = Visibility::Dedicated, |_| ()),
    ("not_bound", "H", |_, _| (), |r| r.key = bound(BindingTarget::Account(AccountId(9)))),
    ("group_mismatch", "H", |_, _| (), |r| r.key = bound(BindingTarget::Group(GroupId(9)))),
    ("tag_mismatch", "H", |s, _| s.tags = vec!["eu".into()], |r| r.key = tagged(&["eu", "fast"])),
    ("already_tried", "H", |_, _| (), |r| r.excluded = vec![AccountId(1)]),
    ("model_not_supported", "H", |s, _| s.model_allow = vec![Pattern("*opus*".into())], |_| ()),
    ("model_not_supported", "H", |s, _| s.model_deny = vec![Pattern("*sonnet*".into())], |_| ()),
    (
        "model_not_supported",
        "H",
        |_, v| v.unsupported = Arc::new([(Arc::from("claude-sonnet-4-5"), T0.plus(1))]),
        |_| (),
    ),
    (
        "endpoint_not_supported",
        "H",
        |s, _| s.kind = AccountKind::Ccr,
        |r| {
            (r.endpoint, r.forced) = (Endpoint::CountTokens, Some(AccountKind::Ccr));
        },
    ),
    ("token_unavailable", "M", |_, v| v.credential = CredentialState::Refreshing, |_| ()),
    ("token_unavailable", "H", |_, v| v.credential = CredentialState::Missing, |_| ()),
    ("breaker_open", "S", |_, v| v.breaker = open(1, false), |_| ()),
    ("probe_in_flight", "M", |_, v| v.breaker = open(0, true), |_| ()),
    (
        "cooldown:family:sonnet:server",
        "SM",
        |_, v| v.cooldowns = cooling(Scope::Family(family("sonnet")), "server", T0.plus(30 * SECOND), true),
        |_| (),
    ),
    (
        "cooldown:all:rate_limited",
        "H",
        |_, v| v.cooldowns = cooling(Scope::All, "rate_limited", T0.plus(30 * SECOND + 1), false),
        |_| (),
    ),
    ("vendor_window:5h", "H", |_, v| v.windows = Arc::new([window(WindowKind::FiveHour, 1_020_000, HOUR)]), |_| ()),
    (
        "vendor_threshold:7d",
        "H",
        |s, v| {
            s.auto_pause.insert(WindowKind::SevenDay, 80);
            v.windows = Arc::new([window(WindowKind::SevenDay, 800_000, DAY)]);
        },
        |_| (),
    ),
    (
        "vendor_warning",
        "H",
        |s, v| {
            s.pause_on_warning = true;
            let mut warned = window(WindowKind::SevenDay, 100_000, DAY);
            warned.status = Some(WindowStatus::AllowedWarning);
            v.windows = Arc::new([warned]);
        },
        |_| (),
    ),
    (
        "budget_exhausted",
        "H",
        |s, v| (s.daily_budget, v.budget_used) = (Nanos(100), Nanos(60)),
        |r| r.cost_estimate = Nanos(41),
    ),
    ("rpm_exhausted", "M", |_, v| v.rpm = full(60, 60), |_| ()),
    ("tpm_exhausted", "M", |_, v| v.tpm = full(1_000, 900), |r| r.tokens_estimate = 101),
    ("concurrency_full", "M", |_, v| v.slots_used = 10, |_| ()),
];

fn open(ms: i64, probing: bool) -> Breaker {
    Breaker::Open { until: T0.plus(ms), opening: 1, successes: 0, probing }
}

fn full(limit: i64, used: i64) -> Option<SlidingWindow> {
    let mut window = SlidingWindow::new(MINUTE, limit);
    window.add(T0.0, used);
    Some(window)
}

fn bound(target: BindingTarget) -> Arc<KeyPolicy> {
    let platform = crate::domain::account::Platform::Claude;
    key(1, |k| k.bindings = vec![Binding { platform, target, strict: true }])
}

fn tagged(tags: &[&str]) -> Arc<KeyPolicy> {
    key(1, |k| k.account_tags = tags.iter().map(ToString::to_string).collect())
}

/// Why account 1 is excluded; group-bound and account-bound requests look from their binding.
fn excluded(view: AccountView, request: RouteRequest) -> Option<Excluded> {
    let mut world = World::new([view]);
    let reach = match request.key.bindings.first().map(|b| b.target) {
        Some(BindingTarget::Account(id)) => Reach::Account(id),
        Some(BindingTarget::Group(id)) => Reach::Group(id),
        None => Reach::Pool,
    };
    world.turn(|state, turn| {
        let pending = Pending::new(request, None, turn);
        evaluate(state.pool.get(AccountId(1)).unwrap(), &pending.ask(turn, reach)).excluded
    })
}

#[test]
fn each_row_has_its_code_and_class() {
    for (code, class, change, wish) in ROWS {
        let mut wanted = request(1, &key(1, |_| ()));
        wish(&mut wanted);
        let found = excluded(view(1, change), wanted).unwrap_or_else(|| panic!("{code} passed"));
        let letters = [(!found.soft && !found.momentary, "H"), (found.soft, "S"), (found.momentary, "M")];
        let shown: String = letters.iter().filter(|(is, _)| *is).map(|(_, letter)| *letter).collect();
        assert_eq!((found.by.to_string().as_str(), shown.as_str()), (code, class));
        assert!(code.starts_with(found.by.label()));
    }
}

#[test]
fn the_first_failing_row_is_the_reason() {
    for (earlier, first) in ROWS.iter().enumerate() {
        for later in ROWS.iter().skip(earlier + 1) {
            let label = |code: &str| code.split(':').next().unwrap_or_default().to_owned();
            // Rows that set the same field of the account or the request cannot fail together.
            let both = view(1, |s, v| {
                (later.2)(s, v);
                (first.2)(s, v);
            });
            let mut wanted = request(1, &key(1, |_| ()));
            (later.3)(&mut wanted);
            (first.3)(&mut wanted);
            let alone = excluded(both.clone(), wanted.clone()).map(|e| label(&e.by.to_string()));
            let overwritten =
                first.0 == "type_not_allowed" || first.0 == "tag_mismatch" || first.0 == "endpoint_not_supported";
            if !overwritten {
                assert_eq!(alone.as_deref(), Some(label(first.0).as_str()), "{} before {}", first.0, later.0);
            }
        }
    }
}

#[test]
fn every_test_is_strictly_later_than_now() {
    let passes = |change: Change| excluded(view(1, change), request(1, &key(1, |_| ()))).is_none();
    assert!(passes(|_, v| v.cooldowns = cooling(Scope::All, "server", T0, true)));
    assert!(passes(|_, v| v.windows = Arc::new([window(WindowKind::FiveHour, 1_020_000, 0)])));
    assert!(passes(|_, v| v.unsupported = Arc::new([(Arc::from("claude-sonnet-4-5"), T0)])));
    assert!(passes(|_, v| v.breaker = open(0, false)), "half-open, and nobody else: last resort");
    assert!(passes(|_, v| v.cooldowns = cooling(Scope::Family(family("opus")), "x", T0.plus(DAY), false)));
    assert!(passes(|s, v| (s.daily_budget, v.budget_used, v.budget_resets_at) = (Nanos(1), Nanos(9), T0)));
    assert!(passes(|s, v| (s.max_concurrency, v.slots_used) = (0, 500)), "0 = unlimited");
}

#[test]
fn a_soft_reason_with_a_hard_one_behind_it_is_not_overridden() {
    let soft = |s: &mut AccountSpec, v: &mut AccountView| {
        v.cooldowns = cooling(Scope::All, "server", T0.plus(SECOND), true);
        (s.daily_budget, v.budget_used) = (Nanos(1), Nanos(2));
    };
    let found = excluded(view(1, soft), request(1, &key(1, |_| ()))).unwrap();
    assert_eq!((found.by.to_string().as_str(), found.soft, found.momentary), ("cooldown:all:server", false, false));
    let two = |_: &mut AccountSpec, v: &mut AccountView| {
        let ramp = cooling(Scope::All, "server", T0.plus(HOUR), true);
        let reset = cooling(Scope::Family(family("sonnet")), "rate_limited", T0.plus(MINUTE), false);
        v.cooldowns = ramp.iter().chain(reset.iter()).cloned().collect();
    };
    let found = excluded(view(1, two), request(1, &key(1, |_| ()))).unwrap();
    assert_eq!(found.by.to_string(), "cooldown:family:sonnet:rate_limited");
    assert_eq!((found.soft, found.until), (false, Some(T0.plus(HOUR))));
}

#[test]
fn ccr_is_reached_by_prefix_or_binding_and_dedicated_accounts_by_binding() {
    let ccr = || view(1, |s, _| s.kind = AccountKind::Ccr);
    let mut forced = request(1, &key(1, |_| ()));
    forced.forced = Some(AccountKind::Ccr);
    assert_eq!(excluded(ccr(), forced), None);
    let to_account = request(1, &bound(BindingTarget::Account(AccountId(1))));
    assert_eq!(excluded(ccr(), to_account.clone()), None);
    let grouped = view(1, |s, _| {
        s.kind = AccountKind::Ccr;
        s.groups = vec![Membership::plain(GroupId(4), 1)];
    });
    assert_eq!(excluded(grouped, request(1, &bound(BindingTarget::Group(GroupId(4))))), None);
    assert_eq!(excluded(view(1, |s, _| s.visibility = Visibility::Dedicated), to_account), None);
}
