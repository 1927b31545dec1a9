//! Builds and serves the example apps on this machine, from a fresh clone.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::build;
use crate::repository::Repository;
use crate::steps::{self, Steps};
use crate::tools;

pub(crate) fn run(repository: &Repository, steps: &mut Steps, port: u16) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    check_free(address)?;
    let tools = tools::for_building(repository, steps)?;
    build::web(repository, steps, &tools)?;
    build::servers(repository, steps, &["apps"])?;

    let server = server(repository, &repository.program("apps"), address);

    println!(
        "\nbuilt in {}. Open http://{address}: five apps, each shown to two identities side by side.\n\
         Ctrl-C ends it; what you write is kept for the next time.\n",
        steps::clock(steps.elapsed()),
    );
    become_it(server)
}

/// Three hubs on a server that the program starts itself, and a page whose buttons kill and restart them.
pub(crate) fn run_cluster(repository: &Repository, steps: &mut Steps, port: u16, engine: &str) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    check_free(address)?;
    let tools = tools::for_building(repository, steps)?;
    build::web(repository, steps, &tools)?;
    build::servers(repository, steps, &["cluster"])?;

    let mut cluster = Command::new(repository.program("cluster"));
    cluster.arg("--listen").arg(address.to_string()).args(["--engine", engine]);
    cluster.arg("--data").arg(repository.target("demo-cluster")).arg("--examples").arg(repository.path("examples"));

    println!(
        "\nbuilt in {}. Open http://{address} once it listens: three hubs on {engine}, each with buttons that kill and restart it.\n\
         Ctrl-C ends everything that it starts.\n",
        steps::clock(steps.elapsed()),
    );
    become_it(cluster)
}

/// Checks at once that the port is free, and not after minutes of building.
pub(crate) fn check_free(address: SocketAddrV4) -> Result<()> {
    drop(TcpListener::bind(address).with_context(|| format!("port {} (choose one by --port)", address.port()))?);
    Ok(())
}

/// The command that serves the apps. What users write is kept for the next run.
pub(crate) fn server(repository: &Repository, program: &Path, address: SocketAddrV4) -> Command {
    let mut server = Command::new(program);
    server.arg("--listen").arg(address.to_string());
    server.arg("--data").arg(repository.target("demo")).arg("--examples").arg(repository.path("examples"));
    server
}

/// Replaces this process by the server, so that Ctrl-C and signals reach only the server.
#[cfg(unix)]
fn become_it(mut server: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(server.exec()).context("starting the server")
}

#[cfg(not(unix))]
fn become_it(mut server: Command) -> Result<()> {
    let status = server.status().context("starting the server")?;
    anyhow::ensure!(status.success(), "the server ended: {status}");
    Ok(())
}
