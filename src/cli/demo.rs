//! `demo`: the whole product in one process, on SQLite and memory, against a mock upstream.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::exit::Failure;
use super::output::Output;
use super::secrets::random_hex;
use super::specimen::{self, Specimen};
use crate::app::Application;
use crate::app::signals::StopSignals;
use crate::config::{Config, Need};
use crate::mock::{self, MockOptions};

/// What the demo adds to the defaults.
const SETTINGS: &str = include_str!("../../configs/demo.yaml");

/// Options of the demo.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where clients connect
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Where probes and metrics are; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", env = "QUOTALANE_OPS__LISTEN")]
    pub ops_listen: SocketAddr,
    /// Where database, journal and the demo's own secrets are kept
    #[arg(long, default_value = "data/demo")]
    pub data_dir: PathBuf,
    /// Gets shell lines with the demo's addresses and credentials when it is ready
    #[arg(long)]
    pub env_file: Option<PathBuf>,
}

/// The mock wants a client secret where Google does; any one will do.
const MOCK_SECRET: &str = "demo";

/// Runs the demo until a stop signal.
pub fn run(options: &Options, out: Output) -> Result<(), Failure> {
    std::fs::create_dir_all(&options.data_dir)?;
    let mut config = configuration(options)?;
    let _logs = super::serve::start_logs(&config)?;
    super::on_actix(async move {
        let mut signals = StopSignals::listen()?;
        let mock = mock::serve(SocketAddr::from(([127, 0, 0, 1], 0)), MockOptions::default()).await?;
        config.oauth.claude_official.link.token_url = format!("{}/v1/oauth/token", mock.url());
        config.oauth.codex.link.token_url = format!("{}/oauth/token", mock.url());
        config.oauth.gemini.link.token_url = format!("{}/token", mock.url());
        config.oauth.gemini.client_secret = Some(MOCK_SECRET.into());
        config.oauth.droid.device_url = format!("{}/user_management/authorize/device", mock.url());
        config.oauth.droid.token_url = format!("{}/user_management/authenticate", mock.url());
        let application = Application::build(config).await?;
        let specimen = specimen::plant(&application, &mock.url(), &options.data_dir.join("credentials.json")).await?;
        let lines = environment(&application, &specimen, &mock.url());
        if let Some(file) = &options.env_file {
            write_private(file, &lines)?;
        }
        out.say(&welcome(&application, &specimen, &mock.url()));
        signals.next().await;
        application.stop(signals.next()).await;
        mock.stop();
        Ok(())
    })
}

/// The demo's configuration: its own file in the data folder, with secrets made at the first start.
fn configuration(options: &Options) -> Result<Config, Failure> {
    let dir = std::path::absolute(&options.data_dir)?;
    let file = dir.join("demo.yaml");
    if !file.exists() {
        let secrets = format!("security:\n  master_key: {}\n  jwt_secret: {}\n", random_hex(), random_hex());
        write_private(&file, &format!("{SETTINGS}{secrets}"))?;
    }
    let place = |name: &str| dir.join(name).display().to_string();
    let environment: Vec<(String, String)> = [
        ("QUOTALANE_SERVER__LISTEN", options.listen.to_string()),
        ("QUOTALANE_OPS__LISTEN", options.ops_listen.to_string()),
        ("QUOTALANE_DATABASE__URL", format!("sqlite://{}", place("quotalane.db"))),
        ("QUOTALANE_JOURNAL__DIR", place("journal")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Ok(Config::load_with(&[file], &environment, Need::Secrets)?)
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn environment(application: &Application, specimen: &Specimen, mock: &str) -> String {
    let ops = application.ops_addr.map(|addr| format!("http://{addr}")).unwrap_or_default();
    format!(
        "QUOTALANE_URL=http://{}\nQUOTALANE_API_KEY={}\nQUOTALANE_ADMIN_USER={}\nQUOTALANE_ADMIN_PASSWORD={}\n\
         QUOTALANE_MOCK_URL={mock}\nQUOTALANE_OPS_URL={ops}\n",
        application.addr,
        specimen.api_key.expose_secret(),
        specimen.admin_user,
        specimen.admin_password.expose_secret(),
    )
}

fn welcome(application: &Application, specimen: &Specimen, mock: &str) -> String {
    let (url, key) = (format!("http://{}", application.addr), specimen.api_key.expose_secret());
    let ops = application.ops_addr.map_or_else(|| "off".to_owned(), |addr| format!("http://{addr}/metrics"));
    format!(
        r#"
QuotaLane demo is ready.

  relay           {url}
  API key         {key}
  administrator   {user} / {password}
  mock upstream   {mock}
  metrics         {ops}

Ask something:

  curl {url}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{{"role":"user","content":"hi"}}]}}'

The same as a stream:

  curl -N {url}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{{"role":"user","content":"hi"}}]}}'

Claude Code:

  ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={key} claude -p 'say hi'

SDKs: base URL {url}, key as above. Stop with Ctrl-C."#,
        user = specimen.admin_user,
        password = specimen.admin_password.expose_secret(),
    )
}
