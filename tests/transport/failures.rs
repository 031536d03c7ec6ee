//! Failures before the answer, each with its own name.

use std::time::Duration;

use bytes::Bytes;
use quotalane::transport::TransportError;
use tokio::net::TcpListener;

use crate::server::Server;
use crate::{egress, post};

#[actix_rt::test]
async fn a_refused_connection_and_an_unknown_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = egress().send(post(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(refused, TransportError::Connect(std::io::ErrorKind::ConnectionRefused));
    assert_eq!(egress().send(post("https://nowhere.test/".to_owned())).await.unwrap_err(), TransportError::Dns);
}

#[actix_rt::test]
async fn a_server_that_hangs_before_the_first_byte() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await;
        talk.until_closed().await;
    })
    .await;
    let mut call = post(server.url("/"));
    call.first_byte_timeout = Duration::from_millis(50);
    assert_eq!(egress().send(call).await.unwrap_err(), TransportError::FirstByteTimeout);
}

#[actix_rt::test]
async fn a_handshake_that_hangs_is_a_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = post(format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port()));
    call.connect_timeout = Duration::from_millis(50);
    assert_eq!(egress().send(call).await.unwrap_err(), TransportError::ConnectTimeout);
}

#[actix_rt::test]
async fn an_answer_that_is_not_http() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await;
        talk.say("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
        talk.until_closed().await;
    })
    .await;
    assert_eq!(egress().send(post(server.url("/"))).await.unwrap_err().label(), "malformed");
}

/// Reads a little of a large upload, answers if told so, and closes.
async fn refuses_uploads(tls: bool, answers: bool) -> Server {
    let script = move |mut talk: crate::server::Talk| async move {
        let mut some = [0; 4096];
        let _ = tokio::io::AsyncReadExt::read(&mut talk.io, &mut some).await;
        if answers {
            talk.say("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbig!").await;
        }
    };
    if tls { Server::tls(script).await } else { Server::plain(script).await }
}

#[actix_rt::test]
async fn an_early_413_is_read_or_at_least_named() {
    for tls in [false, true] {
        let server = refuses_uploads(tls, true).await;
        let mut call = post(server.url("/"));
        call.body = Bytes::from(vec![b'x'; 32 << 20]);
        match egress().send(call).await {
            Ok(answer) => assert_eq!(answer.status, 413),
            Err(error) => assert_eq!(error, TransportError::TooLarge, "tls {tls}"),
        }
    }
}

#[actix_rt::test]
async fn an_upload_that_is_closed_without_an_answer() {
    for tls in [false, true] {
        let server = refuses_uploads(tls, false).await;
        let mut call = post(server.url("/"));
        call.body = Bytes::from(vec![b'x'; 32 << 20]);
        assert_eq!(egress().send(call).await.unwrap_err(), TransportError::TooLarge);
        assert_eq!(egress().send(post(server.url("/"))).await.unwrap_err(), TransportError::Reset);
    }
}
