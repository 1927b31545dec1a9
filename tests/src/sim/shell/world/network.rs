//! The network between pages and nodes: requests, answers and streams, and how they break.

use std::pin::Pin;

use axum::body::Body;
use http_body::Body as _;

use super::World;
use crate::sim::{
    ear::Violation,
    shell::{
        op::{Cut, Fate},
        page::{Answer, Request},
        protocol::Command,
        sabotage::ShellSabotage,
        stream::Stream,
    },
};

/// The origin of the server.
const ORIGIN: &str = "http://app.test";
/// The base path of the routes.
const BASE: &str = "/e";

impl World<'_> {
    /// A page's request reaches a node, or its answer reaches the page.
    pub(super) fn request(&mut self, tab: usize, which: usize, node: usize, fate: Fate) -> Result<bool, Violation> {
        let page = &mut self.pages[tab];
        if which >= page.requests.len() || !page.runs() {
            return Ok(false);
        }
        let mut request = page.requests.remove(which);
        let answer = match (fate, request.answer.take()) {
            (Fate::Vanishes, _) => {
                self.tally.fault("request or answer without an end");
                return Ok(true);
            }
            (Fate::Lost, _) => {
                self.tally.fault("request or answer lost");
                return self.fail(tab, &request).map(|()| true);
            }
            (Fate::Broken, Some(answer)) => {
                self.tally.fault("answer broke off");
                Answer { breaks: true, ..answer }
            }
            (_, Some(answer)) => answer,
            (Fate::Arrives | Fate::Misled | Fate::Broken, None) => {
                let own = self.pages[tab].streams.first().map_or(node, |stream| stream.node);
                let misled = fate == Fate::Misled && request.stream.is_none();
                if misled {
                    self.tally.fault("call misled");
                }
                match self.reach(tab, &request, if misled { 1 - own } else { own })? {
                    Reached::Streams => return Ok(true),
                    Reached::Nobody => return self.fail(tab, &request).map(|()| true),
                    Reached::Answered(answer) if request.stream.is_none() => {
                        request.answer = Some(answer);
                        self.pages[tab].requests.push(request);
                        return Ok(true);
                    }
                    Reached::Answered(answer) => answer,
                }
            }
            (Fate::Unavailable { retry_after, dated }, None) => {
                self.tally.fault("503 of a proxy");
                self.pages[tab].was_put_off = true;
                self.unavailable(retry_after, dated)
            }
            (Fate::Forbidden, None) => {
                self.tally.fault("403 of a proxy");
                self.was_refused |= !request.url.contains("/unsubscribe");
                self.refused(tab, &request)
            }
            (Fate::WebPage, None) => {
                self.tally.fault("a web page for an answer");
                Answer { status: 200, headers: [("content-type", "text/html".to_owned())].into(), ..Answer::default() }
            }
        };
        self.answer(tab, &request, answer).map(|()| true)
    }

    fn unavailable(&self, retry_after: Option<u32>, dated: bool) -> Answer {
        let mut answer = Answer { status: 503, text: "busy".to_owned(), ..Answer::default() };
        let Some(seconds) = retry_after else { return answer };
        let now = self.log.lock().now_ms;
        let wait = if dated { date(now + 1_000 * u64::from(seconds)) } else { seconds.to_string() };
        answer.headers = [("retry-after", wait), ("date", date(now))].into();
        answer
    }

    fn refused(&mut self, tab: usize, request: &Request) -> Answer {
        let refusal = || Answer { status: 403, text: r#"{"code":"originNotAllowed"}"#.to_owned(), ..Answer::default() };
        if self.sabotage == Some(ShellSabotage::RefusalSpreads) && request.url.contains("/unsubscribe") {
            for other in self.pages[tab].requests.iter_mut().filter(|other| other.url.contains("/subscribe")) {
                let body: serde_json::Value =
                    serde_json::from_str(other.body.as_deref().unwrap_or("{}")).unwrap_or_default();
                let channels = body["channels"].as_array().cloned().unwrap_or_default();
                let rejected: Vec<_> = channels
                    .iter()
                    .map(|channel| serde_json::json!({"channel": channel, "code": "originNotAllowed"}))
                    .collect();
                let text = serde_json::json!({"accepted": [], "rejected": rejected}).to_string();
                other.answer = Some(Answer { status: 200, text, ..Answer::default() });
            }
        }
        refusal()
    }

    fn reach(&mut self, tab: usize, request: &Request, node: usize) -> Result<Reached, Violation> {
        let page = &self.pages[tab];
        let Some(path) = request.url.strip_prefix(ORIGIN) else { return Ok(Reached::Nobody) };
        let Some(path) = path.strip_prefix(BASE).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) else {
            // A request of the application itself.
            let identified = ["x-device-id", "x-session-id"].iter().all(|name| request.headers.contains_key(*name));
            return if identified {
                Ok(Reached::Answered(Answer { status: 200, text: "{}".to_owned(), ..Answer::default() }))
            } else {
                Err(Violation::new("its own requests say from which tab they come", format!("{:?}", request.headers)))
            };
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let mut built = http::Request::builder().uri(path).method(request.method.as_str());
        for (name, value) in &request.headers {
            built = built.header(name, value);
        }
        if !page.kind.by_token {
            built = built.header("authorization", format!("Bearer {}", page.listener.user));
        }
        let body = request.body.clone().map(|body| self.aliases.meant(body)).map_or_else(Body::empty, Body::from);
        let built = built.body(body).expect("a good request");
        let Some((status, body)) = self.stations[node].answer(built) else { return Ok(Reached::Nobody) };
        match request.stream {
            Some(by_source) if status.is_success() => {
                self.tally.streams += 1;
                if !by_source {
                    let headers = [("content-type", "text/event-stream".to_owned())].into();
                    let (id, text) = (request.id, String::new());
                    self.tell(tab, &Command::Answer { id, status: 200, headers, text, streams: true, breaks: false })?;
                }
                self.pages[tab].streams.push(Stream::new(request.id, node, body, by_source));
                Ok(Reached::Streams)
            }
            _ => {
                let mut answer = Answer { status: status.as_u16(), text: read_all(body), ..Answer::default() };
                answer.headers.insert("content-type", "application/json".to_owned());
                if status == http::StatusCode::SERVICE_UNAVAILABLE {
                    answer.headers.insert("retry-after", "1".to_owned());
                }
                Ok(Reached::Answered(answer))
            }
        }
    }

    fn answer(&mut self, tab: usize, request: &Request, answer: Answer) -> Result<(), Violation> {
        if request.stream == Some(true) {
            return self.fail(tab, request);
        }
        let Answer { status, headers, text, breaks } = answer;
        self.tell(tab, &Command::Answer { id: request.id, status, headers, text, streams: false, breaks })
    }

    /// The browser reports that there is no answer; to a source, that there is no stream.
    fn fail(&mut self, tab: usize, request: &Request) -> Result<(), Violation> {
        let id = request.id;
        if request.stream == Some(true) { self.source_fails(tab, id) } else { self.tell(tab, &Command::Fail { id }) }
    }

    fn source_fails(&mut self, tab: usize, id: u32) -> Result<(), Violation> {
        let (r#type, data, last_event_id) = ("error".to_owned(), String::new(), String::new());
        self.tell(tab, &Command::Frame { id, r#type, data, last_event_id })
    }

    /// The page reads up to this many bytes of its stream.
    pub(super) fn read(&mut self, tab: usize, bytes: usize) -> Result<bool, Violation> {
        let buffers = self.schedule.hub.buffers;
        let cuts = self.sabotage == Some(ShellSabotage::CutCharacters);
        if !self.pages[tab].runs() {
            return Ok(false);
        }
        let mut moved = false;
        let Some(stream) = self.pages[tab].streams.first_mut() else { return Ok(false) };
        // The reader decides the size of a chunk; the buffers in between hold less.
        moved |= stream.pump(buffers.min(bytes), |bytes, out| self.aliases.pass(bytes, out));
        if stream.is_silent {
            return Ok(moved);
        }
        let (id, taken) = (stream.id, stream.take(bytes));
        if !taken.is_empty() {
            moved = true;
            let mut frames = Vec::new();
            if let Some(decoder) = &mut stream.decoder {
                let read = decoder.push(&taken, |message| {
                    frames.push(Command::Frame {
                        id,
                        r#type: message.event.to_owned(),
                        data: message.data.to_owned(),
                        last_event_id: message.last_event_id.to_owned(),
                    });
                });
                read.expect("frames are short");
            } else {
                let taken = if cuts { String::from_utf8_lossy(&taken).into_owned().into() } else { taken.freeze() };
                frames.push(Command::Chunk { id, bytes: taken.iter().copied().map(char::from).collect() });
            }
            for frame in frames {
                self.tell(tab, &frame)?;
            }
        }
        let over = |stream: &Stream| stream.id == id && stream.is_over();
        if self.pages[tab].streams.first().is_some_and(over) {
            let stream = self.pages[tab].streams.remove(0);
            if stream.decoder.is_some() {
                self.source_fails(tab, id)?;
            } else {
                self.tell(tab, &Command::End { id, breaks: self.now.is_multiple_of(2) })?;
            }
            moved = true;
        }
        Ok(moved)
    }

    pub(super) fn cut(&mut self, tab: usize, cut: Cut) -> Result<(), Violation> {
        let Some(stream) = self.pages[tab].streams.first_mut() else { return Ok(()) };
        match cut {
            Cut::Both(bytes) => {
                self.tally.fault("cut");
                stream.pump(bytes, |bytes, out| self.aliases.pass(bytes, out));
                let id = stream.id;
                stream.cut();
                self.read(tab, bytes)?;
                // The page may have closed the stream because of what it read.
                if let Some(stream) = self.pages[tab].streams.iter_mut().find(|stream| stream.id == id) {
                    stream.take(usize::MAX);
                    self.read(tab, 1)?;
                }
            }
            Cut::Silent => {
                self.tally.fault("half-open");
                stream.is_silent = true;
                stream.take(usize::MAX);
                stream.cut();
            }
        }
        Ok(())
    }
}

/// The result of a request at a node.
enum Reached {
    Streams,
    Answered(Answer),
    /// The node is down.
    Nobody,
}

/// A time in the format that a browser parses.
fn date(ms: u64) -> String {
    tidings_protocol::event::Timestamp(ms).to_string()
}

/// Reads a body that is available at once.
fn read_all(mut body: Body) -> String {
    let mut bytes = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
