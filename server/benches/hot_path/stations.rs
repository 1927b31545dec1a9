//! The stations on an event's way, and a hub with streams in which they are passed.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{HeaderValue, Request},
};
use futures_util::FutureExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::value::RawValue;
use tidings::{
    Event, Hub, Limits, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    simulation::{Node, Pulled},
};
use tidings_protocol::{
    Cursor,
    event::{EventFrame, Timestamp},
    sse,
};
use tower::ServiceExt;

const STREAMS: usize = 1_000;
const MANY_STREAMS: usize = 15_000;
/// How many events one chunk of a busy stream contains.
const CHUNK: usize = 64;

/// A station on an event's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Station {
    /// Encoding one event as JSON and as an SSE frame.
    Encode,
    /// A client decodes a chunk of 64 events.
    Decode,
    /// One publish, until the memory engine has acknowledged it.
    Append,
    /// The tail yields one record, which is encoded, put into the window and filed under its keys.
    Apply,
    /// Finding the streams to wake, where all of 1,000 streams receive the event.
    MatchAll,
    /// The same for an event to one user.
    MatchOne,
    /// The same among 15,000 streams, which must not cost more.
    MatchOneOfMany,
    /// A stream takes one event from the window.
    Gather,
    /// One stream is opened through a router that an application nests, takes its first frame, and ends.
    Open,
    /// Like `Append`, with a metrics exporter installed.
    AppendShown,
    /// Like `Gather`, with a metrics exporter installed, for an event that is timed.
    GatherShown,
}

impl Station {
    /// Stations with an exporter come last, because an installed exporter stays.
    pub(crate) const ALL: [Self; 11] = [
        Self::Encode,
        Self::Decode,
        Self::Append,
        Self::Apply,
        Self::MatchAll,
        Self::MatchOne,
        Self::MatchOneOfMany,
        Self::Gather,
        Self::Open,
        Self::AppendShown,
        Self::GatherShown,
    ];

    fn streams(self) -> usize {
        if self == Self::MatchOneOfMany { MANY_STREAMS } else { STREAMS }
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Append => "append",
            Self::Apply => "apply",
            Self::MatchAll => "match_all",
            Self::MatchOne => "match_one",
            Self::MatchOneOfMany => "match_one_of_many",
            Self::Gather => "gather",
            Self::Open => "open",
            Self::AppendShown => "append_shown",
            Self::GatherShown => "gather_shown",
        })
    }
}

/// A hub, its streams, and the inputs of the stations.
pub(crate) struct World {
    node: Node,
    streams: Vec<Body>,
    payload: Box<RawValue>,
    frame: EventFrame<Box<RawValue>>,
    chunk: String,
    event: Option<Event>,
    app: Router,
    request: Option<Request<Body>>,
    now_ms: u64,
}

impl World {
    pub(crate) fn new(station: Station) -> Self {
        if matches!(station, Station::AppendShown | Station::GatherShown) {
            // The recorder is installed before the hub, which looks up its handles once.
            let _ = PrometheusBuilder::new().set_buckets(&[0.001, 0.01, 0.1, 1.0]).expect("buckets").install_recorder();
        }
        let mut node = Node::boot(Hub::builder(), 0).expect("the memory engine answers");
        node.attach().expect("the memory engine answers");
        // One user opens all the streams.
        let limits = Limits::default().open_rate(Rate::per_second(u32::MAX)).connections_per_user(usize::MAX);
        let auth = |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
        let routes = Routes::new(node.hub().clone(), auth.allow("*").expect("a grant")).limits(limits).into_router();
        let router: Router = Router::new().nest("/api/events", routes);
        let streams = (0..station.streams()).map(|number| open(&router, number)).collect();
        let payload = RawValue::from_string(format!("{{\"text\":\"{}\"}}", "x".repeat(189))).expect("JSON");
        let frame = EventFrame {
            channel: "bench".parse().expect("a channel"),
            event_type: "tick".parse().expect("a type"),
            to: None,
            source: None,
            except: None,
            cursor: None,
            timestamp: Timestamp(1_700_000_000_000),
            request_id: None,
            payload: payload.clone(),
        };
        let chunk = encode(&frame).repeat(CHUNK);
        let mut world =
            Self { node, streams, payload, frame, chunk, event: None, app: router, request: None, now_ms: 0 };
        world.drain();
        world
    }

    /// Brings the hub to the state in which the station begins.
    pub(crate) fn prepare(&mut self, station: Station) {
        match station {
            Station::Encode | Station::Decode => {}
            Station::Open => self.request = Some(request(7)),
            Station::Append | Station::AppendShown => {
                self.settle();
                self.event = Some(self.event());
            }
            Station::Apply => {
                self.settle();
                self.publish();
            }
            Station::MatchAll => {
                self.drain();
                self.publish();
                apply(&mut self.node);
            }
            Station::MatchOne | Station::MatchOneOfMany => {
                self.settle();
                while gather(&mut self.streams[7]) > 0 {}
                let publish = self.node.hub().to_user("u7");
                publish.publish(self.event()).now_or_never().expect("at once").expect("acknowledged");
                apply(&mut self.node);
            }
            Station::Gather | Station::GatherShown => {
                if station == Station::GatherShown {
                    // The hub times up to four events a second.
                    self.now_ms += 1_000;
                    self.node.tick(self.now_ms, u64::MAX);
                }
                self.settle();
                while gather(&mut self.streams[0]) > 0 {}
                self.publish();
                apply(&mut self.node);
                wake(&self.node);
            }
        }
    }

    /// Passes the station once. Returns a value that depends on the work. Callgrind counts inside this function.
    #[inline(never)]
    pub(crate) fn measured_pass(&mut self, station: Station) -> usize {
        match station {
            Station::Encode => encode(&self.frame).len(),
            Station::Decode => decode(&self.chunk),
            Station::Append | Station::AppendShown => {
                let event = self.event.take().expect("prepared");
                append(self.node.hub(), event)
            }
            Station::Apply => apply(&mut self.node),
            Station::MatchAll | Station::MatchOne | Station::MatchOneOfMany => {
                wake(&self.node);
                1
            }
            Station::Gather | Station::GatherShown => gather(&mut self.streams[0]),
            Station::Open => gather(&mut answer(&self.app, self.request.take().expect("prepared"))),
        }
    }

    fn event(&self) -> Event {
        Event::new("bench", "tick", &self.payload).expect("a valid event")
    }

    fn publish(&self) {
        append(self.node.hub(), self.event());
    }

    /// Applies everything that was published, and wakes every stream.
    fn settle(&mut self) {
        while matches!(self.node.pull(), Pulled::Records(_)) {}
        self.node.flush();
    }

    /// Delivers everything that was published to every stream.
    fn drain(&mut self) {
        self.settle();
        for stream in &mut self.streams {
            while gather(stream) > 0 {}
        }
    }
}

fn open(router: &Router, number: usize) -> Body {
    answer(router, request(number))
}

fn request(number: usize) -> Request<Body> {
    let target = format!("/api/events?channels=bench,item:{number},list:{}", number % 100);
    let mut request = Request::get(target).body(Body::empty()).expect("a request");
    let headers = request.headers_mut();
    for (name, value) in [("host", "localhost:4000"), ("accept", "text/event-stream"), ("user-agent", "bench")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("authorization", format!("Bearer u{number}").parse().expect("a header"));
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    request
}

fn answer(router: &Router, request: Request<Body>) -> Body {
    let response = router.clone().oneshot(request).now_or_never().expect("at once").expect("infallible");
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body()
}

/// The position of the frame in a log.
const AT: Cursor = Cursor { epoch: 0x1234_5678, seq: 123_456, tag: 0x89ab_cdef };

fn encode(frame: &EventFrame<Box<RawValue>>) -> String {
    let mut out = String::with_capacity(512);
    let data = serde_json::to_string(frame).unwrap_or_default();
    sse::encode(&mut out, None, Some(&AT), &data);
    out
}

fn decode(chunk: &str) -> usize {
    let mut bytes = 0;
    let read = sse::Decoder::new().push(chunk.as_bytes(), |message| bytes += message.data.len());
    read.map_or(0, |()| bytes)
}

fn append(hub: &Hub, event: Event) -> usize {
    let receipt = hub.publish(event).now_or_never().expect("the memory engine answers at once");
    usize::try_from(receipt.expect("acknowledged").cursor.seq).unwrap_or(0)
}

fn apply(node: &mut Node) -> usize {
    match node.pull() {
        Pulled::Records(records) => records,
        other => panic!("nothing to apply: {other:?}"),
    }
}

fn wake(node: &Node) {
    node.flush();
}

/// The number of bytes that the stream writes now.
fn gather(stream: &mut Body) -> usize {
    match Pin::new(stream).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
        Poll::Ready(Some(Err(error))) => panic!("{error}"),
        Poll::Ready(None) | Poll::Pending => 0,
    }
}
