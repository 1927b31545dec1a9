//! How a handle learns that the log has grown: by `XREAD BLOCK` on a connection of its own, which it holds up.

use std::{sync::Weak, time::Duration};

use redis::streams::StreamReadReply;
use tokio::time::timeout;

use crate::{
    link,
    log::{Log, TAIL_DEADLINE},
};

/// For so long the server holds the question back.
const BLOCK_MS: u64 = 500;
/// How long to wait before the server is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) async fn listen(log: Weak<Log>) {
    loop {
        // Whatever broke: tails look for themselves, and tell.
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
            // After all that a record of this number could be called.
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
