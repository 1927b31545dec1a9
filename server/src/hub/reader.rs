//! The driver of one connection, polled by the consumer of its frames: a response's body, or a listener in this process.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tidings_protocol::Cursor;

use super::Hub;
use crate::{
    connection::{Fetched, Step},
    core::Link,
};

/// About how many bytes one poll takes at most.
const WRITE_BYTES: usize = 64 << 10;

type Read = BoxFuture<'static, Fetched>;

/// Polls a connection for frames. Dropping it closes the connection.
pub(crate) struct Reader {
    hub: Hub,
    link: Arc<Link>,
    /// A page of the engine's log that is being read, and the position that it follows.
    read: Option<Box<(Cursor, Read)>>,
}

impl Reader {
    pub(crate) fn new(hub: Hub, link: Arc<Link>) -> Self {
        Self { hub, link, read: None }
    }

    /// Whether a page of the engine's log is being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.read.is_some()
    }

    /// The next frames, in order; `None` when the stream has ended.
    pub(crate) fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<Bytes>>> {
        // The waker is registered first, so that a record filed after the step below wakes this task.
        self.link.waker.register(cx.waker());
        loop {
            if let Some(reading) = &mut self.read {
                let (after, read) = &mut **reading;
                if let Poll::Ready(fetched) = read.as_mut().poll(cx) {
                    self.hub.core().page(&self.link, *after, fetched);
                    self.read = None;
                    self.link.set_reading(false);
                }
            }
            // The step runs while a page is being read, too: heartbeats and the end of the stream do not depend on the
            // engine.
            match self.hub.core().step(&self.link, WRITE_BYTES, self.hub.now_ms()) {
                Step::Write(frames) => return Poll::Ready(Some(frames)),
                Step::Read { after } => {
                    if self.read.as_ref().is_some_and(|reading| reading.0 == after) {
                        return Poll::Pending;
                    }
                    let (hub, link) = (self.hub.clone(), self.link.clone());
                    let read: Read = Box::pin(async move { hub.page(&link, after).await });
                    self.read = Some(Box::new((after, read)));
                    self.link.set_reading(true);
                }
                Step::Idle => return Poll::Pending,
                Step::End => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.hub.close(&self.link);
    }
}
