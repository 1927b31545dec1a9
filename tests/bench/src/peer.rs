//! The servers that are measured: how each is started, and how a client subscribes and publishes there. Every server
//! runs as its own documentation shows it, with two workers or threads where possible, on a port that the system chose.

mod centrifugo;
mod mercure;
mod nchan;

use std::{
    fmt::Write,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::Process;

/// The kind of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `examples/hub` with the memory engine.
    Tidings {
        /// The path of the program.
        hub: PathBuf,
        /// Whether it is served by `axum::serve` instead of `tidings::serve`.
        plain: bool,
    },
    /// `bench-floor`, by its path: one write for each event and stream.
    Floor(PathBuf),
    /// nginx with its module nchan.
    Nchan {
        /// The path of `nginx`.
        nginx: PathBuf,
        /// The path of `ngx_nchan_module.so`.
        module: PathBuf,
    },
    /// `centrifugo`, by its path.
    Centrifugo(PathBuf),
    /// Mercure's Caddy, by its path.
    Mercure(PathBuf),
    /// `bench-axum`, by its path: axum's `Sse` over a tokio broadcast channel.
    Axum(PathBuf),
    /// `better-sse/server.mjs`, by its path, on Node.
    BetterSse(PathBuf),
}

/// A peer in a run.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The kind, or why the peer is missing.
    pub kind: Result<Kind, String>,
    /// The name in the table.
    pub name: &'static str,
}

/// A running peer.
#[derive(Debug)]
pub struct Server {
    /// The server's processes.
    pub process: Process,
    speaker: Speaker,
    heartbeat: Duration,
    log: PathBuf,
    /// The server's files, removed with it.
    folder: TempDir,
}

/// The address of a peer, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The address that it listens on.
    pub address: SocketAddr,
    kind: Kind,
}

impl Deref for Server {
    type Target = Speaker;

    fn deref(&self) -> &Speaker {
        &self.speaker
    }
}

impl Kind {
    /// Whether a stream can resume after the last event that its client received, a thousand events later.
    #[must_use]
    pub fn resumes(&self) -> bool {
        // Centrifugo could resume after 300 events unless configured otherwise.
        matches!(self, Self::Tidings { .. } | Self::Nchan { .. } | Self::Mercure(_))
    }

    /// Whether the peer has channels, so that each client can have its own.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        matches!(self, Self::Tidings { .. })
    }

    /// Whether it is a server that one would use in production, and not only the measure of one cost.
    #[must_use]
    pub fn is_product(&self) -> bool {
        !matches!(self, Self::Floor(_))
    }

    /// Starts the peer. Its output goes to the folder `logs`.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn start(&self, name: &str, heartbeat: Duration, logs: &Path) -> Result<Server> {
        let folder = TempDir::new()?;
        let log = logs.join(format!("{}.log", name.replace(' ', "-")));
        let begun = self.begin(None, heartbeat, folder.path(), &log);
        let (process, address) = begun.with_context(|| format!("starting {name}"))?;
        Ok(Server { process, speaker: Speaker { address, kind: self.clone() }, heartbeat, log, folder })
    }

    /// Whether it can restart at the same address; see [`Server::kill_and_start`].
    #[must_use]
    pub fn can_begin_again(&self) -> bool {
        matches!(self, Self::Tidings { plain: false, .. } | Self::Nchan { .. } | Self::Centrifugo(_) | Self::Mercure(_))
    }

    /// Starts the server on any port, or again on the same port with the files that it keeps on disk.
    fn begin(
        &self,
        again: Option<SocketAddr>,
        heartbeat: Duration,
        folder: &Path,
        log: &Path,
    ) -> Result<(Process, SocketAddr)> {
        let millis = heartbeat.as_millis().to_string();
        match self {
            Self::Tidings { hub, plain } => {
                let mut command = Command::new(hub);
                let listen = again.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string());
                command.args(["--listen", &listen, "--heartbeat-ms", &millis]);
                command.args(plain.then_some("--plain"));
                if again.is_some() {
                    command.arg("--engine").arg(format!("sqlite:{}", folder.join("tidings.db").display()));
                }
                Process::start(&command, log)
            }
            Self::Floor(program) | Self::Axum(program) => Process::start(Command::new(program).arg(&millis), log),
            Self::BetterSse(script) => Process::start(Command::new("node").arg(script).arg(&millis), log),
            Self::Nchan { nginx, module } => {
                at(again, |address| nchan::start((nginx, module), address, heartbeat, folder, log))
            }
            Self::Centrifugo(program) => {
                at(again, |address| centrifugo::start(program, address, heartbeat, folder, log))
            }
            Self::Mercure(program) => at(again, |address| mercure::start(program, address, heartbeat, folder, log)),
        }
    }
}

impl Server {
    /// Kills the server, as a crash does, and restarts it at the same address.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn kill_and_start(&mut self) -> Result<()> {
        self.process.kill();
        let address = Some(self.speaker.address);
        (self.process, _) = self.speaker.kind.begin(address, self.heartbeat, self.folder.path(), &self.log)?;
        Ok(())
    }
}

impl Speaker {
    /// The request that opens the stream of the `number`th client, after the event with this id if it resumes.
    #[must_use]
    pub fn subscribe(&self, number: usize, last_event_id: Option<&str>) -> String {
        let target = match &self.kind {
            // Like an application: a user and three channels, one of which all clients share.
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

    /// The id of the last event in the text of a stream.
    #[must_use]
    pub fn last_id(&self, text: &str) -> Option<String> {
        let field = |name| move |line: &'_ str| line.strip_prefix(name).map(|value: &str| value.trim().to_owned());
        match self.kind {
            Kind::Centrifugo(_) => {
                text.lines().rev().filter_map(field("data:")).find_map(|data| centrifugo::last_id(None, &data))
            }
            _ => text.lines().rev().find_map(field("id:")),
        }
    }

    /// The id to resume from after a message, for a reader whose id was `before`.
    #[must_use]
    pub fn id_of(&self, before: Option<&str>, last_event_id: &str, data: &str) -> Option<String> {
        match self.kind {
            Kind::Centrifugo(_) => centrifugo::last_id(before, data),
            _ => Some(last_event_id.to_owned()).filter(|id| !id.is_empty()),
        }
    }

    /// Whether a message reports that the reader may have missed events.
    #[must_use]
    pub fn tells_gap(&self, event: &str, data: &str) -> bool {
        match self.kind {
            Kind::Tidings { .. } => event == "gap",
            Kind::Centrifugo(_) => centrifugo::tells_gap(data),
            _ => false,
        }
    }

    /// Whether the response head reports that events may have been missed since this id. (A browser's `EventSource`
    /// does not show the head.)
    #[must_use]
    pub fn head_tells_gap(&self, head: &str, id: Option<&str>) -> bool {
        let told = head.lines().find_map(|line| {
            Some(line.split_once(':')?).filter(|(name, _)| name.eq_ignore_ascii_case("last-event-id"))
        });
        matches!(self.kind, Kind::Mercure(_)) && id.zip(told).is_some_and(|(id, (_, told))| told.trim() != id)
    }

    /// The request that publishes a payload to all streams.
    #[must_use]
    pub fn publish(&self, payload: &str) -> String {
        self.publish_to("bench", payload)
    }

    /// The request that publishes a payload to a channel, where the peer has [channels](Kind::has_channels).
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

/// Starts a server that does not accept port 0: a free port is asked of the system and released. If another process
/// takes it meanwhile, the server does not start and the run reports it.
fn at(again: Option<SocketAddr>, start: impl FnOnce(SocketAddr) -> Result<Process>) -> Result<(Process, SocketAddr)> {
    if let Some(address) = again {
        return Ok((start(address)?, address));
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    Ok((start(address)?, address))
}
