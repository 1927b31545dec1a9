//! By what right a stream receives its channels.

use crate::access::Issued;

/// By what right a stream receives its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority {
    /// When its credentials were issued.
    pub(crate) issued: Issued,
    /// Orders up to this number were looked at when its channels were judged, and do not count when it passes them.
    pub(crate) as_of: u64,
}
