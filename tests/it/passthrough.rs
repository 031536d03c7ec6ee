//! What goes through unchanged.

use crate::support::app::{ask, spawn_app};

#[actix_rt::test]
async fn a_message_and_a_stream_go_through() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let whole = app.messages(&key, &ask(false)).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let stream = app.messages(&key, &ask(true)).await;
    assert_eq!(stream.status, 200, "{}", stream.text());
    assert_eq!(app.rows().await.len(), 2);
    app.finish().await;
}
