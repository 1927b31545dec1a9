//! The combined answers of several nodes, and the number of those that did not answer.

/// The combined answer of several nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gathered<T> {
    /// The combined value of the nodes that answered.
    pub value: T,
    /// The number of nodes that were asked, this one included.
    pub asked: usize,
    /// The number of nodes that answered within 300 ms, this one included. Where it is less than `asked`, `value` may
    /// lack what the silent nodes hold.
    pub answered: usize,
}
