//! The example apps on this machine, from nothing.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::Command;

use anyhow::{Context, Result};

use crate::build;
use crate::house::House;
use crate::steps::{self, Steps};
use crate::tools;

pub(crate) fn run(house: &House, steps: &mut Steps, port: u16) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    // A taken port is told now, not after minutes of building.
    drop(TcpListener::bind(address).with_context(|| format!("port {port} (choose one by --port)"))?);

    let tools = tools::for_building(house, steps)?;
    build::web(house, steps, &tools)?;
    build::servers(house, steps, &["apps"])?;

    let data = house.target("demo");
    let mut server = Command::new(house.program("apps"));
    server
        .arg("--listen")
        .arg(address.to_string())
        .arg("--data")
        .arg(data)
        .arg("--examples")
        .arg(house.path("examples"));

    println!(
        "\nbuilt in {}. Open http://{address}: five apps, each shown to two identities side by side.\n\
         Ctrl-C ends it; what you write is kept for the next time.\n",
        steps::clock(steps.elapsed()),
    );
    become_it(server)
}

/// The server takes this process's place, so that Ctrl-C and signals reach it and nothing else.
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
