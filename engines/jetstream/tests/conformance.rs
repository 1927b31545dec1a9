//! The conformance suite against a real NATS server.

use std::sync::LazyLock;

use tidings::engine::conformance::{Shared, Subject};
use tidings_jetstream::JetStream;
use tidings_servers::Nats;

/// One server for all tests of this process.
static SERVER: LazyLock<Nats> = LazyLock::new(|| Nats::start().expect("a NATS server"));

/// A log under a name of its own.
struct Named;

impl Subject for Named {
    type Engine = JetStream;

    async fn fresh(&self) -> JetStream {
        self.keeping(100_000).await
    }

    async fn keeping(&self, records: u64) -> JetStream {
        let name = format!("t{:016x}", fastrand::u64(..));
        JetStream::open(&SERVER.url(), &name, records).await.unwrap()
    }
}

impl Shared for Named {
    async fn another(&self, engine: &JetStream) -> JetStream {
        engine.another().await.unwrap()
    }
}

mod jetstream {
    tidings::conformance_tests!(shared; super::Named);
}
