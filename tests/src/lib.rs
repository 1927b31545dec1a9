//! Tests of the whole system. Those in a real browser are in `e2e/`; this crate has the simulation and the chaos test.
//! The README's code is `examples/hello`, whose test keeps the two identical.

pub mod chaos;
mod frames;
pub mod sim;
