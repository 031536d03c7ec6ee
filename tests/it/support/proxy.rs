//! Small CONNECT and SOCKS5 proxies that demand user `user` and password `secret`.

use std::cell::Cell;
use std::rc::Rc;

use quotalane::store::proxies::ProxyKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// base64 of `user:secret`.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A running proxy; it ends with the test's runtime.
pub struct Proxy {
    port: u16,
    tunnels: Rc<Cell<usize>>,
}

impl Proxy {
    pub async fn start(kind: ProxyKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, tunnels) = (listener.local_addr().unwrap().port(), Rc::new(Cell::new(0)));
        let count = Rc::clone(&tunnels);
        actix_rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                actix_rt::spawn(serve(kind, client, Rc::clone(&count)));
            }
        });
        Self { port, tunnels }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections that were let through.
    pub fn tunnels(&self) -> usize {
        self.tunnels.get()
    }
}

async fn serve(kind: ProxyKind, mut client: TcpStream, count: Rc<Cell<usize>>) {
    let upstream = match kind {
        ProxyKind::Http | ProxyKind::Https => connect(&mut client).await,
        ProxyKind::Socks5 | ProxyKind::Socks5h => socks(&mut client).await,
    };
    if let Some(mut upstream) = upstream {
        count.set(count.get() + 1);
        let _ = copy_bidirectional(&mut client, &mut upstream).await;
    }
}

async fn connect(client: &mut TcpStream) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let to = head.strip_prefix("CONNECT ")?.split_once(' ')?.0;
    if !head.contains(BASIC) {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        return None;
    }
    let upstream = TcpStream::connect(to).await.ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    Some(upstream)
}

async fn socks(client: &mut TcpStream) -> Option<TcpStream> {
    let mut hello = [0; 2];
    client.read_exact(&mut hello).await.ok()?;
    client.read_exact(&mut vec![0; usize::from(hello[1])]).await.ok()?;
    client.write_all(&[5, 2]).await.ok()?;
    client.read_u8().await.ok()?;
    let login = (text(client).await?, text(client).await?);
    let known = login == ("user".to_owned(), "secret".to_owned());
    client.write_all(&[1, u8::from(!known)]).await.ok()?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await.ok()?).to_string(),
        3 => text(client).await?,
        _ => return None,
    };
    let port = client.read_u16().await.ok()?;
    let upstream = TcpStream::connect((host, port)).await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some(upstream)
}

async fn text(client: &mut TcpStream) -> Option<String> {
    let length = client.read_u8().await.ok()?;
    let mut text = vec![0; usize::from(length)];
    client.read_exact(&mut text).await.ok()?;
    String::from_utf8(text).ok()
}
