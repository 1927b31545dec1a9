//! How a handle learns that the log has grown: by LISTEN on a connection of its own, and by a look every now and then beside it, because a
//! notice that got lost must cost a moment, and nothing else.

use std::{sync::Weak, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use crate::log::{Log, TAIL_DEADLINE};

/// A log that nothing was heard of for so long is looked at.
const LOOK: Duration = Duration::from_millis(250);
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
    let (notified, mut news) = mpsc::channel(256);
    let session = {
        let log = weak.upgrade()?;
        let session = timeout(TAIL_DEADLINE, log.access.connect(Some(notified))).await.ok()?.ok()?;
        let listen = format!("LISTEN tidings_{}", log.settings.schema);
        timeout(TAIL_DEADLINE, session.client.batch_execute(&listen)).await.ok()?.ok()?;
        session
    };
    loop {
        match timeout(LOOK, news.recv()).await {
            Ok(Some(last)) => weak.upgrade()?.grew(last.parse().unwrap_or_default()),
            Ok(None) => return None,
            Err(_) => {
                let log = weak.upgrade()?;
                // On this very connection, so that one that is dead is found out.
                let look = session.client.query_one("SELECT last FROM log", &[]);
                let last: i64 = timeout(TAIL_DEADLINE, look).await.ok()?.ok()?.get(0);
                log.grew(u64::try_from(last).unwrap_or_default());
            }
        }
    }
}
