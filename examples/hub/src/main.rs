//! The smallest backend that embeds Tidings: any channel, no login; user and device come from the query string. For
//! tests and load, not for the open internet. With `--engine sqlite:PATH` its events outlive it. With `--jwt SECRET` the events
//! are for those who bring a token (HS256; grants in its claim `tidings`), and are published at `/backend/publish`. With
//! `--presence GRACE_MS,ALIVE_MS` it knows who is online; with `--metrics` its figures are at `/metrics`, for Prometheus. Upon SIGTERM
//! it sends its clients away and ends. At `/cursor` is where the log is now, for pages that are rendered on a server.
//!
//! `cargo run --release -p hub -- --listen 127.0.0.1:4100`, then
//! `curl -N '127.0.0.1:4100/api/events?user=ana&channels=bench'` and
//! `curl 127.0.0.1:4100/api/events/publish --json '{"channel":"bench","type":"tick","payload":{"n":1}}'`.

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use lexopt::ValueExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tidings::{
    Hub, PresenceSettings, Routes,
    auth::{Auth, AuthRequest, Identity, Jwt, JwtKey, MemoryTickets},
    engine::Sqlite,
};

#[tokio::main]
#[allow(clippy::print_stdout, reason = "whoever started it waits for the address")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut listen = String::from("127.0.0.1:4100");
    let mut builder = Hub::builder();
    let mut jwt = None;
    let mut metrics = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("listen") => listen = arguments.value()?.string()?,
            lexopt::Arg::Long("heartbeat-ms") => {
                builder = builder.heartbeat(Duration::from_millis(arguments.value()?.parse()?));
            }
            lexopt::Arg::Long("engine") => {
                let engine = arguments.value()?.string()?;
                match engine.split_once(':') {
                    Some(("sqlite", path)) => builder = builder.engine(Sqlite::open(path)?),
                    _ => anyhow::ensure!(engine == "memory", "--engine memory | sqlite:PATH"),
                }
            }
            lexopt::Arg::Long("presence") => {
                let times = arguments.value()?.string()?;
                let (grace, alive) = times.split_once(',').context("--presence GRACE_MS,ALIVE_MS")?;
                let (grace, alive) = (Duration::from_millis(grace.parse()?), Duration::from_millis(alive.parse()?));
                builder = builder.presence(PresenceSettings::default().grace(grace).alive(alive));
            }
            lexopt::Arg::Long("metrics") => metrics = true,
            lexopt::Arg::Long("jwt") => {
                // Tokens that live for seconds end when they say.
                jwt = Some(Jwt::new(JwtKey::hs256(arguments.value()?.string()?)?).leeway(Duration::ZERO));
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    // Before the hub, whose first figures it is to see.
    let prometheus = if metrics { Some(prometheus()?) } else { None };
    let hub = builder.build().await?;
    let log = hub.clone();
    let auth = (|request: AuthRequest| async move {
        let identity = request.query("user").map_or_else(|| Ok(Identity::anonymous()), Identity::user)?;
        Ok(identity.backend())
    })
    .allow("*")
    .allow_publish("*")
    .allow_presence("*");
    let open = Routes::new(hub.clone(), auth).publish().latency().into_router();
    let app = match jwt {
        None => Router::new().nest("/api/events", open),
        Some(jwt) => {
            let events = Routes::new(hub.clone(), jwt).tickets(MemoryTickets::default()).into_router();
            Router::new().nest("/api/events", events).nest("/backend", open)
        }
    };

    let app = app.route("/cursor", axum::routing::get(move || async move { log.cursor().to_string() }));
    let app = match prometheus {
        None => app,
        Some(page) => app.route("/metrics", axum::routing::get(move || async move { page.render() })),
    };

    let listener = tokio::net::TcpListener::bind(&listen).await.with_context(|| format!("listening on {listen}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown = async move {
        asked_to_end().await;
        hub.drain(Duration::from_secs(5)).await;
    };
    tidings::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

/// The page of figures, where the hub's are too.
fn prometheus() -> anyhow::Result<PrometheusHandle> {
    let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
    let page = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
    let upkeep = page.clone();
    tokio::spawn(async move {
        loop {
            // Else the times that nobody asks for would pile up.
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(page)
}

/// By ctrl-c, or by SIGTERM, as service managers ask.
async fn asked_to_end() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = ctrl_c => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = ctrl_c.await;
}
