//! The smallest backend that embeds Tidings: any channel, no login; user and device come from the query string. It is
//! meant for tests and load, not for the open internet. [`USAGE`] lists its options. On SIGTERM it drains its streams
//! and ends.
//!
//! `cargo run --release -p hub -- --listen 127.0.0.1:4100`, then
//! `curl -N '127.0.0.1:4100/api/events?user=ana&channels=bench'` and
//! `curl 127.0.0.1:4100/api/events/publish --json '{"channel":"bench","type":"tick","payload":{"n":1}}'`.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use lexopt::ValueExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tidings::{
    Hub, HubBuilder, PresenceSettings, PublishError, Receipt, Routes,
    auth::{Auth, AuthRequest, Identity, Jwt, JwtKey, MemoryTickets},
    engine::Sqlite,
};
use tidings_postgres::Postgres;
use tidings_redis::Redis;

const USAGE: &str = "\
hub [options]: the smallest backend that embeds Tidings, at /api/events

  --listen ADDRESS              where; 127.0.0.1:4100 unless given, and :0 for any free port
  --engine memory|sqlite:PATH|postgres://…|redis://…
                                where events are kept; in memory unless given. Any number of hubs may share a server
  --heartbeat-ms MS             how often a quiet stream is written to; 15000 unless given
  --presence GRACE_MS,ALIVE_MS  knows who is online: who has left counts so long, clients say that they read so often
  --jwt SECRET                  events are for those who bring a token (HS256; grants in its claim `tidings`); the backend
                                publishes at /backend/publish, and gives and takes channels back by
                                POST /backend/give/USER/CHANNELS and /backend/take/USER/CHANNELS
  --backend                     those calls of the backend without --jwt too, where everybody may hear everything
  --metrics                     its figures for Prometheus, at /metrics
  --plain                       served by axum::serve instead of tidings::serve
  --help                        this

GET /cursor says where the log is now, for pages that are rendered on a server; GET /health is 503 where it cannot do its work. RUST_LOG=info tells what happens.";

/// The options of the command line.
struct Options {
    listen: String,
    engine: String,
    hub: HubBuilder,
    jwt: Option<Jwt>,
    metrics: bool,
    backend: bool,
    plain: bool,
}

impl Options {
    /// The options; `None` if only help was asked for.
    fn read(mut arguments: lexopt::Parser) -> anyhow::Result<Option<Self>> {
        let mut options = Self {
            listen: String::from("127.0.0.1:4100"),
            engine: String::from("memory"),
            hub: Hub::builder(),
            jwt: None,
            metrics: false,
            backend: false,
            plain: false,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                lexopt::Arg::Long("listen") => options.listen = arguments.value()?.string()?,
                lexopt::Arg::Long("heartbeat-ms") => {
                    options.hub = options.hub.heartbeat(Duration::from_millis(arguments.value()?.parse()?));
                }
                lexopt::Arg::Long("engine") => {
                    options.engine = arguments.value()?.string()?;
                    let known = ["sqlite:", "postgres://", "postgresql://", "redis://", "rediss://"];
                    let is_known = options.engine == "memory" || known.iter().any(|it| options.engine.starts_with(it));
                    anyhow::ensure!(is_known, "--engine memory|sqlite:PATH|postgres://…|redis://…");
                }
                lexopt::Arg::Long("presence") => {
                    let times = arguments.value()?.string()?;
                    let (grace, alive) = times.split_once(',').context("--presence GRACE_MS,ALIVE_MS")?;
                    let (grace, alive) = (Duration::from_millis(grace.parse()?), Duration::from_millis(alive.parse()?));
                    options.hub = options.hub.presence(PresenceSettings::default().grace(grace).alive(alive));
                }
                lexopt::Arg::Long("metrics") => options.metrics = true,
                lexopt::Arg::Long("backend") => options.backend = true,
                lexopt::Arg::Long("plain") => options.plain = true,
                lexopt::Arg::Long("jwt") => {
                    // Without leeway, a token that lives for seconds expires exactly.
                    options.jwt = Some(Jwt::new(JwtKey::hs256(arguments.value()?.string()?)?).leeway(Duration::ZERO));
                }
                lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
                _ => return Err(argument.unexpected().into()),
            }
        }
        Ok(Some(options))
    }
}

#[tokio::main]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "the user reads the output")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let done = match Options::read(lexopt::Parser::from_env()) {
        Ok(Some(options)) => run(options).await,
        Ok(None) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(error) => {
            eprintln!("hub: {error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "the parent process reads the address")]
async fn run(Options { listen, engine, hub: builder, jwt, metrics, backend, plain }: Options) -> anyhow::Result<()> {
    // The recorder is installed before the hub, which looks up its handles once.
    let prometheus = if metrics { Some(prometheus()?) } else { None };
    let hub = with_engine(builder, &engine).await?.build().await?;
    let health = hub.clone();
    let log = hub.clone();
    let auth = (|request: AuthRequest| async move {
        let identity = request.query("user").map_or_else(|| Ok(Identity::anonymous()), Identity::user)?;
        Ok(identity.backend())
    })
    .allow("*")?
    .allow_publish("*")?
    .allow_presence("*")?;
    let open = Routes::new(hub.clone(), auth).publish().latency().into_router();
    let commands =
        Router::new().route("/give/{user}/{channels}", post(give)).route("/take/{user}/{channels}", post(take));
    let commands = commands.with_state(hub.clone());
    let app = match jwt {
        None if backend => Router::new().nest("/api/events", open).nest("/backend", commands),
        None => Router::new().nest("/api/events", open),
        Some(jwt) => {
            let events = Routes::new(hub.clone(), jwt).tickets(MemoryTickets::default()).into_router();
            Router::new().nest("/api/events", events).nest("/backend", open.merge(commands))
        }
    };

    let app = app.route("/cursor", axum::routing::get(move || async move { log.cursor().to_string() }));
    let app = app.route("/health", axum::routing::get(move || async move { healthy(&health) }));
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
    if plain {
        axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    } else {
        tidings::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    }
    Ok(())
}

/// A hub with this engine.
async fn with_engine(builder: HubBuilder, engine: &str) -> anyhow::Result<HubBuilder> {
    Ok(match engine.split_once(':') {
        Some(("sqlite", path)) => builder.engine(Sqlite::open(path)?),
        Some(("postgres" | "postgresql", _)) => builder.engine(Postgres::open(engine).await?),
        Some(("redis" | "rediss", _)) => builder.engine(Redis::open(engine).await?),
        _ => builder,
    })
}

/// Subscribes a user to channels from the server's side, whatever the token grants.
async fn give(State(hub): State<Hub>, Path((user, channels)): Path<(String, String)>) -> (StatusCode, String) {
    done(hub.subscribe(user, channels.as_str()).await)
}

/// The health check for a balancer, which must not send clients to a hub that cannot do its work.
fn healthy(hub: &Hub) -> StatusCode {
    if hub.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Ends a subscription from the server's side.
async fn take(State(hub): State<Hub>, Path((user, channels)): Path<(String, String)>) -> (StatusCode, String) {
    done(hub.unsubscribe(user, channels.as_str()).await)
}

fn done(command: Result<Receipt, PublishError>) -> (StatusCode, String) {
    match command {
        Ok(receipt) => (StatusCode::OK, receipt.cursor.to_string()),
        Err(error @ PublishError::Invalid(_)) => (StatusCode::BAD_REQUEST, error.to_string()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

/// The metrics recorder of the process, which the hub exports to.
fn prometheus() -> anyhow::Result<PrometheusHandle> {
    let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];
    let page = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
    let upkeep = page.clone();
    tokio::spawn(async move {
        loop {
            // Without regular upkeep, histograms that are never read would accumulate.
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(page)
}

/// Ready on Ctrl-C, or on SIGTERM from a service manager.
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
