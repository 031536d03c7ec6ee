//! A year of a thousand subscriptions on a virtual clock: month ends, a leap day, clock changes, unpaid renewals, upgrades.
