//! Clients that leave in the middle: noticed, settled on what was used, nothing left open.

use std::time::Duration;

use bench::http::Connection;
use bench::messages::Ask;

use crate::stage::Stage;
use crate::traffic;
use crate::{checker, rounds, run};

#[test]
fn clients_that_leave_owe_nothing_and_hold_nothing() {
    run(async {
        let stage = Stage::embedded().await?;
        let (to, key) = (stage.relay.plan.listen, stage.key.clone());
        let ((), exchanges) = traffic::during(to, &key, 40, async |log| {
            log.healthy(10).await?;
            for step in 0..40u64 {
                leave(to, &key, Duration::from_millis(10 * step)).await?;
            }
            Ok(())
        })
        .await?;
        let evidence = rounds::settled(&stage, &exchanges, Vec::new()).await?;
        checker::check(&evidence)?;
        let left = evidence.requests.iter().filter(|row| row.status == "cancelled").count();
        anyhow::ensure!(left > 0, "nobody left in the middle: the test proves nothing");
        Ok(())
    });
}

/// Asks for a stream and closes the connection after a while, before the head, in the middle, or at the end.
async fn leave(to: std::net::SocketAddr, key: &str, after: Duration) -> anyhow::Result<()> {
    let host = to.to_string();
    let model = "claude-sonnet-4-5";
    let ask = Ask { host: &host, key, model, stream: true, prompt_bytes: 600, headers: "", marker: "leave " };
    let mut connection = Connection::open(to).await?;
    connection.exchange_within(&ask.bytes(), after).await;
    Ok(())
}
