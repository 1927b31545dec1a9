//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

pub(crate) const USAGE: &str = "\
Three hubs on one log behind a balancer, and a page whose buttons kill and restart them.

usage: cluster --examples DIRECTORY [--engine postgres|redis] [--data DIRECTORY] [--listen ADDRESS]

  --examples DIRECTORY     the folder `examples`, with the front ends built
  --engine postgres|redis  which server has the log; postgres unless given. It is started, and ends with this program
  --data DIRECTORY         where the apps' databases are kept (made if missing); else they end with this program
  --listen ADDRESS         default 127.0.0.1:4000; port 0 takes a free one

RUST_LOG chooses what is logged to stderr, as in RUST_LOG=tidings=debug.
";

/// The parsed command line.
pub(crate) enum Arguments {
    Help,
    Cluster(Options),
    /// One hub of a cluster, as the cluster starts its hubs: `cluster hub …`.
    Hub(Hub),
}

pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) data: Option<PathBuf>,
    pub(crate) examples: PathBuf,
}

pub(crate) struct Hub {
    pub(crate) listen: SocketAddr,
    /// The URL of the log.
    pub(crate) engine: String,
    pub(crate) data: PathBuf,
    pub(crate) examples: PathBuf,
}

/// The kind of server that holds the log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Postgres,
    Redis,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }
}

impl Arguments {
    pub(crate) fn read(mut parser: lexopt::Parser) -> Result<Self> {
        let mut listen = SocketAddr::from(([127, 0, 0, 1], 4000));
        let (mut is_hub, mut engine, mut data, mut examples) = (false, "postgres".to_owned(), None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) if word == "hub" => is_hub = true,
                Long("listen") => listen = parser.value()?.parse()?,
                Long("engine") => engine = parser.value()?.string()?,
                Long("data") => data = Some(PathBuf::from(parser.value()?)),
                Long("examples") => examples = Some(PathBuf::from(parser.value()?)),
                Short('h') | Long("help") => return Ok(Self::Help),
                _ => return Err(argument.unexpected().into()),
            }
        }
        let examples = examples.context("--examples is missing (--help shows the usage)")?;
        if is_hub {
            let data = data.context("--data is missing (--help shows the usage)")?;
            return Ok(Self::Hub(Hub { listen, engine, data, examples }));
        }
        let engine = match &*engine {
            "postgres" => Engine::Postgres,
            "redis" => Engine::Redis,
            other => bail!("--engine postgres|redis, and not {other:?}"),
        };
        Ok(Self::Cluster(Options { listen, engine, data, examples }))
    }
}
