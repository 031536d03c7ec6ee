//! Small CONNECT and SOCKS5 proxies that demand a user and a password.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actors::domain::id::ProxyId;
use quotalane::transport::{ProxyKind, ProxyTarget};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::server::Conn;

/// base64 of `user:secret`.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A running proxy. Whatever name it is asked for, it connects to the loopback interface.
pub struct Proxy {
    address: SocketAddr,
    kind: ProxyKind,
    /// What it was asked to connect to.
    pub asked: Rc<RefCell<Vec<String>>>,
    /// Connections it made.
    pub tunnels: Rc<Cell<usize>>,
}

impl Proxy {
    pub async fn start(kind: ProxyKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, tunnels) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let (log, count) = (Rc::clone(&asked), Rc::clone(&tunnels));
        actix_rt::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (log, count) = (Rc::clone(&log), Rc::clone(&count));
                actix_rt::spawn(async move {
                    let tunnel = match kind {
                        ProxyKind::Http => connect(Box::new(tcp), &log).await,
                        ProxyKind::Https => match crate::tls::accept(tcp).await {
                            Ok(io) => connect(Box::new(io), &log).await,
                            Err(_) => None,
                        },
                        ProxyKind::Socks5 | ProxyKind::Socks5h => socks(tcp, &log).await,
                    };
                    if let Some((mut client, mut upstream)) = tunnel {
                        count.set(count.get() + 1);
                        let _ = copy_bidirectional(&mut client, &mut upstream).await;
                    }
                });
            }
        });
        Self { address, kind, asked, tunnels }
    }

    /// How to reach it, with this password.
    pub fn target(&self, password: &str) -> Arc<ProxyTarget> {
        Arc::new(ProxyTarget {
            id: ProxyId(7),
            kind: self.kind,
            host: "proxy.test".to_owned(),
            port: self.address.port(),
            username: Some("user".to_owned()),
            password: Some(password.to_owned().into()),
        })
    }
}

async fn connect(mut io: Conn, log: &RefCell<Vec<String>>) -> Option<(Conn, TcpStream)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let to = head.strip_prefix("CONNECT ")?.split_once(' ')?.0.to_owned();
    log.borrow_mut().push(to.clone());
    if !head.contains(BASIC) {
        io.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 3\r\n\r\nno!").await.unwrap();
        return None;
    }
    let port = to.rsplit_once(':')?.1.parse::<u16>().ok()?;
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)).await else {
        io.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
        return None;
    };
    io.write_all(b"HTTP/1.1 200 Connection established\r\nx-a: b\r\n\r\n").await.unwrap();
    io.flush().await.unwrap();
    Some((io, upstream))
}

async fn socks(mut io: TcpStream, log: &RefCell<Vec<String>>) -> Option<(Conn, TcpStream)> {
    let mut hello = [0; 2];
    io.read_exact(&mut hello).await.ok()?;
    io.read_exact(&mut vec![0; usize::from(hello[1])]).await.ok()?;
    io.write_all(&[5, 2]).await.unwrap();
    io.read_u8().await.ok()?;
    let user = text(&mut io).await?;
    let password = text(&mut io).await?;
    if (user.as_str(), password.as_str()) != ("user", "secret") {
        io.write_all(&[1, 1]).await.unwrap();
        return None;
    }
    io.write_all(&[1, 0]).await.unwrap();
    let mut request = [0; 4];
    io.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(io.read_u32().await.ok()?).to_string(),
        3 => text(&mut io).await?,
        _ => return None,
    };
    let port = io.read_u16().await.ok()?;
    log.borrow_mut().push(format!("{host}:{port}"));
    let upstream = TcpStream::connect(("127.0.0.1", port)).await;
    let code = if upstream.is_ok() { 0 } else { 5 };
    io.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    Some((Box::new(io), upstream.ok()?))
}

async fn text(io: &mut TcpStream) -> Option<String> {
    let length = io.read_u8().await.ok()?;
    let mut text = vec![0; usize::from(length)];
    io.read_exact(&mut text).await.ok()?;
    String::from_utf8(text).ok()
}
