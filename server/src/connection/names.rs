//! The user, device and tab of a stream.

use tidings_protocol::{DeviceId, SessionId, UserId};

use crate::{
    access::{Credentials, Issued},
    record::Entry,
};

/// The user, device and tab of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) user: Option<UserId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) session: Option<SessionId>,
}

impl Names {
    /// The facts that authorization looks at: the stream's user and device, and when its credentials were issued.
    pub(crate) fn credentials(&self, issued: Issued) -> Credentials<'_> {
        Credentials { user: self.user.as_ref(), device: self.device.as_ref(), issued }
    }

    pub(super) fn may_see(&self, entry: &Entry) -> bool {
        let hidden = |except: &tidings_protocol::Except| {
            except.hides(self.user.as_ref(), self.device.as_ref(), self.session.as_ref())
        };
        !entry.except.as_ref().is_some_and(hidden)
    }
}
