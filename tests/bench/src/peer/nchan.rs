//! nginx with its module nchan.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;

use crate::process::Process;

pub(super) fn start(
    (nginx, module): (&Path, &Path),
    address: SocketAddr,
    heartbeat: Duration,
    folder: &Path,
    log: &Path,
) -> Result<Process> {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
    let configuration = format!(
        "load_module {module};
daemon off;
worker_processes 2;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 256M;
    server {{
        listen {address};
        keepalive_requests 1000000000;
        location = /publish {{
            nchan_publisher http;
            nchan_channel_id bench;
            nchan_message_buffer_length 5000;
            nchan_message_timeout 1h;
        }}
        location = /events {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval {seconds};
        }}
    }}
}}
",
        module = module.display(),
        folder = folder.display(),
        seconds = heartbeat.as_secs().max(1),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = with_its_folder(nginx);
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    Process::start_at(&command, address, log)
}

/// Runs nginx where it may create its folder in /var/lib/nginx, which nchan needs whatever the configuration says. If
/// nginx was unpacked and not installed, that folder does not exist; it is created in a mount namespace of its own, so
/// that nothing is left behind.
fn with_its_folder(nginx: &Path) -> Command {
    if Path::new("/var/lib/nginx").exists() {
        return Command::new(nginx);
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs none /var/lib && mkdir /var/lib/nginx && exec \"$0\" \"$@\""]);
    command.arg(nginx);
    command
}
