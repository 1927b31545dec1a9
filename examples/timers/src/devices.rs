//! A user's devices: their names, and which of them are online.

use axum::{
    Json,
    extract::{Path, State},
};
use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, now_ms, to_the_end};
use tidings::{DeviceId, Event, Member, Origin, Typed, UserId};
use ts_rs::TS;

use crate::{App, error};

const NAME_CHARS: usize = 64;

/// A device, as its user sees it. Each event carries one device, in its complete new state.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Device {
    id: String,
    name: String,
    online: bool,
    /// When it was last named, came online, or left.
    #[ts(type = "number")]
    seen_at: i64,
}

/// Events about a user's devices.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum DeviceEvent {
    Named(Device),
    Online(Device),
    Offline(Device),
}

impl Typed for DeviceEvent {
    const CHANNEL: &'static str = "devices";
}

/// A user is looking for a device.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum RingEvent {
    Ring,
}

impl Typed for RingEvent {
    const CHANNEL: &'static str = "ring";
}

/// The answer to `GET /devices`.
#[derive(Serialize, TS)]
pub(crate) struct DeviceList {
    devices: Vec<Device>,
    /// The number of open streams of the user at all hubs of the log; tabs that share a stream count once.
    connections: usize,
}

/// Whether the device that is to ring has a stream open, and therefore rings at once.
#[derive(Serialize)]
pub(crate) struct Ringing {
    online: bool,
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// `GET /api/devices`.
pub(crate) async fn list(State(app): State<App>, user: User) -> Result<Json<DeviceList>, Error> {
    let owner = user.id.clone();
    let mut devices = app
        .db
        .transact(move |tx| {
            let mut all =
                tx.prepare_cached("SELECT id, name, seen_at FROM devices WHERE user = ?1 ORDER BY name, id")?;
            let devices = all.query_map([owner.as_str()], |row| {
                Ok(Device { id: row.get(0)?, name: row.get(1)?, online: false, seen_at: row.get(2)? })
            })?;
            Ok(devices.collect::<Result<Vec<_>, _>>()?)
        })
        .await?;
    for device in &mut devices {
        let device_id = DeviceId::new(&device.id).ok();
        device.online = app.online.has(&Member { user_id: user.id.clone(), device_id });
    }
    let connections = app.hub.cluster().connection_count(&user.id).await.map_or(0, |count| count.value);
    Ok(Json(DeviceList { devices, connections }))
}

/// `POST /devices/{id}/ring`: lets one device ring.
pub(crate) async fn ring(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<String>,
) -> Result<Json<Ringing>, Error> {
    let device = DeviceId::new(id).map_err(|_| error::unknown_device())?;
    let (owner, known) = (user.id.clone(), device.clone());
    app.db.transact(move |tx| require(tx, &owner, &known)).await?;
    let ring = Event::typed(&RingEvent::Ring, &[])?.caused_by(&origin);
    app.hub.to_device(&user.id, &device).publish(ring).await?;
    let online = app.hub.cluster().devices_online(&user.id).await.is_ok_and(|online| online.value.contains(&device));
    Ok(Json(Ringing { online }))
}

/// `POST /devices/ring`: lets every device ring except the calling one, in none of whose tabs it rings.
pub(crate) async fn ring_others(State(app): State<App>, user: User, origin: Origin) -> Result<(), Error> {
    let ring = Event::typed(&RingEvent::Ring, &[])?.caused_by(&origin).except(origin.of(&user.id).device());
    app.hub.to_user(&user.id).publish(ring).await?;
    Ok(())
}

/// `POST /api/devices`: names the calling device, which makes it known.
pub(crate) async fn name(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(wanted): Body<Name>,
) -> Result<Json<Device>, Error> {
    let id = origin.device_id.clone().ok_or_else(error::device_required)?;
    let name = wanted.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::invalid("A device's name is 1 to 64 plain characters."));
    }
    to_the_end(async move {
        let (owner, device) = (user.id.clone(), id.clone());
        app.db
            .transact(move |tx| {
                let upsert = "INSERT INTO devices (user, id, name, seen_at) VALUES (?1, ?2, ?3, ?4)
                              ON CONFLICT DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at";
                tx.execute(upsert, (owner.as_str(), device.as_str(), name, now_ms()))?;
                Ok(())
            })
            .await?;
        let device = read(&app, &user.id, &id).await?.ok_or_else(error::unknown_device)?;
        let named = Event::typed(&DeviceEvent::Named(device.clone()), &[])?.caused_by(&origin);
        app.hub.to_user(&user.id).publish(named.except(&origin.of(&user.id))).await?;
        Ok(Json(device))
    })
    .await
}

/// Publishes to a user's devices that one of them came online or left. A device without a name is not reported.
pub(crate) async fn tell_presence(app: &App, member: &Member) -> Result<(), Error> {
    let Member { user_id, device_id: Some(id) } = member else { return Ok(()) };
    let (owner, device) = (user_id.clone(), id.clone());
    app.db
        .transact(move |tx| {
            let seen = "UPDATE devices SET seen_at = ?3 WHERE user = ?1 AND id = ?2";
            Ok(tx.execute(seen, (owner.as_str(), device.as_str(), now_ms()))?)
        })
        .await?;
    if let Some(device) = read(app, user_id, id).await? {
        let news = if device.online { DeviceEvent::Online } else { DeviceEvent::Offline };
        app.hub.to_user(user_id).publish(Event::typed(&news(device), &[])?).await?;
    }
    Ok(())
}

/// Fails unless the user has this device.
pub(crate) fn require(tx: &Transaction<'_>, user: &UserId, device: &DeviceId) -> Result<(), Error> {
    let known = "SELECT 1 FROM devices WHERE user = ?1 AND id = ?2";
    let found = tx.query_row(known, (user.as_str(), device.as_str()), |_| Ok(())).optional()?;
    found.ok_or_else(error::unknown_device)
}

async fn read(app: &App, user: &UserId, id: &DeviceId) -> Result<Option<Device>, Error> {
    let online = app.online.has(&Member { user_id: user.clone(), device_id: Some(id.clone()) });
    let (owner, id) = (user.clone(), id.clone());
    app.db
        .transact(move |tx| {
            let one = "SELECT name, seen_at FROM devices WHERE user = ?1 AND id = ?2";
            let device = tx.query_row(one, (owner.as_str(), id.as_str()), |row| {
                Ok(Device { id: id.to_string(), name: row.get(0)?, online, seen_at: row.get(1)? })
            });
            Ok(device.optional()?)
        })
        .await
}
