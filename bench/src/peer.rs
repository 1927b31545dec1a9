//! Who is measured: how each is started, and how one listens and publishes there. Every one runs as its own documentation
//! shows it, with two workers or threads where it can have them, on a port that the system chose.

mod centrifugo;
mod mercure;
mod nchan;

use std::{
    fmt::Write,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::Process;

/// What a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `examples/hub` over the memory engine, by its path.
    Tidings {
        /// The program.
        hub: PathBuf,
        /// Whether it is served by `axum::serve` instead of `tidings::serve`.
        plain: bool,
    },
    /// `bench-floor`: one write by hand for each event and stream.
    Floor(PathBuf),
    /// nginx with its module nchan: both by their paths.
    Nchan {
        /// `nginx`.
        nginx: PathBuf,
        /// `ngx_nchan_module.so`.
        module: PathBuf,
    },
    /// `centrifugo`, by its path.
    Centrifugo(PathBuf),
    /// Mercure's Caddy, by its path.
    Mercure(PathBuf),
    /// `bench-axum`: axum's `Sse` over a tokio broadcast channel.
    Axum(PathBuf),
    /// `better-sse/server.mjs`, on Node.
    BetterSse(PathBuf),
}

/// One that is measured.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What it is, or why it is not there.
    pub kind: Result<Kind, String>,
    /// As the table calls it.
    pub name: &'static str,
}

/// A peer at work.
#[derive(Debug)]
pub struct Server {
    /// Its processes.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    kind: Kind,
    /// Its files, removed with it.
    _folder: TempDir,
}

impl Kind {
    /// Whether a stream can go on after the last event that its client had, a thousand events later.
    #[must_use]
    pub fn resumes(&self) -> bool {
        // Centrifugo could after 300, unless it is told otherwise.
        matches!(self, Self::Tidings { .. } | Self::Nchan { .. } | Self::Mercure(_))
    }

    /// Whether each client has channels of its own there.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        matches!(self, Self::Tidings { .. })
    }

    /// Whether it is a server that one would use, not only the measure of one cost.
    #[must_use]
    pub fn is_product(&self) -> bool {
        !matches!(self, Self::Floor(_))
    }

    /// Starts it. `logs` is the folder for what it says.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(&self, name: &str, heartbeat: Duration, logs: &Path) -> Result<Server> {
        let folder = TempDir::new()?;
        let log = logs.join(format!("{}.log", name.replace(' ', "-")));
        let millis = heartbeat.as_millis().to_string();
        let (process, address) = match self {
            Self::Tidings { hub, plain } => {
                let mut command = Command::new(hub);
                command.args(["--listen", "127.0.0.1:0", "--heartbeat-ms", &millis]);
                command.args(plain.then_some("--plain"));
                Process::start(&command, &log)
            }
            Self::Floor(program) | Self::Axum(program) => Process::start(Command::new(program).arg(&millis), &log),
            Self::BetterSse(script) => Process::start(Command::new("node").arg(script).arg(&millis), &log),
            Self::Nchan { nginx, module } => {
                at(|port| nchan::start((nginx, module), port, heartbeat, folder.path(), &log))
            }
            Self::Centrifugo(program) => at(|port| centrifugo::start(program, port, heartbeat, folder.path(), &log)),
            Self::Mercure(program) => at(|port| mercure::start(program, port, heartbeat, folder.path(), &log)),
        }
        .with_context(|| format!("starting {name}"))?;
        Ok(Server { process, address, kind: self.clone(), _folder: folder })
    }
}

impl Server {
    /// The request that opens a stream: the `number`th client's, after the event of this id where it resumes.
    #[must_use]
    pub fn subscribe(&self, number: usize, last_event_id: Option<&str>) -> String {
        let target = match &self.kind {
            // As an application would have it: a user, and three channels of which one is everybody's.
            Kind::Tidings { .. } => {
                format!("/api/events?user=u{number}&channels=bench,item:{number},list:{}", number % 100)
            }
            Kind::Centrifugo(_) => centrifugo::stream(last_event_id),
            Kind::Mercure(_) => "/.well-known/mercure?topic=bench".to_owned(),
            _ => "/events".to_owned(),
        };
        let mut request = format!("GET {target} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n", self.address);
        if let Some(id) = last_event_id {
            // Writing to a String cannot fail.
            let _ = write!(request, "last-event-id: {id}\r\n");
        }
        request.push_str("\r\n");
        request
    }

    /// The id of the last event in what a stream has brought.
    #[must_use]
    pub fn last_id(&self, text: &str) -> Option<String> {
        let field = |name| move |line: &'_ str| line.strip_prefix(name).map(|value: &str| value.trim().to_owned());
        match self.kind {
            Kind::Centrifugo(_) => {
                text.lines().rev().filter_map(field("data:")).find_map(|data| centrifugo::id(&data).ok()?)
            }
            _ => text.lines().rev().find_map(field("id:")),
        }
    }

    /// The request that publishes a payload to everybody.
    #[must_use]
    pub fn publish(&self, payload: &str) -> String {
        self.publish_to("bench", payload)
    }

    /// The request that publishes a payload to those who hear a channel, where there are [channels](Kind::has_channels).
    #[must_use]
    pub fn publish_to(&self, channel: &str, payload: &str) -> String {
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        let (target, kind, body, more) = match &self.kind {
            Kind::Tidings { .. } => {
                let event = format!(r#"{{"channel":"{channel}","type":"tick","payload":{payload}}}"#);
                ("/api/events/publish", json, event, String::new())
            }
            Kind::Centrifugo(_) => ("/api/publish", json, centrifugo::publication(payload), String::new()),
            Kind::Mercure(_) => ("/.well-known/mercure", form, mercure::publication(payload), mercure::authorization()),
            _ => ("/publish", json, payload.to_owned(), String::new()),
        };
        let (host, length) = (self.address, body.len());
        format!(
            "POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n{more}content-length: {length}\r\n\r\n{body}"
        )
    }
}

/// For who takes no port 0, one is asked of the system and given back; should another take it meanwhile, the server does not start and
/// the run says so.
fn at(start: impl FnOnce(SocketAddr) -> Result<Process>) -> Result<(Process, SocketAddr)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    Ok((start(address)?, address))
}
