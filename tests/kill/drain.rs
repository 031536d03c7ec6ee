//! SIGTERM under open streams: readiness falls at once, running streams finish, the exit is clean, all usage is in SQL.

use std::net::SocketAddr;
use std::time::Duration;

use bench::http;
use bench::rig::mock::Script;

use crate::stage::Stage;
use crate::traffic;
use crate::{checker, rounds, run};

/// Waits until readiness has fallen.
async fn unready(ops: SocketAddr) {
    while http::get(ops, "/readyz", "").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_stopped_relay_finishes_its_streams() {
    run(async {
        let mut stage = Stage::embedded().await?;
        // Streams of two seconds, 25 a second: about fifty are open when the signal comes.
        stage.mock.script(Script { delay_ms: 200, events: 10 }).await?;
        let (to, ops, key) = (stage.relay.plan.listen, stage.relay.plan.ops, stage.key.clone());
        let process = &mut stage.relay.process;
        let (status, exchanges) = traffic::during(to, &key, 50, async |log| {
            log.healthy(40).await?;
            process.signal("TERM")?;
            tokio::time::timeout(Duration::from_secs(1), unready(ops)).await?;
            process.ended_within(Duration::from_secs(30)).await
        })
        .await?;
        assert_eq!(status.code(), Some(0), "{}", stage.relay.process.log_tail());
        let cut: Vec<_> = exchanges.iter().filter(|e| e.status == 200 && !e.is_whole()).collect();
        assert!(cut.is_empty(), "{} answers were cut, the first: {:?}", cut.len(), cut[0]);
        stage.restart().await?;
        checker::check(&rounds::settled(&stage, &exchanges, Vec::new()).await?)
    });
}
