//! A child process that ends with its owner, pinned to a core when asked.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::Instant;

/// A running server.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// What to start.
pub struct Start<'a> {
    /// Program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Added to an otherwise empty environment, besides `PATH` and `HOME`.
    pub env: &'a [(String, String)],
    /// Pinned to this core.
    pub core: Option<usize>,
    /// Both outputs go here.
    pub log: &'a Path,
}

impl Process {
    /// Starts it. The environment of the caller does not leak in.
    pub fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(start.log)?;
        let mut command = match start.core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.arg("-c").arg(core.to_string()).arg(start.program);
                pinned
            }
            None => Command::new(start.program),
        };
        let child = command
            .args(start.args)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/nonexistent")
            .envs(start.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", start.program.display()))?;
        Ok(Self { child, log: start.log.to_owned() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True until it has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits for the kernel to have removed it.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by name: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status()?;
        if status.success() { Ok(()) } else { bail!("kill -{name} {} failed", self.pid()) }
    }

    /// Waits for it to end.
    pub async fn ended_within(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("process {} did not end within {patience:?}: {}", self.pid(), self.log_tail())
    }

    /// Everything that it, and earlier processes with the same log, have said.
    pub fn log(&self) -> std::io::Result<String> {
        std::fs::read_to_string(&self.log)
    }

    /// The last warnings and errors of its log, for messages.
    pub fn complaints(&self) -> String {
        let text = self.log().unwrap_or_default();
        let loud = |line: &&str| line.contains("WARN") || line.contains("ERROR");
        let lines: Vec<&str> = text.lines().filter(loud).collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// The end of its log, for messages.
    pub fn log_tail(&self) -> String {
        let text = self.log().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end; its standard output, or an error with what it said.
pub fn run(program: &Path, args: &[String], env: &[(String, String)], stdin: Option<&str>) -> anyhow::Result<String> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/nonexistent")
        .envs(env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin.unwrap_or_default().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} {}: {}\n{said}", program.display(), args.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
