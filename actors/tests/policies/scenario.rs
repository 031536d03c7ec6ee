//! Which accounts there are, how much is asked of them, and what is wrong with some.

use actors::domain::time::{HOUR, MINUTE};

/// Weekly capacity of a subscription, in windows of five hours.
const WEEK_IN_WINDOWS: i64 = 10;
/// What a small plan gives in five hours: a million tokens, in hundredths.
const SMALL: i64 = 100_000_000;

/// What a vendor sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Windows of five hours and seven days; so many times the small plan.
    Subscription(i64),
    /// So many fresh input tokens in a minute, and nothing else.
    Minute(i64),
}

/// One account.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    pub plan: Plan,
    /// This part of its calls fails while it is ill, which it is for half an hour in every three.
    pub ill_percent: i64,
    /// Somebody else uses this part of its weekly capacity.
    pub shared_percent: i64,
}

impl Account {
    const fn of(plan: Plan) -> Self {
        Self { plan, ill_percent: 0, shared_percent: 0 }
    }

    /// Capacity of five hours, in hundredths of a token.
    pub fn window(&self) -> i64 {
        match self.plan {
            Plan::Subscription(times) => times * SMALL,
            Plan::Minute(tokens) => tokens * 100 * 5 * HOUR / MINUTE,
        }
    }

    pub fn weekly(&self) -> i64 {
        match self.plan {
            Plan::Subscription(_) => self.window() * WEEK_IN_WINDOWS,
            // At the price of fresh input alone; peaks need much more than the average.
            Plan::Minute(_) => self.window() / 5 * 7 * 24,
        }
    }
}

pub struct Scenario {
    pub name: &'static str,
    pub accounts: Vec<Account>,
    /// Demand in percent of the weekly capacity, when no cache is lost.
    pub load_percent: i64,
}

/// Four small, five middle and three large plans.
fn mixed() -> Vec<Account> {
    let times = [1, 1, 1, 1, 5, 5, 5, 5, 5, 20, 20, 20];
    times.into_iter().map(|times| Account::of(Plan::Subscription(times))).collect()
}

impl Scenario {
    pub fn all() -> Vec<Self> {
        let (mut ill, mut shared) = (mixed(), mixed());
        (ill[5].ill_percent, ill[10].ill_percent) = (40, 40);
        (shared[4].shared_percent, shared[11].shared_percent) = (50, 50);
        let equal = vec![Account::of(Plan::Subscription(5)); 12];
        let tokens = [20_000, 20_000, 40_000, 40_000, 80_000, 80_000, 80_000, 400_000];
        let minute = tokens.into_iter().map(|tokens| Account::of(Plan::Minute(tokens))).collect();
        vec![
            Self { name: "mixed plans, 60 % load", accounts: mixed(), load_percent: 60 },
            Self { name: "mixed plans, 90 % load", accounts: mixed(), load_percent: 90 },
            Self { name: "mixed plans, 130 % load", accounts: mixed(), load_percent: 130 },
            Self { name: "equal plans, 90 % load", accounts: equal, load_percent: 90 },
            Self { name: "two ill accounts, 60 % load", accounts: ill, load_percent: 60 },
            Self { name: "two accounts shared with people, 70 % load", accounts: shared, load_percent: 70 },
            Self { name: "limits per minute only", accounts: minute, load_percent: 30 },
        ]
    }
}
