//! The SQLite engine among files and processes: what is opened and what is not, kill -9, torn writes, and every damage that a hex
//! editor can do.

#[cfg(target_os = "linux")]
mod bad_sector;
mod damaged;
mod files;
mod hex;
mod killed;
mod lines;
mod log;
mod replaced;
#[cfg(target_os = "linux")]
mod starved;
mod torn;
