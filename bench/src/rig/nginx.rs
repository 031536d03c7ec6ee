//! nginx as a plain reverse proxy with keep-alive to the upstream: the yardstick. One process without a master, so that it
//! ends with its owner: a worker would outlive a master that was killed.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::process::{Process, Start};

/// A running nginx.
pub struct Nginx {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Nginx {
    /// Starts it in front of `upstream`; its files are in `dir`.
    pub fn start(upstream: SocketAddr, dir: &Path, core: Option<usize>) -> anyhow::Result<Self> {
        let address = super::free_address()?;
        let config = dir.join("nginx.conf");
        std::fs::create_dir_all(dir.join("nginx-tmp"))?;
        std::fs::write(&config, configuration(upstream, address, dir)?)?;
        let args =
            ["-p".to_owned(), text(dir), "-c".to_owned(), text(&config), "-g".to_owned(), "daemon off;".to_owned()];
        let log = dir.join("nginx.log");
        let program = program();
        let process = Process::start(&Start { program: &program, args: &args, env: &[], core, log: &log })?;
        Ok(Self { process, address })
    }
}

fn program() -> PathBuf {
    let sbin = PathBuf::from("/usr/sbin/nginx");
    if sbin.exists() { sbin } else { PathBuf::from("nginx") }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn configuration(upstream: SocketAddr, listen: SocketAddr, dir: &Path) -> Result<String, std::fmt::Error> {
    let tmp = text(&dir.join("nginx-tmp"));
    let mut paths = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(paths, "    {kind}_temp_path {tmp}/{kind};")?;
    }
    Ok(format!(
        "master_process off;\npid {tmp}/nginx.pid;\nerror_log {tmp}/error.log warn;\n\
         events {{ worker_connections 40000; }}\n\
         http {{\n    access_log off;\n    tcp_nodelay on;\n    keepalive_requests 100000000;\n{paths}\
         \x20   client_max_body_size 100m;\n    client_body_buffer_size 512k;\n\
         \x20   upstream mock {{ server {upstream}; keepalive 1024; keepalive_requests 100000000; }}\n\
         \x20   server {{\n        listen {listen} backlog=4096;\n        location / {{\n\
         \x20           proxy_pass http://mock;\n            proxy_http_version 1.1;\n\
         \x20           proxy_set_header Connection \"\";\n            proxy_buffering off;\n\
         \x20           proxy_read_timeout 3600s;\n        }}\n    }}\n}}\n"
    ))
}
