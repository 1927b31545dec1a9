//! How a handle learns that the log has grown: by LISTEN on a connection of its own, and by polling at intervals, so
//! that a lost notice costs a moment and nothing else.

use std::{sync::Weak, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use crate::log::{Log, TAIL_DEADLINE};

/// How long the listener waits for a notice before it polls the log.
const LOOK: Duration = Duration::from_millis(250);
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
                // The poll uses the same connection, so that a dead connection is detected.
                let look = session.client.query_one("SELECT last FROM log", &[]);
                let last: i64 = timeout(TAIL_DEADLINE, look).await.ok()?.ok()?.get(0);
                log.grew(u64::try_from(last).unwrap_or_default());
            }
        }
    }
}
