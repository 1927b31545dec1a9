//! Centrifugo, its memory engine with a history, over unidirectional SSE.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

use crate::process::Process;

pub(super) fn start(
    program: &Path,
    address: SocketAddr,
    heartbeat: Duration,
    folder: &Path,
    log: &Path,
) -> Result<Process> {
    let configuration = json!({
        "http_server": { "address": address.ip().to_string(), "port": address.port() },
        "log": { "level": "error" },
        "http_api": { "insecure": true },
        "uni_sse": { "enabled": true },
        "client": {
            "allow_anonymous_connect_without_token": true,
            "ping_interval": format!("{}ms", heartbeat.as_millis()),
            "pong_timeout": format!("{}ms", heartbeat.as_millis() / 2),
        },
        "channel": { "without_namespace": {
            "allow_subscribe_for_client": true,
            "allow_subscribe_for_anonymous": true,
            "history_size": 1_000,
            "history_ttl": "1h",
            "force_recovery": true,
        } },
    });
    let file = folder.join("centrifugo.json");
    fs::write(&file, configuration.to_string())?;
    Process::start_at(Command::new(program).arg("-c").arg(&file).current_dir(folder), address, log)
}

/// The path that subscribes, after an id from [`last_id`] where the reader had one.
pub(super) fn stream(id: Option<&str>) -> String {
    let subscription = match id.and_then(|id| id.split_once(':')) {
        Some((offset, epoch)) => {
            json!({ "recover": true, "epoch": epoch, "offset": offset.parse::<u64>().unwrap_or_default() })
        }
        None => json!({}),
    };
    let connect = json!({ "subs": { "bench": subscription } }).to_string();
    let mut path = String::from("/connection/uni_sse?cf_connect=");
    for byte in connect.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

pub(super) fn publication(payload: &str) -> String {
    format!(r#"{{"channel":"bench","data":{payload}}}"#)
}

/// Where a frame leaves its reader: `offset:epoch`.
pub(super) fn last_id(data: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(data).ok()?;
    let at = |place: &Value, epoch: &Value| Some(format!("{}:{}", place["offset"].as_u64()?, epoch.as_str()?));
    let (publication, subscription) = (&frame["pub"], &frame["connect"]["subs"]["bench"]);
    let recovered = subscription["publications"].as_array().and_then(|recovered| recovered.last());
    at(publication, &publication["epoch"])
        .or_else(|| at(recovered?, &subscription["epoch"]))
        .or_else(|| at(subscription, &subscription["epoch"]))
}

/// Whether the answer to a connection says that not all could be recovered.
pub(super) fn tells_gap(data: &str) -> bool {
    let frame: Value = serde_json::from_str(data).unwrap_or_default();
    let subscription = &frame["connect"]["subs"]["bench"];
    subscription["was_recovering"] == true && subscription["recovered"] != true
}
