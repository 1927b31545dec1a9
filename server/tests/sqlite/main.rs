//! The SQLite engine among files and processes: what is opened and what is not, kill -9, torn writes, and every damage that a hex
//! editor can do.

mod damaged;
mod files;
mod hex;
mod killed;
mod lines;
mod log;
mod replaced;
mod torn;
