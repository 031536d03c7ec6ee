//! A database server that freezes: calls end in time, and work goes on when it thaws.

use std::time::Duration;

use quotalane::store::usage::{self, RequestFilter};
use quotalane::store::{Db, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::builders::{NOW, UTC, batch, event};
use crate::servers::each_db;

/// Forwards bytes both ways, except while frozen.
async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    frozen: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let mut frozen = frozen.clone();
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn proxy(server: String, frozen: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(upstream) = TcpStream::connect(&server).await else { continue };
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), upstream.into_split());
            tokio::spawn(forward(from_client, to_server, frozen.clone()));
            tokio::spawn(forward(from_server, to_client, frozen.clone()));
        }
    });
    port
}

#[tokio::test]
async fn a_frozen_server_costs_four_seconds_and_loses_nothing() {
    each_db(|test| async move {
        let Some((_, rest)) = test.url.split_once("mysql://").filter(|_| test.db.file().is_none()) else { return };
        let (login, address) = rest.rsplit_once('@').unwrap_or(("root", rest));
        let (address, name) = address.split_once('/').unwrap();
        let (freeze, frozen) = watch::channel(false);
        let port = proxy(address.to_owned(), frozen).await;
        let db = Db::open(&test.io, &format!("mysql://{login}@127.0.0.1:{port}/{name}")).await.unwrap();
        usage::store(&db, "i1", UTC, batch(vec![event(1, 7, 9)], 1), NOW).await.unwrap();

        freeze.send(true).unwrap();
        let (started, all) = (tokio::time::Instant::now(), RequestFilter::default());
        let (read, ping) = tokio::join!(usage::list(&db, &all, 10), db.ping());
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        for error in [read.unwrap_err(), ping.unwrap_err()] {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        let late = tokio::spawn({
            let db = db.clone();
            async move { usage::store(&db, "i1", UTC, batch(vec![event(2, 7, 9)], 2), NOW).await }
        });
        tokio::task::yield_now().await;

        freeze.send(false).unwrap();
        let back = async {
            while db.ping().await.is_err() {}
            while late.is_finished() && usage::store(&db, "i1", UTC, batch(vec![event(2, 7, 9)], 2), NOW).await.is_err()
            {
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
        drop(late.await);
        usage::store(&db, "i1", UTC, batch(vec![event(2, 7, 9)], 2), NOW).await.unwrap();
        assert_eq!(usage::list(&db, &RequestFilter::default(), 10).await.unwrap().len(), 2);
        db.close().await;
    })
    .await;
}
