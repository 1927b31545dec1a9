//! The code that the five example apps share, so that each of them shows only its own subject: [`Accounts`] (login,
//! session, the user of a request), [`Db`] (one SQLite file), [`Error`] (problem documents), and the two routers of an
//! app: [`api`] and [`front_end`].
//!
//! ```no_run
//! use axum::{Router, extract::FromRef, routing::get};
//! use shared::{Accounts, User};
//! use tidings::{Hub, auth::Auth};
//!
//! #[derive(Clone, FromRef)]
//! struct App {
//!     accounts: Accounts, // lets a handler take a `User`
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! let hub = Hub::builder().build().await?;
//! let accounts = Accounts::open("accounts.db".as_ref(), &hub)?;
//! let hello = Router::new().route("/hello", get(async |user: User| format!("Hello, {}!", user.id)));
//! let hello = hello.with_state(App { accounts: accounts.clone() });
//!
//! let auth = accounts.auth().allow("news:*")?;
//! let app = Router::new()
//!     .nest("/api", shared::api(hub, &accounts, auth, hello))
//!     .merge(shared::front_end("web/dist".as_ref()));
//! # let _: Router = app;
//! # Ok(()) }
//! ```

mod accounts;
mod db;
mod error;
mod http;

pub use self::{
    accounts::{Accounts, SessionEvent, User},
    db::{Db, now_ms},
    error::{Body, Error},
    http::{api, front_end, to_the_end},
};
