//! One batch into SQL, the counters and the journal, in this order.

use std::sync::Arc;

use crate::ports::{BatchReceipt, PortError, UsageBatch, UsageSink};

/// SQL decides. Counters are repaired from SQL and the journal is acknowledged again with the next batch, so their
/// failures change nothing.
pub(super) async fn write(sink: Arc<dyn UsageSink>, batch: Arc<UsageBatch>) -> Result<BatchReceipt, PortError> {
    let receipt = sink.store(Arc::clone(&batch)).await?;
    if !batch.events.is_empty() {
        report("usage counters missed a batch", &sink.count(Arc::clone(&batch)).await);
    }
    report("journal not acknowledged", &sink.acknowledge(batch.positions.clone()).await);
    Ok(receipt)
}

/// Logs a failure that is handled.
pub(super) fn report<T>(what: &'static str, result: &Result<T, PortError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}
