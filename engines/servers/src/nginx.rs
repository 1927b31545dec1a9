//! A load balancer.

use std::{fmt::Write, fs, net::SocketAddr, path::Path, sync::Mutex};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    free_port,
    guarded::{Guarded, listens},
    packages,
};

/// An nginx that sends each request to the next of several servers: without sticky sessions and without buffering.
#[derive(Debug)]
pub struct Nginx {
    directory: TempDir,
    port: u16,
    _running: Mutex<Guarded>,
}

impl Nginx {
    /// Starts an nginx in front of these servers.
    ///
    /// # Errors
    ///
    /// If there is no nginx and none can be downloaded, or it does not start.
    pub fn before(servers: &[SocketAddr]) -> Result<Self> {
        let installed = Path::new("/usr/sbin/nginx");
        let program = if installed.exists() {
            installed.to_owned()
        } else {
            packages::unpacked("nginx", "usr/sbin/nginx", || Ok(vec!["nginx".to_owned()]))?.join("usr/sbin/nginx")
        };
        let directory = tempfile::Builder::new().prefix("tidings-nginx-").tempdir()?;
        let (folder, port) = (directory.path(), free_port()?);
        let mut upstream = String::new();
        for server in servers {
            writeln!(upstream, "server {server} max_fails=0;")?;
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String =
            temporary.map(|name| format!("{name}_temp_path {};\n", folder.join(name).display())).concat();
        let configuration = format!(
            "daemon off; master_process off; error_log stderr; pid {pid};
             events {{ worker_connections 8192; }}
             http {{
                 access_log off; {temporary}
                 upstream hubs {{ {upstream} }}
                 server {{
                     listen 127.0.0.1:{port};
                     client_max_body_size 8m;
                     location / {{
                         proxy_pass http://hubs;
                         proxy_http_version 1.1;
                         proxy_set_header Connection '';
                         proxy_buffering off;
                         proxy_read_timeout 1h;
                         proxy_connect_timeout 2s;
                     }}
                 }}
             }}",
            pid = folder.join("pid").display(),
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration)?;
        let words = [program.as_path(), "-e".as_ref(), "stderr".as_ref(), "-c".as_ref(), &file]
            .map(|word| word.display().to_string());
        let running = Guarded::start_server("nginx", &words, None, folder, || listens(port))?;
        Ok(Self { directory, port, _running: Mutex::new(running) })
    }

    /// The base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory of its log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
