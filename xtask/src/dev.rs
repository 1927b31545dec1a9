//! Serves the example apps during development: it rebuilds what has changed, and restarts a server whose program has
//! changed.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::build;
use crate::demo;
use crate::repository::Repository;
use crate::stamp::is_source;
use crate::steps::Steps;
use crate::tools;

/// The sources that are watched. Reading their timestamps takes a few milliseconds, so a file watcher and its crate
/// would save nothing.
const SOURCES: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "client-wasm", "engines", "examples", "npm", "protocol", "server"];
/// The interval between two looks at the sources.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) fn run(repository: &Repository, steps: &mut Steps, port: u16) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    demo::check_free(address)?;
    let tools = tools::for_building(repository, steps)?;
    let program = repository.debug_program("apps");
    let mut server: Option<Server> = None;
    loop {
        // The sources are read before the build, so that an edit during a build triggers the next one.
        let sources = sources(repository);
        let built = build::web(repository, steps, &tools).and_then(|()| build::debug_server(repository, steps, "apps"));
        match built {
            Ok(()) => {
                let version = modified(&program);
                if server.as_mut().is_none_or(|server| server.version != version || server.has_ended()) {
                    // The old server has to end first, because it holds the log and the port.
                    drop(server.take());
                    server = Some(Server::start(demo::server(repository, &program, address), version)?);
                }
                println!("\nhttp://{address} is up to date: reload the page. Ctrl-C ends it.\n");
            }
            Err(error) => println!("\nerror: {error:#}\nWaiting for a change.\n"),
        }
        while self::sources(repository) == sources {
            sleep(PAUSE);
        }
    }
}

/// The newest timestamp and the number of sources, so that a removed file counts as a change.
fn sources(repository: &Repository) -> (usize, Option<SystemTime>) {
    let files = SOURCES.iter().flat_map(|source| {
        WalkDir::new(repository.path(source))
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || is_source(entry.file_name()))
    });
    let times = files.filter_map(|file| file.ok()?.metadata().ok()?.modified().ok());
    times.fold((0, None), |(count, newest), time| (count + 1, newest.max(Some(time))))
}

fn modified(program: &Path) -> Option<SystemTime> {
    program.metadata().ok()?.modified().ok()
}

struct Server {
    process: Child,
    /// When the running program was built.
    version: Option<SystemTime>,
}

impl Server {
    fn start(mut command: Command, version: Option<SystemTime>) -> Result<Self> {
        Ok(Self { process: command.spawn().context("starting the server")?, version })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
