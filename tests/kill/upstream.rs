//! Upstreams that fail: before the first content byte the client notices nothing, afterwards it is told the truth.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stage::{CREDENTIALS, Stage};
use crate::traffic::{self, Exchange};
use crate::{checker, rounds, run};

/// Calls per second, half of them streams.
const RATE: u32 = 60;
/// Calls that each fault breaks.
const HITS: usize = 4;

#[test]
fn what_fails_before_content_is_tried_elsewhere() {
    run(async {
        let mut stage = Stage::embedded().await?;
        let mut all = Vec::new();
        for fault in [
            json!({"kind": "status", "status": 429, "headers": {"retry-after": "30"}}),
            json!({"kind": "status", "status": 529}),
            json!({"kind": "status", "status": 500}),
            json!({"kind": "status", "status": 503}),
            json!({"kind": "reset_before"}),
            json!({"kind": "error_event_first"}),
            json!({"kind": "empty200"}),
            json!({"kind": "html200"}),
        ] {
            let exchanges = under(&mut stage, &fault, false).await?;
            let failed: Vec<&Exchange> = exchanges.iter().filter(|exchange| !exchange.is_whole()).collect();
            anyhow::ensure!(failed.is_empty(), "{fault}: {} calls failed, the first: {:?}", failed.len(), failed[0]);
            all.extend(exchanges);
        }
        checker::check(&rounds::settled(&stage, &all, Vec::new()).await?)
    });
}

#[test]
fn what_fails_after_content_ends_as_an_error() {
    run(async {
        let mut stage = Stage::embedded().await?;
        let mut all = Vec::new();
        for kind in ["reset_mid", "truncate", "clean_end", "no_terminal", "error_event"] {
            let fault = json!({"kind": kind, "after_events": 6});
            let exchanges = under(&mut stage, &fault, true).await?;
            let broken: Vec<&Exchange> = exchanges.iter().filter(|exchange| !exchange.is_whole()).collect();
            anyhow::ensure!(!broken.is_empty(), "{kind}: no client saw the fault");
            let silent = broken.iter().find(|exchange| !exchange.facts.error);
            anyhow::ensure!(silent.is_none(), "{kind}: the client was not told: {silent:?}");
            all.extend(exchanges);
        }
        let evidence = rounds::settled(&stage, &all, Vec::new()).await?;
        checker::check(&evidence)?;
        let truncated = evidence.requests.iter().filter(|row| row.status == "truncated").count();
        anyhow::ensure!(truncated > 0, "no row says `truncated`");
        Ok(())
    });
}

/// Load on three healthy accounts while one of them breaks some calls (only streams, when `streams`). The fault must
/// really have happened.
async fn under(stage: &mut Stage, fault: &Value, streams: bool) -> anyhow::Result<Vec<Exchange>> {
    stage.heal().await?;
    let before = stage.mock.calls().await?.iter().filter(|call| !call.rest["fault"].is_null()).count();
    let (to, key, mock) = (stage.relay.plan.listen, stage.key.clone(), &stage.mock);
    let ((), exchanges) = traffic::during(to, &key, RATE, async |log| {
        log.healthy(10).await?;
        for credential in CREDENTIALS.iter().take(if streams { 3 } else { 1 }) {
            let matching = json!({"credential": credential, "path": "/v1/messages"});
            mock.fault(&json!({"match": matching, "times": HITS, "fault": fault})).await?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while mock.calls().await?.iter().filter(|call| !call.rest["fault"].is_null()).count() <= before {
            anyhow::ensure!(Instant::now() < deadline, "{fault} did not happen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let wanted = log.whole() + 30;
        log.healthy(wanted).await
    })
    .await?;
    bench::http::post(stage.mock.address, "DELETE", "/__mock/faults", "", "{}").await?;
    Ok(exchanges)
}
