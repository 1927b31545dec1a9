//! One hub of the cluster: the example apps on the shared log. It finds the other hubs through that log.

use std::time::Duration;

use anyhow::{Context, Result};
use apps::Settings;
use axum::{Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use tidings::{Hub, PresenceSettings};
use tidings_postgres::Postgres;
use tidings_redis::Redis;
use tokio::net::TcpListener;

use crate::arguments;

/// How long a user may be gone before the others see it: a reload takes less.
const GRACE: Duration = Duration::from_secs(3);
/// How long a token of the tables lives.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
/// How long open streams may take to end when the program is told to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The figures that a hub reports at `/hub`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The number of streams that are open at this hub.
    streams: usize,
    /// The result of `Hub::cluster()` at this hub.
    cluster: Cluster,
}

#[derive(Serialize, Deserialize)]
struct Cluster {
    /// The number of hubs that this one knows.
    asked: usize,
    /// The number of hubs that answered.
    answered: usize,
    /// The number of open streams at all hubs that answered.
    streams: usize,
}

pub(crate) async fn run(arguments::Hub { listen, engine, data, examples }: arguments::Hub) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr()?;
    let builder = Hub::builder().presence(PresenceSettings::default().grace(GRACE));
    let builder = if engine.starts_with("redis") {
        builder.engine(Redis::open(&engine).await?)
    } else {
        builder.engine(Postgres::open(&engine).await?)
    };
    let hub = builder.build().await.context("starting the hub")?;
    let site = apps::site(&hub, &Settings { address, data, examples, token_lifetime: TOKEN_LIFETIME })?;
    let site = site.merge(Router::new().route("/hub", get(figures)).with_state(hub.clone()));
    let end = async move {
        apps::told_to_end().await;
        hub.drain(DRAIN).await;
    };
    tidings::serve(listener, site).with_graceful_shutdown(end).await?;
    Ok(())
}

async fn figures(State(hub): State<Hub>) -> Json<Figures> {
    let all = hub.cluster().stats().await;
    let streams = all.value.iter().map(|node| node.connections).sum();
    let cluster = Cluster { asked: all.asked, answered: all.answered, streams };
    Json(Figures { streams: hub.stats().connections, cluster })
}
