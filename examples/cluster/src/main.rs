//! Three hubs on one log, behind a round-robin balancer, and a page whose buttons kill (`kill -9`) and restart each of them.
//!
//! ```text
//! browser ─ this program ─┬─ hub 1 ─┐
//!            the page and  ├─ hub 2 ─┼─ PostgreSQL or Redis, which this program starts too
//!            the balancer  └─ hub 3 ─┘
//! ```
//!
//! Each hub is a process of this same program (`cluster hub`), and serves the example apps on their files. The apps' databases are
//! SQLite files that the three processes share; only the log of events is on the server.
//!
//! | module | does |
//! |---|---|
//! | `arguments` | reads the command line |
//! | `hub` | one hub: the example apps on the shared log, and its figures at `/hub` |
//! | `hubs` | the three processes: started, killed, asked for their figures |
//! | `balancer` | sends each request to the next hub that accepts a connection |
//! | `page` | the page, and what its buttons do |

mod arguments;
mod balancer;
mod hub;
mod hubs;
mod page;

use std::{io::Write, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use tidings_servers::{Postgres, Redis};
use tokio::{net::TcpListener, task::block_in_place};
use tracing_subscriber::EnvFilter;

use self::{
    arguments::{Arguments, Engine, Options, USAGE},
    hubs::Hubs,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::read(lexopt::Parser::from_env())?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments {
        Arguments::Help => Ok(std::io::stdout().write_all(USAGE.as_bytes())?),
        Arguments::Hub(settings) => hub::run(settings).await,
        Arguments::Cluster(options) => run(options).await,
    }
}

/// The server of the log. It ends when this value is dropped.
enum Server {
    Postgres(Postgres),
    Redis(Redis),
}

impl Server {
    fn start(engine: Engine) -> Result<Self> {
        Ok(match engine {
            Engine::Postgres => Self::Postgres(Postgres::start()?),
            Engine::Redis => Self::Redis(Redis::start()?),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }
}

async fn run(Options { listen, engine, data, examples }: Options) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    let address: SocketAddr = listener.local_addr()?;
    // Without a given folder, the data are removed at the end.
    let passing = tempfile::tempdir()?;
    let data = data.unwrap_or_else(|| passing.path().to_owned());
    let server = block_in_place(|| Server::start(engine)).context("starting the server of the log")?;
    let hubs = Arc::new(Hubs::start(&server.url(), &data, &examples).await?);
    writeln!(std::io::stdout(), "listening on http://{address}")?;
    tokio::select! {
        served = axum::serve(listener, page::routes(&hubs, engine)) => served?,
        () = apps::told_to_end() => tracing::info!("shutting down"),
    }
    // The hubs end before the server, so that they do not log its loss.
    hubs.end().await;
    block_in_place(|| drop(server));
    Ok(())
}
