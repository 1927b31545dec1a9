//! Who is measured: how each is started, and how one listens and publishes there. Every one runs as its own documentation
//! shows it, with two workers or threads where it can have them, on a port that the system chose.

use std::{
    fmt::Write,
    fs,
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
    /// Whether a stream can go on after the last event that its client had.
    #[must_use]
    pub fn resumes(&self) -> bool {
        matches!(self, Self::Tidings { .. } | Self::Nchan { .. })
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
            Self::Nchan { nginx, module } => start_nginx(nginx, module, heartbeat, folder.path(), &log),
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

    /// The request that publishes a payload to everybody.
    #[must_use]
    pub fn publish(&self, payload: &str) -> String {
        let (target, body) = match &self.kind {
            Kind::Tidings { .. } => {
                ("/api/events/publish", format!(r#"{{"channel":"bench","type":"tick","payload":{payload}}}"#))
            }
            _ => ("/publish", payload.to_owned()),
        };
        let (host, length) = (self.address, body.len());
        format!(
            "POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }
}

/// nginx takes no port 0, so one is asked of the system and given back; should another take it meanwhile, nginx does not
/// start and the run says so.
fn start_nginx(
    nginx: &Path,
    module: &Path,
    heartbeat: Duration,
    folder: &Path,
    log: &Path,
) -> Result<(Process, SocketAddr)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
    let configuration = format!(
        "load_module {module};
daemon off;
worker_processes 2;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256M;
    server {{
        listen {address};
        keepalive_requests 1000000000;
        location = /publish {{
            nchan_publisher http;
            nchan_channel_id bench;
            nchan_message_buffer_length 5000;
            nchan_message_timeout 1h;
        }}
        location = /events {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval {seconds};
        }}
    }}
}}
",
        module = module.display(),
        folder = folder.display(),
        seconds = heartbeat.as_secs().max(1),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = with_its_folder(nginx);
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    Ok((Process::start_at(&command, address, log)?, address))
}

/// nchan has nginx make a folder in /var/lib/nginx whatever the configuration says. Where nginx was unpacked instead of
/// installed that folder is not there, and comes to be in a mount namespace of its own, so that nothing is left behind.
fn with_its_folder(nginx: &Path) -> Command {
    if Path::new("/var/lib/nginx").exists() {
        return Command::new(nginx);
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /var/lib && mkdir /var/lib/nginx && exec \"$0\" \"$@\""]);
    command.arg(nginx);
    command
}
