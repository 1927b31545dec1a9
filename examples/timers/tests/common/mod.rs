//! The real application on a real socket with a real database file, and clients that behave like browsers.

use std::{collections::VecDeque, path::Path, time::Duration};

use axum::Router;
use reqwest::{Client, Response, StatusCode, header};
use serde_json::Value;
use shared::{Accounts, api, front_end};
use tempfile::TempDir;
use tidings::{Hub, PresenceSettings, auth::Auth};
use tidings_protocol::sse::Decoder;
use tokio::{net::TcpListener, task::JoinHandle};

/// No test waits this long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a database and a built front end.
pub(crate) struct House(TempDir);

impl House {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("web")).expect("the front end's directory");
        std::fs::write(dir.path().join("web/index.html"), "<!doctype html><title>the page</title>").expect("a page");
        Self(dir)
    }

    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.0.path().join("timers.db")
    }

    pub(crate) async fn serve(&self) -> Server {
        Server::start(&self.database(), &self.0.path().join("web")).await
    }
}

/// A server that accepts no more connections once it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    running: JoinHandle<()>,
}

impl Server {
    async fn start(database: &Path, web: &Path) -> Self {
        let presence = PresenceSettings::default().grace(Duration::from_millis(200));
        let hub = Hub::builder().presence(presence).build().await.expect("a hub");
        let accounts = Accounts::open(&database.with_file_name("accounts.db"), &hub).expect("the accounts");
        let timers = timers::routes(hub.clone(), accounts.clone(), database).expect("the application");
        let [timer] = timers::GRANTS;
        let auth = accounts.auth().allow(timer).expect("a grant");
        let app = Router::new().nest("/api", api(hub, &accounts, auth, timers)).merge(front_end(web));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let running = tokio::spawn(async move { tidings::serve(listener, app).await.expect("serving") });
        Self { url, running }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// One tab of one browser.
pub(crate) struct Tab {
    client: Client,
    url: String,
    device: &'static str,
    session: &'static str,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) media_type: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The status and the code of a problem document.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.media_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        (self.status.as_u16(), self.body["code"].as_str().expect("a code"))
    }
}

impl Tab {
    pub(crate) fn open(server: &Server, device: &'static str, session: &'static str) -> Self {
        let client = Client::builder().cookie_store(true).build().expect("a client");
        Self { client, url: server.url.clone(), device, session }
    }

    /// Another tab of the same browser: it has the same cookies and device.
    pub(crate) fn another(&self, session: &'static str) -> Self {
        Self { client: self.client.clone(), url: self.url.clone(), device: self.device, session }
    }

    /// The same tab, after the server has restarted on another port; cookies ignore ports.
    pub(crate) fn turn_to(&mut self, server: &Server) {
        self.url.clone_from(&server.url);
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.client.get(format!("{}{path}", self.url)).header("X-Device-Id", self.device)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        read(self.send(path).json(&body)).await
    }

    /// A POST from a page of this origin, with which a browser sends the host's cookie.
    pub(crate) async fn post_from(&self, origin: &str, site: &str, path: &str, body: Value) -> Answer {
        read(self.send(path).header(header::ORIGIN, origin).header("sec-fetch-site", site).json(&body)).await
    }

    pub(crate) async fn post_text(&self, path: &str, media_type: &'static str, body: &'static str) -> Answer {
        read(self.send(path).header(header::CONTENT_TYPE, media_type).body(body)).await
    }

    fn send(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url));
        request.header("X-Device-Id", self.device).header("X-Session-Id", self.session)
    }

    pub(crate) async fn login(&self, user: &str) -> Response {
        let answer = self.send("/api/login").json(&serde_json::json!({ "user": user })).send().await;
        answer.expect("an answer").error_for_status().expect("to be logged in")
    }

    /// The event stream, once the server has confirmed it.
    pub(crate) async fn listen(&self, channels: &str) -> Stream {
        let (device, session) = (self.device, self.session);
        let query = [("deviceId", device), ("sessionId", session), ("channels", channels)];
        let query: String = query
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .fold(String::new(), |query, (name, value)| format!("{query}{name}={value}&"));
        let response = self.client.get(format!("{}/api/events?{query}", self.url)).send().await.expect("an answer");
        let response = response.error_for_status().expect("a stream");
        let mut stream = Stream { response, decoder: Decoder::new(), read: VecDeque::new(), connected: Value::Null };
        let (kind, connected) = stream.next_frame().await;
        assert_eq!(kind, "connected");
        stream.connected = connected;
        stream
    }
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default();
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, media_type, body }
}

/// The stream of a tab.
pub(crate) struct Stream {
    response: Response,
    decoder: Decoder,
    read: VecDeque<(String, Value)>,
    pub(crate) connected: Value,
}

impl Stream {
    /// The next event, whatever its label.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let (kind, data) = self.next_frame().await;
            if kind == "message" {
                return data;
            }
        }
    }

    /// The next event with a label; other events are skipped.
    pub(crate) async fn next_of(&mut self, label: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["channel"] == label {
                return event;
            }
        }
    }

    async fn next_frame(&mut self) -> (String, Value) {
        while self.read.is_empty() {
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("a frame in time");
            let chunk = chunk.expect("a sound stream").expect("the stream to go on");
            let read = &mut self.read;
            let push = |message: tidings_protocol::sse::Message<'_>| {
                let data = serde_json::from_str(message.data).expect("JSON");
                read.push_back((message.event.to_owned(), data));
            };
            self.decoder.push(&chunk, push).expect("an event stream");
        }
        self.read.pop_front().expect("just looked")
    }
}
