//! What a hub's memory is spent on, measured on the process: `cargo run --release -p tidings --example costs`. It
//! prints the figures of the table in `docs/limits.md`. Each line is measured in a process of its own, with clients in
//! another process. (Linux only.)

#![allow(clippy::print_stdout)]

use std::{
    future::IntoFuture,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::Duration,
};

use axum::Router;
use tidings::{
    Event, Hub, HubBuilder, Limits, PresenceSettings, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::Memory,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The name, the number and the title of each measured item.
const COSTS: [(&str, usize, &str); 13] = [
    ("stream", 5_000, "a stream at rest with three channels, on tidings::serve"),
    ("axum", 2_000, "the same under axum::serve"),
    ("http2", 2_000, "the same over HTTP/2, 100 on a connection"),
    ("idle", 5_000, "a connection that waits for its next request"),
    ("own", 2_000, "a channel of a stream that no other stream has (100 each)"),
    ("shared", 2_000, "a channel of a stream that all streams have (100 each)"),
    ("user", 20_000, "a user without a stream for whom a revocation stands"),
    ("member", 2_000, "a member of a room, where presence is on (100 rooms each)"),
    ("record", 50_000, "a record of 100 bytes in the window, on one channel"),
    ("records", 50_000, "the same, each on a channel of its own"),
    ("memory", 50_000, "the same in engine::Memory, on one channel"),
    ("fills", 200_000, "what a full hub grows by over 400,000 publishes (not each)"),
    ("stays", 600_000, "the same after 600,000 publishes"),
];

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => all(),
        ["measure", name, count] => measure(name, count.parse()?).await,
        ["clients", kind, address, count] => clients(kind, address, count.parse()?).await,
        _ => Err("usage: costs".into()),
    }
}

fn all() -> Result<(), Error> {
    println!("{:<62} {:>9}", "", "bytes");
    for (name, count, about) in COSTS {
        let output = again(&["measure", name, &count.to_string()]).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8(output.stdout)?;
        println!("{about:<62} {:>9}", said.trim());
    }
    Ok(())
}

/// This program with other arguments, and with as many descriptors as allowed.
fn again(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let program = std::env::current_exe().expect("a program has a file");
    command.args(["-c", "ulimit -n $(ulimit -H -n); exec \"$@\"", "sh"]).arg(program).args(arguments);
    command
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) << 10
}

async fn measure(name: &str, count: usize) -> Result<(), Error> {
    // The records are measured in the window; the engine keeps only as many as the hub needs to follow it.
    let engine = Memory::builder().records(if name == "memory" { usize::MAX } else { 3_000 }).build();
    let window = if name.starts_with("record") { usize::MAX } else { 1 };
    let builder = Hub::builder().window_records(window).engine(engine);
    let with_presence = |builder: HubBuilder| builder.presence(PresenceSettings::default());
    let hub = if name == "member" { with_presence(builder) } else { builder }.build().await?;
    let (before, parts) = match name {
        "user" => {
            let before = resident();
            for user in 0..count {
                hub.revoke(format!("user-{user}"), "room:7").await?;
            }
            (before, count)
        }
        "record" | "records" | "memory" => {
            let before = resident();
            publish(&hub, name == "records", 0..count / 500).await?;
            (before, count)
        }
        "fills" | "stays" => {
            let hub = Hub::builder().build().await?;
            publish(&hub, true, 0..count / 500).await?;
            let before = resident();
            publish(&hub, true, count / 500..count / 500 + 800).await?;
            (before, 1)
        }
        _ => {
            let auth =
                |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
            let limits = Limits::default().open_rate(Rate::per_second(u32::MAX));
            let app = Routes::new(hub.clone(), auth.allow("*")?).limits(limits).into_router();
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            tokio::spawn(serve(name == "axum", listener, app, count));
            // The first streams of a process pay for memory that all streams share.
            let _first = opened(name, &address, 200)?;
            settled(&hub).await;
            let before = resident();
            let _rest = opened(name, &address, count)?;
            settled(&hub).await;
            let channels = if matches!(name, "own" | "shared" | "member") { 100 } else { 1 };
            (before, count * channels)
        }
    };
    println!("{}", resident().saturating_sub(before) / parts);
    Ok(())
}

/// Publishes batches of 500 events of 100 bytes, each on a channel of its own if they are spread. The hub applies each
/// batch before the next one.
async fn publish(hub: &Hub, is_spread: bool, batches: std::ops::Range<usize>) -> Result<(), Error> {
    let payload = "x".repeat(98);
    for batch in batches {
        let channel = |number: usize| if is_spread { format!("item:{batch}:{number}") } else { "item:1:1".to_owned() };
        let events = (0..500).map(|number| Event::new(channel(number), "changed", &payload));
        let last = hub.publish_all(events.collect::<Result<Vec<_>, _>>()?).await?;
        while last.last().is_some_and(|last| hub.cursor().seq < last.cursor.seq) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn serve(by_axum: bool, listener: TcpListener, app: Router, idle: usize) -> std::io::Result<()> {
    if by_axum {
        axum::serve(listener, app).into_future().await
    } else {
        tidings::serve(listener, app).idle_connections(2 * idle).into_future().await
    }
}

/// Waits until everything is written and idle streams rest.
async fn settled(hub: &Hub) {
    let mut last = (0, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let now = (hub.stats().sent_bytes, resident() >> 16);
        if now == last {
            return;
        }
        last = now;
    }
}

/// Starts clients in another process, which end when their standard input is closed.
fn opened(kind: &str, address: &str, count: usize) -> Result<std::process::Child, Error> {
    let mut command = again(&["clients", kind, address, &count.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    if line.trim() == "opened" { Ok(child) } else { Err(format!("the clients did not start: {line:?}").into()) }
}

async fn clients(kind: &str, address: &str, count: usize) -> Result<(), Error> {
    let pid = std::process::id();
    let channels = |client: usize| match kind {
        "own" => (0..100).map(|number| format!("item:{pid}-{client}:{number}")).collect::<Vec<_>>().join(","),
        "shared" | "member" => (0..100).map(|number| format!("item:all:{number}")).collect::<Vec<_>>().join(","),
        _ => format!("news:1,item:{pid}-{client},list:{}", client % 100),
    };
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    let mut http2 = reqwest::Client::new();
    for client in 0..count {
        let (path, token) = match kind {
            "idle" => ("/check".to_owned(), String::new()),
            _ => (format!("/?channels={}", channels(client)), format!("user-{pid}-{client}")),
        };
        if kind == "http2" {
            if client % 100 == 0 {
                http2 = reqwest::Client::builder().http2_prior_knowledge().build()?;
            }
            let mut stream = http2.get(format!("http://{address}{path}")).bearer_auth(token).send().await?;
            stream.chunk().await?;
            streams.push(stream);
            continue;
        }
        let mut socket = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut some = [0; 4 << 10];
        let _ = socket.read(&mut some).await?;
        sockets.push(socket);
    }
    println!("opened");
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await?;
    Ok(())
}
