//! The cost of polling compared with events: 200 simulated users on a real socket and a real database, first polling as
//! pages do, then with a stream each. `cargo run --release -p chat --example load`.
//!
//! Polling is as in the home-made system: messages every 1.5 s, conversations and groups every 3 s, notifications every
//! 30 s. In both runs every user sends a message from time to time, and looks at one conversation.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use axum::{Router, extract::Request, middleware, middleware::Next};
use futures_util::{StreamExt, future};
use reqwest::{Client, header};
use serde_json::{Value, json};
use shared::{Accounts, api};
use tidings::{Hub, PresenceSettings, auth::Auth};
use tokio::{net::TcpListener, sync::Mutex, time};

const USERS: usize = 200;
const RUN: Duration = Duration::from_secs(30);
/// The interval between two messages of a user.
const SAYS: Duration = Duration::from_secs(20);
const MESSAGES: Duration = Duration::from_millis(1_500);
const SIDEBAR: Duration = Duration::from_secs(3);
const BELL: Duration = Duration::from_secs(30);

/// The cost of a run.
#[derive(Default)]
struct Costs {
    requests: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

struct User {
    client: Client,
    url: String,
    thread: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{USERS} users, each says something every {} s, for {} s", SAYS.as_secs(), RUN.as_secs())?;
    writeln!(out, "\n| | requests per user and s | transactions per user and s | update latency, median | 99 % |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for polling in [true, false] {
        let (requests, transactions, mut latencies) = run(polling).await?;
        latencies.sort();
        let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
        let per = |count: u64| count as f64 / USERS as f64 / RUN.as_secs_f64();
        let name = if polling { "polling" } else { "events" };
        let (median, worst) = (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3);
        writeln!(out, "| {name} | {:.2} | {:.2} | {median:.0} ms | {worst:.0} ms |", per(requests), per(transactions))?;
    }
    Ok(())
}

async fn run(polling: bool) -> Result<(u64, u64, Vec<Duration>)> {
    let dir = tempfile::tempdir()?;
    let costs = Arc::new(Costs::default());
    let hub = Hub::builder().presence(PresenceSettings::default()).build().await?;
    let accounts = Accounts::open(&dir.path().join("accounts.db"), &hub)?;
    let chat = chat::routes(hub.clone(), accounts.clone(), &dir.path().join("chat.db"))?;
    let auth = accounts.auth().allow(chat::PEOPLE)?;
    let counted = Arc::clone(&costs);
    let count = middleware::from_fn(move |request: Request, next: Next| {
        counted.requests.fetch_add(1, Relaxed);
        next.run(request)
    });
    let site = Router::new().nest("/api", api(hub, &accounts, auth, chat)).layer(count);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/api", listener.local_addr()?);
    let server = tokio::spawn(async move { tidings::serve(listener, site).await });

    let users = make_users(&url).await?;
    let started = Instant::now();
    costs.requests.store(0, Relaxed);
    let before = shared::Db::transactions();
    let until = time::Instant::now() + RUN;
    let all = users.iter().enumerate().map(|(index, user)| {
        let costs = Arc::clone(&costs);
        async move {
            // The users do not all start at the same moment.
            let offset = SAYS * u32::try_from(index).unwrap_or_default() / u32::try_from(USERS).unwrap_or(1);
            let says = talk(user, started, offset);
            let hears =
                async { if polling { poll(user, started, &costs).await } else { listen(user, started, &costs).await } };
            let _ = time::timeout_at(until, future::try_join(says, hears)).await;
        }
    });
    future::join_all(all).await;
    let (requests, transactions) = (costs.requests.load(Relaxed), shared::Db::transactions() - before);
    server.abort();
    let latencies = std::mem::take(&mut *costs.latencies.lock().await);
    Ok((requests, transactions, latencies))
}

/// Users, each of whom is a friend of one other.
async fn make_users(url: &str) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for index in 0..USERS {
        let client = Client::builder().cookie_store(true).build()?;
        let user = User { client, url: url.to_owned(), thread: 0 };
        user.send("POST", "/login", json!({ "user": format!("user{index}") })).await?;
        users.push(user);
    }
    for index in (0..USERS).step_by(2) {
        users[index].send("POST", "/friends/request", json!({ "user": format!("user{}", index + 1) })).await?;
        let friends = users[index + 1].get("/friends").await?;
        let answer = format!("/friends/request/{}", friends["requests"][0]["id"]);
        users[index + 1].send("PUT", &answer, json!({ "accept": true })).await?;
        let thread = users[index].get("/conversations").await?[0]["id"].as_i64().context("a conversation")?;
        (users[index].thread, users[index + 1].thread) = (thread, thread);
    }
    Ok(users)
}

/// Sends messages that contain the time of sending, in microseconds since the start.
async fn talk(user: &User, started: Instant, offset: Duration) -> Result<()> {
    let mut ticks = time::interval_at(time::Instant::now() + offset, SAYS);
    loop {
        ticks.tick().await;
        let text = started.elapsed().as_micros().to_string();
        user.send("POST", &format!("/conversations/{}/messages", user.thread), json!({ "text": text })).await?;
    }
}

async fn poll(user: &User, started: Instant, costs: &Costs) -> Result<()> {
    let (mut messages, mut sidebar, mut bell) =
        (time::interval(MESSAGES), time::interval(SIDEBAR), time::interval(BELL));
    let me = user.get("/me").await?["user"].clone();
    let mut seen = 0;
    loop {
        tokio::select! {
            _ = messages.tick() => {
                let all = user.get(&format!("/conversations/{}/messages", user.thread)).await?;
                for message in all.as_array().into_iter().flatten() {
                    let id = message["id"].as_i64().unwrap_or_default();
                    if id > seen && message["sender"] != me {
                        costs.note(started, &message["text"]).await;
                    }
                    seen = seen.max(id);
                }
            }
            _ = sidebar.tick() => {
                user.get("/conversations").await?;
                user.get("/groupchats").await?;
            }
            _ = bell.tick() => drop(user.get("/notifications").await?),
        }
    }
}

/// Does what the pages do: fetches everything once, then listens; fetches the sidebar again when an event demands it, and
/// marks the open conversation as read.
async fn listen(user: &User, started: Instant, costs: &Costs) -> Result<()> {
    let stream = user.client.get(format!("{}/events?channels=people", user.url)).send().await?;
    for path in ["/notifications", "/conversations", "/groupchats", &format!("/conversations/{}/messages", user.thread)]
    {
        user.get(path).await?;
    }
    let mut pieces = stream.bytes_stream();
    let mut decoder = tidings_protocol::sse::Decoder::new();
    while let Some(piece) = pieces.next().await {
        let mut events = Vec::new();
        let push = |message: tidings_protocol::sse::Message<'_>| {
            events.extend((message.event == "message").then(|| serde_json::from_str::<Value>(message.data)));
        };
        decoder.push(&piece?, push).ok().context("an event stream")?;
        for event in events {
            let event = event?;
            match event["channel"].as_str() {
                Some("message") => {
                    costs.note(started, &event["payload"]["text"]).await;
                    user.send("POST", &format!("/threads/{}/read", user.thread), json!({})).await?;
                }
                Some("conversation_update") => _ = user.get("/conversations").await?,
                _ => {}
            }
        }
    }
    Ok(())
}

impl Costs {
    async fn note(&self, started: Instant, said: &Value) {
        let said = said.as_str().and_then(|text| text.parse().ok()).map(Duration::from_micros);
        if let Some(said) = said {
            self.latencies.lock().await.push(started.elapsed().saturating_sub(said));
        }
    }
}

impl User {
    async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.client.get(format!("{}{path}", self.url)).send().await?.error_for_status()?.json().await?)
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<()> {
        let request = self.client.request(method.parse()?, format!("{}{path}", self.url));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }
}
