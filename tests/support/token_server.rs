//! A tiny vendor: records what it is asked and answers from a script. It is a CONNECT proxy, too, and counts its tunnels.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A call that was received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `POST /token`
    pub line: String,
    /// Header lines in lower case.
    pub head: String,
    pub body: String,
    /// How many calls of the same line came before.
    pub before: usize,
}

impl Seen {
    /// A field of a form, decoded, or of a JSON object.
    pub fn field(&self, name: &str) -> Option<String> {
        if self.body.starts_with('{') {
            let json: serde_json::Value = serde_json::from_str(&self.body).ok()?;
            return json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        }
        form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Script = dyn Fn(&Seen) -> (u16, String) + Send + Sync;

/// A running server; it ends with the process.
#[derive(Clone)]
pub struct TokenServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    tunnels: Arc<Mutex<usize>>,
}

impl TokenServer {
    /// Starts on a thread of its own, so that tests may stop their clock.
    pub fn start(script: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), tunnels: Arc::default() };
        let (this, script): (_, Arc<Script>) = (server.clone(), Arc::new(script));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(this.clone().serve(tcp, Arc::clone(&script)));
                }
            });
        });
        server
    }

    /// An address below it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Calls whose line begins so, oldest first.
    pub fn seen(&self, line: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.line.starts_with(line)).cloned().collect()
    }

    /// Tunnels that were made.
    pub fn tunnels(&self) -> usize {
        *self.tunnels.lock().unwrap()
    }

    async fn serve(self, tcp: TcpStream, script: Arc<Script>) {
        let mut io = BufReader::new(tcp);
        while let Some(mut seen) = read(&mut io).await {
            if let Some(to) = seen.line.strip_prefix("CONNECT ") {
                let mut upstream = TcpStream::connect(to).await.unwrap();
                *self.tunnels.lock().unwrap() += 1;
                io.write_all(b"HTTP/1.1 200 ok\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut io, &mut upstream).await;
                return;
            }
            {
                let mut all = self.seen.lock().unwrap();
                seen.before = all.iter().filter(|other| other.line == seen.line).count();
                all.push(seen.clone());
            }
            let (status, body) = script(&seen);
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if io.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn read(io: &mut BufReader<TcpStream>) -> Option<Seen> {
    let (mut line, mut head) = (String::new(), String::new());
    io.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    loop {
        let mut header = String::new();
        io.read_line(&mut header).await.ok()?;
        if header.trim().is_empty() {
            break;
        }
        head += &header.to_ascii_lowercase();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    io.read_exact(&mut body).await.ok()?;
    let line = line.rsplit_once(' ').map_or(line.clone(), |(line, _)| line.to_owned());
    Some(Seen { line, head, body: String::from_utf8(body).unwrap(), before: 0 })
}
