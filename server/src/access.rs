//! Who may receive what, and who may publish and watch what. Access is denied by default.
//!
//! Two things open a channel. *Grants* come with credentials: what an identity may subscribe to, publish to, and whose presence it may
//! watch. *Orders* stand in the log: they revoke from older credentials what their grants open, and they subscribe a user from the
//! server's side, which is as good as a grant for receiving.
//!
//! [`authorize`] puts the two together, and nothing else does. It is called when a stream opens, is refreshed, subscribes, watches
//! presence, passes an order in the log or passes over a part of it, and when somebody publishes; always under the window's lock, which
//! holds the orders: what it has found cannot have changed until the caller has acted on it.
//!
//! | module | |
//! |---|---|
//! | `grant` | patterns in which `{user}` stands for who asks; all that one identity has |
//! | `credentials` | whose credentials are judged, and how old they are |
//! | `orders` | what the log's orders have left in force, for each user |
//! | `authorize` | the one function that judges |
//! | `kept` | the orders that stand, kept beside the log, which forgets |

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
