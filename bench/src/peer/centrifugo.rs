//! Centrifugo, its memory engine with a history, over unidirectional SSE.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
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

/// The path that subscribes, after an id from [`id`] where the reader had one.
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
///
/// # Errors
///
/// When it is no JSON.
pub(super) fn id(data: &str) -> Result<Option<String>> {
    let frame: Value = serde_json::from_str(data).with_context(|| format!("a frame: {data}"))?;
    let at = |place: &Value| Some(format!("{}:{}", place["offset"].as_u64()?, place["epoch"].as_str()?));
    Ok(at(&frame["pub"]).or_else(|| at(&frame["connect"]["subs"]["bench"])))
}
