//! What a client's connection may cost: a peer that takes nothing is cut by the kernel, and little waits there for it
//! (`reliability.md` R12). The relay settles a stalled stream by itself after 60 s; this ends the connection under it.

use std::any::Any;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

/// Data that the peer does not take for so long ends the connection.
const STALLED: Duration = Duration::from_secs(65);
/// Bytes that wait in the kernel before they are sent; above it, the server is not asked for more.
const UNSENT: u32 = 128 * 1024;

/// Sets up an accepted connection. One that cannot be set up works all the same.
pub fn tune(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let set = socket.set_tcp_user_timeout(Some(STALLED)).and_then(|()| socket.set_tcp_notsent_lowat(UNSENT));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection keeps the system's limits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_connection_has_our_limits() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, dialled) = futures_util::future::join(listener.accept(), dial).await;
        let (accepted, _dialled) = (accepted.unwrap().0, dialled.unwrap());
        tune(&accepted);
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(STALLED));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT);
    }
}
