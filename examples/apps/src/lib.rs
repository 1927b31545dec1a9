//! The five apps on one hub, one login and one origin, like the features of one site; and the page that shows each of
//! them to two users side by side.
//!
//! A *place* (`a`, `b`) is the whole site below a path of its own. Cookies belong to a path, so one browser is two
//! users at once: each frame of the start page is one place. The buttons are in `controls`.

mod controls;
mod ending;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use axum::Router;
use shared::{Accounts, api, front_end};
use tidings::{Hub, auth::Auth, typescript::Channels};

pub use self::ending::told_to_end;
use crate::controls::Controls;

/// The apps, by the names of their folders.
pub const APPS: [&str; 5] = ["timers", "notes", "chat", "tables", "tasks"];
/// The paths below which the whole site is served.
pub const PLACES: [&str; 2] = ["a", "b"];

/// The environment variable that says for how many seconds to wait before the start.
pub const PAUSE: &str = "APPS_PAUSE";

/// Paths and options.
pub struct Settings {
    /// The address that the program listens on.
    pub address: SocketAddr,
    /// The folder of the databases.
    pub data: PathBuf,
    /// The folder `examples` with the built front ends.
    pub examples: PathBuf,
    /// The life of a token of the tables.
    pub token_lifetime: Duration,
}

/// The router of the whole site. The hub must have presence.
///
/// # Errors
///
/// If a database cannot be opened.
pub fn site(hub: &Hub, settings: &Settings) -> Result<Router> {
    let file = |name: &str| settings.data.join(name);
    let accounts = Accounts::open(&file("accounts.db"), hub)?;
    let timers = timers::routes(hub.clone(), accounts.clone(), &file("timers.db"))?;
    let notes = notes::routes(hub.clone(), accounts.clone(), &file("notes.db"))?;
    let chat = chat::routes(hub.clone(), accounts.clone(), &file("chat.db"))?;
    let tables = tables::routes(hub.clone(), accounts.clone(), &file("tables.db"), settings.token_lifetime)?;
    let tasks = tasks::routes(hub.clone(), accounts.clone(), &file("tasks.db"))?;
    let features = timers.merge(notes).merge(chat).merge(tables).merge(tasks);

    // The channels that the session's user may subscribe to. Addressed events need no grant.
    let [timer] = timers::GRANTS;
    let [rooms, announcements] = notes::GRANTS;
    let auth = accounts.auth().allow(timer)?.allow(rooms)?.allow(announcements)?;
    let auth = auth.allow(chat::PEOPLE)?.allow_presence(chat::PEOPLE)?;

    let api = api(hub.clone(), &accounts, auth, features);
    let controls = Controls::new(settings.address);
    let mut site = Router::new().nest("/demo", controls.routes()).merge(front_end(&settings.examples.join("apps/web")));
    for (index, place) in PLACES.into_iter().enumerate() {
        let mut all = Router::new().nest("/api", controls.around(index, api.clone()));
        for app in APPS {
            all = all.nest_service(&format!("/{app}"), front_end(&settings.examples.join(app).join("web/dist")));
        }
        site = site.nest(&format!("/{place}"), all);
    }
    Ok(site)
}

/// The types of every front end, and the path of each generated file.
pub fn types() -> [(Channels, &'static Path); 5] {
    [
        (timers::channels(), Path::new(timers::TYPES)),
        (notes::channels(), Path::new(notes::TYPES)),
        (chat::channels(), Path::new(chat::TYPES)),
        (tables::channels(), Path::new(tables::TYPES)),
        (tasks::channels(), Path::new(tasks::TYPES)),
    ]
}
