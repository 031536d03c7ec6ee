//! Private stores of a fault test: a MariaDB and a Redis of its own, which it may freeze, kill and start again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::process::{self, Process, Start};

/// A store on a port and directory that stay the same across restarts.
pub struct Store {
    /// Where it listens.
    pub address: SocketAddr,
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Store {
    /// An empty Redis that appends every write to disk, as production does.
    pub async fn redis(dir: &Path) -> anyhow::Result<Self> {
        let dir = fresh(dir, "redis")?;
        let address = super::free_address()?;
        let port = address.port().to_string();
        let flags = ["--port", &port, "--bind", "127.0.0.1", "--dir", &text(&dir), "--appendonly", "yes", "--save", ""];
        let args = flags.map(str::to_owned).to_vec();
        let mut store = Self { address, program: find("redis-server")?, args, log: dir.join("log"), process: None };
        store.start().await?;
        Ok(store)
    }

    /// A MariaDB with an empty database `quotalane`; user and password are `quotalane` too.
    pub async fn mariadb(dir: &Path) -> anyhow::Result<Self> {
        let dir = fresh(dir, "mariadb")?;
        let address = super::free_address()?;
        let (data, socket, init) = (dir.join("data"), dir.join("sock"), dir.join("init.sql"));
        let user =
            if process::run(Path::new("id"), &["-u".to_owned()], &[], None)?.trim() == "0" { "root" } else { "" };
        let mut install = vec!["--no-defaults".to_owned(), format!("--datadir={}", text(&data))];
        install.extend(["--auth-root-authentication-method=normal", "--skip-test-db"].map(str::to_owned));
        let mut args = vec!["--no-defaults".to_owned(), format!("--datadir={}", text(&data))];
        if !user.is_empty() {
            install.push(format!("--user={user}"));
            args.push(format!("--user={user}"));
        }
        process::run(&find("mariadb-install-db")?, &install, &[], None)?;
        std::fs::write(
            &init,
            "CREATE DATABASE IF NOT EXISTS quotalane;\nCREATE USER IF NOT EXISTS 'quotalane'@'%' IDENTIFIED BY 'quotalane';\nGRANT ALL ON *.* TO 'quotalane'@'%';\nCREATE USER IF NOT EXISTS 'quotalane'@'localhost' IDENTIFIED BY 'quotalane';\nGRANT ALL ON *.* TO 'quotalane'@'localhost';\n",
        )?;
        args.extend([
            format!("--socket={}", text(&socket)),
            format!("--port={}", address.port()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--init-file={}", text(&init)),
            "--skip-log-bin".to_owned(),
            "--character-set-server=utf8mb4".to_owned(),
        ]);
        let mut store = Self { address, program: find("mariadbd")?, args, log: dir.join("log"), process: None };
        store.start().await?;
        Ok(store)
    }

    /// Starts it, on the data that is there, and waits until it accepts connections.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let start = Start { program: &self.program, args: &self.args, env: &[], core: None, log: &self.log };
        let mut process = Process::start(&start)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(self.address).await.is_err() {
            ensure!(process.is_running(), "{} ended: {}", self.program.display(), process.log_tail());
            ensure!(Instant::now() < deadline, "{} does not come up", self.program.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the store is not running")?.kill()
    }

    /// Freezes or thaws it (SIGSTOP, SIGCONT): sockets stay open, nothing answers.
    pub fn freeze(&self, frozen: bool) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("the store is not running")?;
        process.signal(if frozen { "STOP" } else { "CONT" })
    }
}

/// True when the programs of both stores are installed.
pub fn installed() -> bool {
    ["mariadbd", "mariadb-install-db", "redis-server"].into_iter().all(|program| find(program).is_ok())
}

fn find(program: &str) -> anyhow::Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .into_iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
        .with_context(|| format!("{program} is not installed"))
}

fn fresh(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let dir = dir.join(name);
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
