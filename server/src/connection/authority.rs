//! The credentials by which a stream receives its channels.

use crate::access::Issued;

/// The credentials by which a stream receives its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority {
    /// When the credentials were issued.
    pub(crate) issued: Issued,
    /// The number of the last order that was considered when the channels were authorized. Orders up to it have no
    /// effect when the stream passes them.
    pub(crate) as_of: u64,
}
