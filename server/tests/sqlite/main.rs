//! The SQLite engine among files and processes: what is opened and what is not, kill -9, and torn writes.

mod files;
mod killed;
mod log;
mod torn;
