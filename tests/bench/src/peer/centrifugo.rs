//! Centrifugo with its memory engine and a history, over unidirectional SSE.

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

/// The path that subscribes, after an id from [`last_id`] if the reader has one.
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

/// The id to resume from after a frame, `offset:epoch`, for a reader whose id was `before`. Most frames do not repeat
/// the epoch.
pub(super) fn last_id(before: Option<&str>, data: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(data).ok()?;
    let (publication, subscription) = (&frame["pub"], &frame["connect"]["subs"]["bench"]);
    let recovered = subscription["publications"].as_array().and_then(|recovered| recovered.last());
    let offset = [Some(publication), recovered, Some(subscription)].into_iter().flatten();
    let offset = offset.filter_map(|place| place["offset"].as_u64()).next()?;
    let epoch = publication["epoch"].as_str().or_else(|| subscription["epoch"].as_str());
    let epoch = epoch.or_else(|| Some(before?.split_once(':')?.1))?;
    Some(format!("{offset}:{epoch}"))
}

/// Whether the answer to a connection reports that not everything could be recovered.
pub(super) fn tells_gap(data: &str) -> bool {
    let frame: Value = serde_json::from_str(data).unwrap_or_default();
    let subscription = &frame["connect"]["subs"]["bench"];
    subscription["was_recovering"] == true && subscription["recovered"] != true
}
