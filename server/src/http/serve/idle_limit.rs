//! How many connections may wait for a request at once.

/// The limit on a process with many descriptors, because a waiting connection takes up to 13 KiB.
const MOST: usize = 20_000;

/// A bound on connections that wait for a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum IdleLimit {
    /// The application has set it.
    Set(usize),
    /// The process may open this many descriptors. Waiting connections may take those that nothing else needs, because in a storm of
    /// reconnects all clients wait at the same moment, and the server must not close them while descriptors are left.
    Descriptors(usize),
}

impl IdleLimit {
    /// The limit that follows from `RLIMIT_NOFILE`.
    pub(super) fn of_process() -> Self {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, getrlimit};
            let descriptors = getrlimit(Resource::Nofile).current.and_then(|count| usize::try_from(count).ok());
            descriptors.map_or(Self::Set(MOST), Self::Descriptors)
        }
        #[cfg(not(unix))]
        Self::Set(MOST)
    }

    /// The limit while `busy` connections are being answered: the descriptors that those leave free, except an eighth, which is kept for
    /// the application; and at least a quarter of all.
    pub(super) fn beside(self, busy: usize) -> usize {
        match self {
            Self::Set(limit) => limit,
            Self::Descriptors(count) => {
                let free = (count - count / 8).saturating_sub(busy);
                free.max(count / 4).clamp(1, MOST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_connections_may_take_the_descriptors_that_nothing_else_needs() {
        let limit = IdleLimit::Descriptors(16_000);
        assert_eq!(limit.beside(0), 14_000, "an eighth is kept for the application");
        assert_eq!(limit.beside(4_000), 10_000);
        assert_eq!(limit.beside(13_000), 4_000, "a quarter is kept for them, however many streams there are");
        assert_eq!(IdleLimit::Descriptors(1_000_000).beside(0), MOST);
        assert_eq!(IdleLimit::Set(100).beside(13_000), 100);
    }
}
