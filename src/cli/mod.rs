//! The command line: data on standard output, everything else on standard error, exit codes that scripts can rely on.

pub mod exit;
pub mod output;

pub mod demo;
pub mod mock;
pub mod serve;

pub mod config;
pub mod secrets;
pub mod version;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Failure;
use output::{Form, Output};

/// One dependable, metered endpoint over a pool of upstream AI accounts.
#[derive(Debug, Parser)]
#[command(name = "quotalane", version, propagate_version = true, disable_help_subcommand = true)]
struct Arguments {
    /// Configuration file; may be given several times, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Form of printed data
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    output: Form,
    /// Say nothing but data and errors
    #[arg(long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve {
        /// Where clients connect; wins over `server.listen`
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Run everything in one process against a mock upstream
    Demo(demo::Options),
    /// Run the mock upstream alone
    MockUpstream {
        /// Where it listens
        #[arg(long, default_value = "127.0.0.1:9001")]
        listen: SocketAddr,
        /// Keep no log of what was answered
        #[arg(long)]
        no_log: bool,
        /// Threads that serve
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// Check or show the configuration
    Config {
        #[command(subcommand)]
        verb: config::Verb,
    },
    /// Make secrets
    Secrets {
        #[command(subcommand)]
        verb: secrets::Verb,
    },
    /// Show what was built
    Version {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    let out = Output { form: arguments.output, quiet: arguments.quiet };
    match dispatch(arguments, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Output { quiet: false, ..out }.say(&format!("quotalane: {}", failure.text()));
            failure.code()
        }
    }
}

fn dispatch(arguments: Arguments, out: Output) -> Result<(), Failure> {
    // The one cryptography provider of the process; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut files = crate::config::Config::files_from_environment();
    files.extend(arguments.config);
    match arguments.command {
        Command::Serve { listen } => serve::run(&files, listen),
        Command::Demo(options) => demo::run(&options, out),
        Command::MockUpstream { listen, no_log, threads } => mock::run(listen, no_log, threads, out),
        Command::Config { verb } => config::run(&verb, &files, out),
        Command::Secrets { verb } => secrets::run(&verb, out),
        Command::Version { json } => version::run(json, out),
    }
}

/// Runs a future on an actix system of this thread.
pub fn on_actix(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    actix_rt::System::new().block_on(work)
}
