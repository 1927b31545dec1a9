//! Mercure, as its Caddy build.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;

use crate::process::Process;

const KEY: &str = "a-key-of-the-bench-that-opens-nothing-else";
/// `{"alg":"HS256","typ":"JWT"}` and `{"mercure":{"publish":["*"]}}`, signed with the key.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.Max8yAtz2P40qNH9GDPPuAjhILsRzuUD5uZFX2CaZs8";

pub(super) fn start(
    program: &Path,
    address: SocketAddr,
    heartbeat: Duration,
    folder: &Path,
    log: &Path,
) -> Result<Process> {
    let configuration = format!(
        "{{
    auto_https off
    admin off
    persist_config off
    grace_period 1s
    log {{
        level ERROR
    }}
}}
http://{address} {{
    route {{
        mercure {{
            transport bolt {{
                path {folder}/mercure.db
                size 1000
            }}
            publisher_jwt {KEY}
            subscriber_jwt {KEY}
            anonymous
            heartbeat {seconds}s
        }}
        respond 404
    }}
}}
",
        folder = folder.display(),
        seconds = heartbeat.as_secs().max(1),
    );
    let file = folder.join("Caddyfile");
    fs::write(&file, configuration)?;
    let mut command = Command::new("env");
    // Caddy keeps files of its own below the user's folders.
    command.arg(format!("HOME={}", folder.display())).arg(format!("XDG_DATA_HOME={}", folder.display()));
    command.arg(format!("XDG_CONFIG_HOME={}", folder.display())).arg(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file).current_dir(folder);
    Process::start_at(&command, address, log)
}

/// The header that authorizes a publish.
pub(super) fn authorization() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

pub(super) fn publication(payload: &str) -> String {
    let mut form = String::from("topic=bench&data=");
    for byte in payload.bytes() {
        if byte.is_ascii_alphanumeric() {
            form.push(byte.into());
        } else {
            form.push_str(&format!("%{byte:02X}"));
        }
    }
    form
}
