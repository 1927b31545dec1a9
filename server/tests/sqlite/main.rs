//! The SQLite engine with files and processes: which files are opened and which are refused, kill -9, torn writes, and
//! every damage that a hex editor can do.

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
