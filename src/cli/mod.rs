//! The command line: data on standard output, everything else on standard error, exit codes that scripts can rely on.

pub mod exit;
pub mod output;

pub mod demo;
pub mod mock;
pub mod serve;
pub mod specimen;

pub mod config;
pub mod openapi;
pub mod secrets;
pub mod version;

pub mod account;
pub mod admin;
mod database;
pub mod import;
pub mod journal;
pub mod key;
pub mod ledger;
pub mod migrate;
pub mod price;

pub mod doctor;
pub mod healthcheck;

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
    #[arg(short, long = "format", global = true, value_enum, default_value = "table")]
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
    /// Apply or check the database schema
    Migrate {
        #[command(subcommand)]
        verb: migrate::Verb,
    },
    /// Look at everything that the server needs
    Doctor,
    /// Ask a running server whether it is healthy
    Healthcheck {
        /// Where; absent = /health of the configured listener
        #[arg(long)]
        url: Option<String>,
    },
    /// Recover access
    Admin {
        #[command(subcommand)]
        verb: admin::Verb,
    },
    /// Upstream accounts
    Account {
        #[command(subcommand)]
        verb: account::Verb,
    },
    /// API keys
    Key {
        #[command(subcommand)]
        verb: key::Verb,
    },
    /// Take over keys of predecessors
    Import {
        #[command(subcommand)]
        verb: import::Verb,
    },
    /// The price book
    Price {
        #[command(subcommand)]
        verb: price::Verb,
    },
    /// The book of what users have and pay
    Ledger {
        #[command(subcommand)]
        verb: ledger::Verb,
    },
    /// The usage journal
    Journal {
        #[command(subcommand)]
        verb: journal::Verb,
    },
    /// Print the management API's OpenAPI document
    Openapi {
        /// Write it to a file
        #[arg(id = "document", long = "output", value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Make secrets, change the master key
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
        Command::Migrate { verb } => on_actix(migrate::run(&verb, &files, out)),
        Command::Doctor => on_actix(doctor::run(&files, out)),
        Command::Healthcheck { url } => on_actix(healthcheck::run(url.as_deref(), &files)),
        Command::Admin { verb } => on_actix(admin::run(&verb, &files, out)),
        Command::Account { verb } => on_actix(account::run(&verb, &files, out)),
        Command::Key { verb } => on_actix(key::run(&verb, &files, out)),
        Command::Import { verb } => on_actix(import::run(&verb, &files, out)),
        Command::Price { verb } => on_actix(price::run(&verb, &files, out)),
        Command::Ledger { verb } => on_actix(ledger::run(&verb, &files, out)),
        Command::Journal { verb } => on_actix(journal::run(&verb, &files, out)),
        Command::Openapi { file } => openapi::run(file.as_ref(), out),
        Command::Secrets { verb } => secrets::run(&verb, &files, out),
        Command::Version { json } => version::run(json, out),
    }
}

/// Runs a future on an actix system of this thread.
pub fn on_actix(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    actix_rt::System::new().block_on(work)
}
