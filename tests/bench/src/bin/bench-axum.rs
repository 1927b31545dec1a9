//! The server that one writes with axum alone: its `Sse` over a tokio broadcast channel. A stream that falls behind by
//! more than the channel's capacity misses events.
#![allow(clippy::print_stdout, reason = "the parent process reads the address")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast::Sender;
use tokio_stream::wrappers::BroadcastStream;

/// The channel's capacity for the slowest stream.
const CAPACITY: usize = 1_024;

#[derive(Clone)]
struct App {
    sender: Sender<Arc<str>>,
    heartbeat: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let heartbeat = std::env::args().nth(1).context("the heartbeat's interval in milliseconds")?.parse()?;
    let app = App { sender: Sender::new(CAPACITY), heartbeat: Duration::from_millis(heartbeat) };
    let router = Router::new().route("/events", get(events)).route("/publish", post(publish)).with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(app.sender.subscribe());
    let events = events.filter_map(async |event| Some(Ok(Event::default().data(event.ok()?))));
    Sse::new(events).keep_alive(KeepAlive::new().interval(app.heartbeat))
}

async fn publish(State(app): State<App>, body: String) {
    // An event without a receiver is not an error.
    let _ = app.sender.send(body.into());
}
