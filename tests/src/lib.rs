//! Tests of the whole system. Those in a real browser are in `e2e/`; here are the simulation and the chaos test. The
//! README's own code is `examples/hello`, whose test keeps the two the same.

pub mod chaos;
mod frames;
pub mod sim;
