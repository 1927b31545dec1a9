//! The program: arguments, the socket, and a clean end.

use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;
use tidings::{Hub, PresenceSettings};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
A timer that runs on all your devices at once.

usage: timers --database FILE --web DIRECTORY [--listen ADDRESS]

  --database FILE    where users, devices and timers are kept (made if missing)
  --web DIRECTORY    the built front end: web/dist
  --listen ADDRESS   default 127.0.0.1:4000; port 0 takes a free one

RUST_LOG chooses what is logged to stderr, as in RUST_LOG=tidings=debug.
";

/// How long a device may be gone before the others see it leave: a reload takes less.
const GRACE: Duration = Duration::from_secs(3);
/// How long open streams may take to end when the program is told to.
const DRAIN: Duration = Duration::from_secs(5);

struct Options {
    listen: SocketAddr,
    database: PathBuf,
    web: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = arguments()? else {
        std::io::stdout().write_all(USAGE.as_bytes())?;
        return Ok(());
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    ensure!(
        options.web.join("index.html").is_file(),
        "no index.html in {}: build the front end first",
        options.web.display()
    );
    let presence = PresenceSettings::default().grace(GRACE);
    let hub = Hub::builder().presence(presence).build().await.context("starting the hub")?;
    let app = timers::app(hub.clone(), &options.database, &options.web)?;
    let listener =
        TcpListener::bind(options.listen).await.with_context(|| format!("listening on {}", options.listen))?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;

    let end = async move {
        told_to_end().await;
        tracing::info!("shutting down");
        hub.drain(DRAIN).await;
    };
    tidings::serve(listener, app).with_graceful_shutdown(end).await?;
    Ok(())
}

fn arguments() -> Result<Option<Options>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 4000));
    let (mut database, mut web) = (None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = parser.value()?.parse()?,
            Long("database") => database = Some(parser.value()?.into()),
            Long("web") => web = Some(parser.value()?.into()),
            Short('h') | Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let database = database.context("--database is missing (--help tells the usage)")?;
    let web = web.context("--web is missing (--help tells the usage)")?;
    Ok(Some(Options { listen, database, web }))
}

/// Ready when the terminal (Ctrl-C) or the system (SIGTERM) wants the program to end.
async fn told_to_end() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
