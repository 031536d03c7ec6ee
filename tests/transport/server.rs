//! A server that does what a script says, byte for byte.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Either kind of connection.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A connection that the script speaks on.
pub type Conn = Box<dyn Io>;

/// A running server; it ends with the test's runtime.
pub struct Server {
    pub address: SocketAddr,
    tls: bool,
    connections: Rc<Cell<usize>>,
    requests: Rc<RefCell<Vec<String>>>,
}

/// What a script gets for each connection.
pub struct Talk {
    pub io: Conn,
    /// 0 for the first connection.
    pub number: usize,
    requests: Rc<RefCell<Vec<String>>>,
}

impl Server {
    /// Plain HTTP.
    pub async fn plain<F: Future<Output = ()> + 'static>(script: impl Fn(Talk) -> F + 'static) -> Self {
        Self::start(false, script).await
    }

    /// HTTP in TLS with a certificate for [`crate::NAME`].
    pub async fn tls<F: Future<Output = ()> + 'static>(script: impl Fn(Talk) -> F + 'static) -> Self {
        Self::start(true, script).await
    }

    async fn start<F: Future<Output = ()> + 'static>(tls: bool, script: impl Fn(Talk) -> F + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
        let (counted, seen) = (Rc::clone(&connections), Rc::clone(&requests));
        actix_rt::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = counted.replace(counted.get() + 1);
                let io: Conn = if tls {
                    let Ok(io) = crate::tls::accept(tcp).await else { continue };
                    Box::new(io)
                } else {
                    Box::new(tcp)
                };
                actix_rt::spawn(script(Talk { io, number, requests: Rc::clone(&seen) }));
            }
        });
        Self { address, tls, connections, requests }
    }

    /// URL of a path, by name.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{path}", crate::NAME, self.address.port())
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Heads and bodies of the requests read so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.borrow().clone()
    }
}

impl Talk {
    /// Reads one request with a declared length; `None` when the client has left.
    pub async fn request(&mut self) -> Option<String> {
        let mut got = Vec::new();
        let end = loop {
            if let Some(at) = got.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if self.io.read_buf(&mut got).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        while got.len() < end + length {
            if self.io.read_buf(&mut got).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&got).into_owned();
        self.requests.borrow_mut().push(text.clone());
        Some(text)
    }

    pub async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.io.write_all(text.as_ref()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    /// Answers every request of the connection with `ok`.
    pub async fn serve(mut self) {
        while self.request().await.is_some() {
            self.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    }

    /// Reads until the client closes.
    pub async fn until_closed(mut self) {
        let mut rest = [0; 1024];
        while self.io.read(&mut rest).await.is_ok_and(|n| n > 0) {}
    }
}
