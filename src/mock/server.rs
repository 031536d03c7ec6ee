//! Accepts connections and answers their requests one after the other.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::reply::{self, Next, Sent};
use super::state::Mock;
use super::wire::{Connection, Request};
use super::{control, route};

/// Serves until told to stop; the connections end with it.
pub(super) async fn accept(listener: TcpListener, mock: Arc<Mock>, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&mock)));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, mock: Arc<Mock>) {
    let Ok(mut connection) = Connection::new(stream) else { return };
    // An unreadable request ends the connection; a client that left has ended it already.
    while let Ok(Some(request)) = connection.request().await {
        if request.path().starts_with("/__mock/") {
            let answer = control::answer(&mock, &request);
            let next = reply::send(&mut connection, answer, &mut Sent::default()).await;
            if next == Next::Close || request.wants_close() {
                return;
            }
            continue;
        }
        match vendor_call(&mut connection, &mock, &request).await {
            Next::KeepAlive if request.wants_close() => return,
            Next::KeepAlive => {}
            Next::Close => return,
            Next::Reset => return connection.reset(),
        }
    }
}

/// A call as the vendor sees it: answered, perhaps broken, and written down.
async fn vendor_call(connection: &mut Connection, mock: &Mock, request: &Request) -> Next {
    let call = mock.call(request);
    let mut answer = route::route(mock, &call, request);
    let fault = mock.fault(&call, request.path());
    if let Some(fault) = &fault {
        answer = fault.apply(answer, call.dialect);
    }
    if let Some(name) = call.dialect.id_header() {
        answer.headers.push((name.into(), call.id()));
    }
    let logged = mock.log_start(&call, request, &answer, fault.map(|fault| fault.kind));
    let mut sent = Sent::default();
    let next = reply::send(connection, answer, &mut sent).await;
    if logged {
        mock.log_end(&call, sent);
    }
    next
}
