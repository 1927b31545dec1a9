//! Tests of the whole system. Those in a real browser are in `e2e/`; here are the simulation and the chaos test, and the
//! README's own code is compiled.

pub mod chaos;
mod frames;
pub mod sim;

/// Only its code: its links are paths of the repository, which rustdoc would take for names.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
