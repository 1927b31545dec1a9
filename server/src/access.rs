//! Access control: who may receive, publish to and watch which channel. Access is denied by default.
//!
//! Two things open a channel. *Grants* come with credentials: the channels that an identity may subscribe to, publish
//! to, and watch the presence of. *Orders* stand in the log: they revoke access from older credentials, whatever those
//! grant, and they subscribe a user from the server's side, which counts as a grant to receive.
//!
//! [`authorize`] combines the two, and no other function does. It is called when a stream opens, is refreshed,
//! subscribes, watches presence, passes an order in the log or skips a part of the log, and when a caller publishes. It
//! is always called under the window's lock, which protects the orders: its decision cannot become wrong before the
//! caller has acted on it.
//!
//! | module | |
//! |---|---|
//! | `grant` | patterns in which `{user}` stands for the caller; all grants of one identity |
//! | `credentials` | whose credentials are judged, and how old they are |
//! | `orders` | the lasting effect of the log's orders, for each user |
//! | `authorize` | the one function that decides |
//! | `kept` | the orders in force, kept beside the log, which is trimmed |

mod authorize;
mod credentials;
mod grant;
mod kept;
mod orders;

pub use self::grant::Grant;
pub(crate) use self::{
    authorize::{Channels, Decision, authorize},
    credentials::{Credentials, Issued},
    grant::{Grants, Right},
    kept::{Pending, access_state, finish_pending},
    orders::{AccessState, Orders, Revocation, subscribed_after},
};
