//! Tests of the whole system. Those in a real browser are in `e2e/`; here the README's own code is compiled.
#![doc = include_str!("../../README.md")]
