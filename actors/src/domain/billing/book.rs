//! The double-entry book: ledgers, their accounts, and transactions that sum to zero (`billing.md` §6).
//!
//! Sign: credit is positive, because a user's balance is what we owe; debit is negative.

use std::fmt;

use super::cash::Currency;
use crate::domain::id::{BucketId, UserId};

/// A set of accounts in one unit. One transaction never spans two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookLedger {
    /// Credit, in nano-USD.
    Credit,
    /// Payments, in minor units of the currency.
    Pay(Currency),
    /// Token quotas.
    Tokens,
    /// Request quotas.
    Requests,
}

impl fmt::Display for BookLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credit => f.write_str("CREDIT"),
            Self::Pay(currency) => write!(f, "PAY:{}", currency.as_str()),
            Self::Tokens => f.write_str("QTA:tokens"),
            Self::Requests => f.write_str("QTA:requests"),
        }
    }
}

impl BookLedger {
    /// The ledger with this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "CREDIT" => Some(Self::Credit),
            "QTA:tokens" => Some(Self::Tokens),
            "QTA:requests" => Some(Self::Requests),
            _ => name.strip_prefix("PAY:").and_then(Currency::parse).map(Self::Pay),
        }
    }
}

/// Where value that we give comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issue {
    /// Bought credit.
    Topup,
    /// Gifts and bonuses.
    Promo,
    /// Quota of a plan.
    Plan,
    /// What a plan change left over.
    Proration,
}

/// Where value goes to, or an outside reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Used by requests.
    Usage,
    /// Paid for plans.
    Sales,
    /// Expired or given up.
    Breakage,
    /// Corrected by an administrator.
    Adjustment,
    /// Used without cover.
    Writeoff,
    /// In vouchers.
    Voucher,
    /// Brought from another system.
    Import,
}

/// What money was received for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receipt {
    /// Credit.
    Topup,
    /// A plan.
    Plan,
    /// Something beside a plan.
    Addon,
}

/// An account of the book.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookAccount {
    /// What a user may spend on anything.
    Wallet(UserId),
    /// What a user may spend from one bucket.
    Bucket(UserId, BucketId),
    /// Source of given value.
    Issue(Issue),
    /// Ours.
    Platform(Platform),
    /// What a payment provider owes us.
    Clearing(String),
    /// What a payment provider kept.
    Fees(String),
    /// Money received.
    Receipts(Receipt),
    /// Money taken back by a bank.
    Chargeback,
}

impl fmt::Display for BookAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(user) => write!(f, "user:{user}:wallet"),
            Self::Bucket(user, bucket) => write!(f, "user:{user}:bucket:{bucket}"),
            Self::Issue(issue) => write!(f, "platform:issue:{}", issue.as_str()),
            Self::Platform(platform) => write!(f, "platform:{}", platform.as_str()),
            Self::Clearing(instance) => write!(f, "external:{instance}:clearing"),
            Self::Fees(instance) => write!(f, "external:{instance}:fees"),
            Self::Receipts(receipt) => write!(f, "platform:receipts:{}", receipt.as_str()),
            Self::Chargeback => f.write_str("platform:chargeback"),
        }
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in SQL and JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The one with this word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}
pub(super) use words;

words!(Issue { Topup = "topup", Promo = "promo", Plan = "plan", Proration = "proration" });
words!(Platform {
    Usage = "usage",
    Sales = "sales",
    Breakage = "breakage",
    Adjustment = "adjustment",
    Writeoff = "writeoff",
    Voucher = "voucher",
    Import = "import",
});
words!(Receipt { Topup = "topup", Plan = "plan", Addon = "addon" });

impl BookAccount {
    /// The account with this code; what is stored is read back by it.
    pub fn parse(code: &str) -> Option<Self> {
        let parts: Vec<&str> = code.split(':').collect();
        let user = |id: &str| id.parse().ok().map(UserId);
        match parts.as_slice() {
            ["user", id, "wallet"] => Some(Self::Wallet(user(id)?)),
            ["user", id, "bucket", bucket] => Some(Self::Bucket(user(id)?, bucket.parse().ok().map(BucketId)?)),
            ["platform", "issue", word] => Issue::parse(word).map(Self::Issue),
            ["platform", "receipts", word] => Receipt::parse(word).map(Self::Receipts),
            ["platform", "chargeback"] => Some(Self::Chargeback),
            ["platform", word] => Platform::parse(word).map(Self::Platform),
            ["external", instance, "clearing"] => Some(Self::Clearing((*instance).to_owned())),
            ["external", instance, "fees"] => Some(Self::Fees((*instance).to_owned())),
            _ => None,
        }
    }

    /// Whose account it is, for lists of a user's own movements.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Wallet(user) | Self::Bucket(user, _) => Some(*user),
            _ => None,
        }
    }

    /// True when the account exists in the ledger.
    pub const fn belongs_in(&self, ledger: BookLedger) -> bool {
        match (self, ledger) {
            (Self::Wallet(_), BookLedger::Credit) | (Self::Bucket(..), _) => !matches!(ledger, BookLedger::Pay(_)),
            (Self::Issue(Issue::Plan | Issue::Promo), BookLedger::Tokens | BookLedger::Requests) => true,
            (Self::Issue(_), BookLedger::Credit) => true,
            (Self::Platform(Platform::Sales | Platform::Writeoff), BookLedger::Tokens | BookLedger::Requests) => false,
            (Self::Platform(_), _) => !matches!(ledger, BookLedger::Pay(_)),
            (Self::Clearing(_) | Self::Fees(_) | Self::Receipts(_) | Self::Chargeback, BookLedger::Pay(_)) => true,
            _ => false,
        }
    }
}

/// What a transaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TxnKind {
    /// Credit was bought.
    Topup,
    /// A bonus on bought credit.
    TopupBonus,
    /// A plan was bought.
    Purchase,
    /// A plan was renewed.
    Renewal,
    /// A plan was changed.
    Change,
    /// Requests were charged.
    UsageBatch,
    /// Value was given.
    Grant,
    /// Given value was not used in time.
    GrantExpire,
    /// Unused quota went over into the next period.
    Rollover,
    /// A purchase was undone.
    Refund,
    /// A bank took money back.
    Chargeback,
    /// An administrator corrected a balance.
    Adjust,
    /// Value went from one user to another.
    Transfer,
    /// Usage that nobody pays.
    Writeoff,
    /// Brought from another system.
    Import,
}

words!(TxnKind {
    Topup = "topup",
    TopupBonus = "topup_bonus",
    Purchase = "purchase",
    Renewal = "renewal",
    Change = "change",
    UsageBatch = "usage_batch",
    Grant = "grant",
    GrantExpire = "grant_expire",
    Rollover = "rollover",
    Refund = "refund",
    Chargeback = "chargeback",
    Adjust = "adjust",
    Transfer = "transfer",
    Writeoff = "writeoff",
    Import = "import",
});

/// One line of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which account.
    pub account: BookAccount,
    /// How much, in the ledger's unit; never 0.
    pub amount: i64,
}

/// Entries that belong together and sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    kind: TxnKind,
    ledger: BookLedger,
    entries: Vec<Entry>,
}

/// Why entries are not a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// The amounts do not cancel out.
    #[error("the entries sum to {0}, not to zero")]
    Unbalanced(i128),
    /// A line moves nothing, or there are fewer than two.
    #[error("a transaction needs two entries, none of them zero")]
    Empty,
    /// The account is of another ledger.
    #[error("account {0} does not belong in ledger {1}")]
    WrongLedger(String, String),
    /// Entries of one account leave the range of an amount.
    #[error("amount out of range")]
    Overflow,
}

impl Txn {
    /// Checks and joins entries: lines of the same account become one, lines that cancel out vanish; the rest is ordered by
    /// account, so that equal transactions are equal values.
    pub fn new(
        kind: TxnKind,
        ledger: BookLedger,
        entries: impl IntoIterator<Item = (BookAccount, i64)>,
    ) -> Result<Self, BookFault> {
        let mut sums = std::collections::BTreeMap::<BookAccount, i64>::new();
        for (account, amount) in entries {
            if !account.belongs_in(ledger) {
                return Err(BookFault::WrongLedger(account.to_string(), ledger.to_string()));
            }
            let sum = sums.entry(account).or_default();
            *sum = sum.checked_add(amount).ok_or(BookFault::Overflow)?;
        }
        let entries: Vec<Entry> = sums
            .into_iter()
            .filter(|(_, amount)| *amount != 0)
            .map(|(account, amount)| Entry { account, amount })
            .collect();
        let sum: i128 = entries.iter().map(|entry| i128::from(entry.amount)).sum();
        if sum != 0 {
            return Err(BookFault::Unbalanced(sum));
        }
        if entries.len() < 2 {
            return Err(BookFault::Empty);
        }
        Ok(Self { kind, ledger, entries })
    }

    /// The same, undone.
    #[must_use]
    pub fn reversed(&self, kind: TxnKind) -> Option<Self> {
        let negated: Option<Vec<Entry>> = self
            .entries
            .iter()
            .map(|entry| Some(Entry { account: entry.account.clone(), amount: entry.amount.checked_neg()? }))
            .collect();
        Some(Self { kind, ledger: self.ledger, entries: negated? })
    }

    /// What it is about.
    pub const fn kind(&self) -> TxnKind {
        self.kind
    }

    /// In which ledger.
    pub const fn ledger(&self) -> BookLedger {
        self.ledger
    }

    /// The lines, in the order of their accounts.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId(1);

    #[test]
    fn a_transaction_sums_to_zero_in_one_ledger() {
        let wallet = || BookAccount::Wallet(USER);
        let sales = || BookAccount::Platform(Platform::Sales);
        let credit = |entries: Vec<(BookAccount, i64)>| Txn::new(TxnKind::Purchase, BookLedger::Credit, entries);
        let bought = credit(vec![(wallet(), -5), (sales(), 5)]).unwrap();
        assert_eq!(bought, credit(vec![(sales(), 5), (wallet(), -3), (wallet(), -2)]).unwrap());
        assert_eq!(bought.reversed(TxnKind::Refund).unwrap().entries()[0].amount, 5);
        assert_eq!(credit(vec![(wallet(), -5), (sales(), 4)]), Err(BookFault::Unbalanced(-1)));
        assert_eq!(credit(vec![(wallet(), -5), (wallet(), 5)]), Err(BookFault::Empty));
        assert_eq!(credit(Vec::new()), Err(BookFault::Empty));
        assert_eq!(credit(vec![(wallet(), i64::MAX), (wallet(), 1)]), Err(BookFault::Overflow));
        let stray = credit(vec![(BookAccount::Chargeback, 5), (wallet(), -5)]);
        assert!(matches!(stray, Err(BookFault::WrongLedger(..))));
    }

    #[test]
    fn codes_name_accounts_and_are_read_back() {
        let accounts = [
            (BookAccount::Wallet(USER), "user:1:wallet"),
            (BookAccount::Bucket(USER, BucketId(7)), "user:1:bucket:7"),
            (BookAccount::Issue(Issue::Proration), "platform:issue:proration"),
            (BookAccount::Platform(Platform::Breakage), "platform:breakage"),
            (BookAccount::Clearing("stripe-main".into()), "external:stripe-main:clearing"),
            (BookAccount::Fees("stripe-main".into()), "external:stripe-main:fees"),
            (BookAccount::Receipts(Receipt::Plan), "platform:receipts:plan"),
            (BookAccount::Chargeback, "platform:chargeback"),
        ];
        for (account, code) in accounts {
            assert_eq!((account.to_string().as_str(), BookAccount::parse(code)), (code, Some(account.clone())));
        }
        assert_eq!(BookAccount::parse("user:x:wallet"), None);
        assert_eq!(BookAccount::parse("platform:gifts"), None);
        for ledger in [BookLedger::Credit, BookLedger::Pay(Currency::Cny), BookLedger::Tokens, BookLedger::Requests] {
            assert_eq!(BookLedger::parse(&ledger.to_string()), Some(ledger));
        }
        for kind in TxnKind::ALL {
            assert_eq!(TxnKind::parse(kind.as_str()), Some(*kind));
        }
    }
}
