//! Scheduled tests of credentials (`scheduling.md` §17): every account that can be tested at no cost, a few at a time, each
//! with patience and a few more tries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::AccountsHandle;
use super::messages::{Checked, GetTestable, Testable};
use crate::domain::id::AccountId;
use crate::ports::Vendor;

/// Accounts that are tested at once.
const PARALLEL: usize = 5;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pauses before the further tries. A refusal is an answer and is not tried again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Tests every account that can be tested. Returns how many were.
pub async fn round(accounts: AccountsHandle, vendor: Arc<dyn Vendor>) -> u64 {
    let (accounts, vendor) = (&accounts, &vendor);
    let tests = stream::iter(accounts.ids()).map(|id| async move { one(accounts, vendor, id).await });
    let tested = tests.buffer_unordered(PARALLEL).filter(|tested| std::future::ready(*tested)).count().await;
    tested as u64
}

/// Tests one account and tells its actor. False = it cannot be tested now.
async fn one(accounts: &AccountsHandle, vendor: &Arc<dyn Vendor>, id: AccountId) -> bool {
    let Some(testable) = testable(accounts, id).await else { return false };
    let accepted = asked(vendor, &testable).await;
    // An account that has gone meanwhile needs no word.
    accounts.directory.get(id).is_some_and(|mailbox| mailbox.tell(Checked { accepted }).is_ok())
}

async fn testable(accounts: &AccountsHandle, id: AccountId) -> Option<Testable> {
    let (reply, answer) = oneshot::channel();
    accounts.directory.get(id)?.tell(GetTestable(reply)).ok()?;
    answer.await.ok()?
}

/// What the vendor says; `None` = it said nothing, however often it was asked.
async fn asked(vendor: &Arc<dyn Vendor>, testable: &Testable) -> Option<bool> {
    let ask = || timeout(PATIENCE, vendor.probe(Arc::clone(&testable.spec), Arc::clone(&testable.credential)));
    let mut answer = ask().await;
    for pause in PAUSES {
        if matches!(answer, Ok(Ok(_))) {
            break;
        }
        sleep(pause).await;
        answer = ask().await;
    }
    answer.ok()?.ok()
}
