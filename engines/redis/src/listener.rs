//! How a handle learns that the log has grown: by `XREAD BLOCK`, which blocks a connection of its own.

use std::{sync::Weak, time::Duration};

use redis::streams::StreamReadReply;
use tokio::time::timeout;

use crate::{
    link,
    log::{Log, TAIL_DEADLINE},
};

/// How long the server blocks one call.
const BLOCK_MS: u64 = 500;
/// The delay before the server is asked again after a failure.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) async fn listen(log: Weak<Log>) {
    loop {
        // Errors are ignored here, because tails read the log themselves and report them.
        let _ = listen_once(&log).await;
        if log.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(weak: &Weak<Log>) -> Option<()> {
    let client = weak.upgrade()?.client.clone();
    let mut connection = timeout(TAIL_DEADLINE, link::connect(&client)).await.ok()?.ok()?;
    loop {
        let mut read = redis::cmd("XREAD");
        {
            let log = weak.upgrade()?;
            let last = *log.grown.borrow();
            read.arg("COUNT").arg(1).arg("BLOCK").arg(BLOCK_MS).arg("STREAMS");
            // This id sorts after every id that a record with this number could have.
            read.arg(&log.keys.log).arg(format!("{last}-{}", u64::MAX));
        }
        let reply: Option<StreamReadReply> =
            timeout(Duration::from_millis(BLOCK_MS) + TAIL_DEADLINE, read.query_async(&mut connection))
                .await
                .ok()?
                .ok()?;
        let found = reply.iter().flat_map(|reply| &reply.keys).flat_map(|stream| &stream.ids).next();
        if let Some(found) = found {
            weak.upgrade()?.grew(found.id.split('-').next()?.parse().ok()?);
        }
    }
}
