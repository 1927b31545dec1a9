//! The program: arguments, the socket, and an orderly shutdown.

use std::{env, io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use apps::{APPS, PAUSE, Settings, site, told_to_end};
use lexopt::prelude::*;
use tidings::{Hub, PresenceSettings, engine::Sqlite};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
Five apps on Tidings, and a page that shows each of them to two identities side by side.

usage: apps --data DIRECTORY --examples DIRECTORY [--listen ADDRESS] [--token-seconds N]

  --data DIRECTORY      where the databases are kept (made if missing)
  --examples DIRECTORY  the folder `examples`, with the front ends built
  --listen ADDRESS      default 127.0.0.1:4000; port 0 takes a free one
  --token-seconds N     how long a token of the tables lives; default 60

RUST_LOG chooses what is logged to stderr, as in RUST_LOG=tidings=debug.
";

/// How long a user may be gone before the others see it; a reload takes less.
const GRACE: Duration = Duration::from_secs(3);
/// How long open streams may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

struct Options {
    listen: SocketAddr,
    data: PathBuf,
    examples: PathBuf,
    token_lifetime: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = arguments()? else {
        std::io::stdout().write_all(USAGE.as_bytes())?;
        return Ok(());
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if let Some(seconds) = env::var(PAUSE).ok().and_then(|text| text.parse().ok()) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    for app in APPS {
        let page = options.examples.join(app).join("web/dist/index.html");
        ensure!(page.is_file(), "{} is missing: build the front ends first", page.display());
    }
    std::fs::create_dir_all(&options.data).with_context(|| format!("creating {}", options.data.display()))?;
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("listening on {}", options.listen))?;
    let address = listener.local_addr()?;

    // The log is in a file, so that a restart loses nothing and browsers resume where they were.
    let log = Sqlite::open(options.data.join("events.db"))?;
    let presence = PresenceSettings::default().grace(GRACE);
    let hub = Hub::builder().engine(log).presence(presence).build().await.context("starting the hub")?;
    let Options { data, examples, token_lifetime, .. } = options;
    let site = site(&hub, &Settings { address, data, examples, token_lifetime })?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;

    let end = async move {
        told_to_end().await;
        tracing::info!("shutting down");
        hub.drain(DRAIN).await;
    };
    tidings::serve(listener, site).with_graceful_shutdown(end).await?;
    Ok(())
}

fn arguments() -> Result<Option<Options>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 4000));
    let mut token_lifetime = Duration::from_secs(60);
    let (mut data, mut examples) = (None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = parser.value()?.parse()?,
            Long("data") => data = Some(parser.value()?.into()),
            Long("examples") => examples = Some(parser.value()?.into()),
            Long("token-seconds") => token_lifetime = Duration::from_secs(parser.value()?.parse()?),
            Short('h') | Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let data = data.context("--data is missing (--help tells the usage)")?;
    let examples = examples.context("--examples is missing (--help tells the usage)")?;
    Ok(Some(Options { listen, data, examples, token_lifetime }))
}
