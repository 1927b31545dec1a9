//! The sockets of one client: one stream, and requests beside it.

use bytes::Bytes;
use tidings_client::client::{Answer, Request};
use tidings_protocol::{command::SubscribeAnswer, problem::Problem, sse};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use crate::frames;

/// How many chunks wait for a client that dozes; beyond that its socket is not read.
const CHUNKS: usize = 16;

/// An input of the client.
pub(super) enum Heard {
    /// Bytes of the stream.
    Chunk(Bytes),
    /// The stream could not be opened, broke off or ended.
    Failed,
    /// The answer to a request.
    Answer(u32, Answer),
}

/// The answer to the request with this number.
type Numbered = (u32, Answer);

pub(super) struct Wire {
    http: reqwest::Client,
    base: String,
    stream: Option<(AbortHandle, mpsc::Receiver<Bytes>)>,
    /// The tasks, which end with the wire.
    tasks: JoinSet<()>,
    answers: (mpsc::UnboundedSender<Numbered>, mpsc::UnboundedReceiver<Numbered>),
}

impl Wire {
    pub(super) fn new(base: String) -> Self {
        let (http, answers) = (reqwest::Client::new(), mpsc::unbounded_channel());
        Self { http, base, stream: None, tasks: JoinSet::new(), answers }
    }

    /// Opens the stream.
    pub(super) fn open(&mut self, url: &str) {
        while self.tasks.try_join_next().is_some() {}
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        let request = self.http.get(format!("{}{url}", self.base)).header("accept", sse::CONTENT_TYPE);
        let task = self.tasks.spawn(read(request, chunks));
        self.stream = Some((task, receiver));
    }

    /// Closes the stream. Nothing of it arrives any more.
    pub(super) fn close(&mut self) {
        if let Some((task, _)) = self.stream.take() {
            task.abort();
        }
    }

    /// Drops the answers that are still outstanding.
    pub(super) fn forget(&mut self) {
        self.tasks.abort_all();
        self.answers = mpsc::unbounded_channel();
    }

    pub(super) fn send(&mut self, request: Request) {
        let url = format!("{}{}", self.base, request.url);
        let builder = match request.body {
            Some(body) => self.http.post(url).header("content-type", "application/json").body(body),
            None => self.http.get(url),
        };
        let answers = self.answers.0.clone();
        self.tasks.spawn(async move {
            let answer = ask(builder).await.unwrap_or_default();
            // The client may be gone.
            let _ = answers.send((request.number, answer));
        });
    }

    /// The next input.
    pub(super) async fn next(&mut self) -> Heard {
        let chunk = async {
            match &mut self.stream {
                Some((_, chunks)) => chunks.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            chunk = chunk => match chunk {
                Some(chunk) => Heard::Chunk(chunk),
                None => {
                    self.stream = None;
                    Heard::Failed
                }
            },
            Some((number, answer)) = self.answers.1.recv() => Heard::Answer(number, answer),
        }
    }
}

/// Reads a stream to its end. A response that is not a stream counts as one that ends at once.
async fn read(request: reqwest::RequestBuilder, chunks: mpsc::Sender<Bytes>) {
    let Ok(mut answer) = request.send().await else { return };
    let is_stream =
        answer.headers().get("content-type").is_some_and(|it| it.as_bytes() == sse::CONTENT_TYPE.as_bytes());
    if answer.status() != reqwest::StatusCode::OK || !is_stream {
        return;
    }
    while let Ok(Some(chunk)) = answer.chunk().await {
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}

async fn ask(request: reqwest::RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let body = response.bytes().await.ok()?;
    let mut answer = Answer {
        status: Some(status),
        retry_after_ms: retry_after.map(|seconds| seconds * 1_000),
        ..Answer::default()
    };
    if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
        answer.code = Some(problem.code.as_str().to_owned());
        answer.detail = problem.detail;
    } else if let Ok(SubscribeAnswer { rejected, .. }) = serde_json::from_slice(&body) {
        answer.rejected = rejected.into_iter().map(frames::rejected).collect();
    }
    Some(answer)
}
