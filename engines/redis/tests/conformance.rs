//! The conformance suite against a real Redis server.

use std::sync::LazyLock;

use tidings::engine::{
    Engine,
    conformance::{Durable, Hangs, Replaced, Shared, Subject, Unknown},
};
use tidings_protocol::Cursor;
use tidings_redis::Redis;
use tidings_servers::Redis as Server;

/// One server for all tests of this process.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().expect("a Redis server"));

/// A log under a name of its own.
struct Named;

fn name() -> String {
    format!("t{:016x}", fastrand::u64(..))
}

/// Runs a command on a log without the engine.
async fn command(words: &[&str]) -> redis::Value {
    let client = redis::Client::open(SERVER.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (name, arguments) = words.split_first().unwrap();
    redis::cmd(name).arg(arguments).query_async(&mut connection).await.unwrap()
}

impl Subject for Named {
    type Engine = Redis;

    async fn fresh(&self) -> Redis {
        Redis::builder(SERVER.url()).name(name()).open().await.unwrap()
    }

    async fn keeping(&self, records: u64) -> Redis {
        Redis::builder(SERVER.url()).name(name()).records(records).open().await.unwrap()
    }
}

impl Durable for Named {
    async fn reopened(&self, engine: Redis) -> Redis {
        let again = engine.again();
        engine.close().await;
        drop(engine);
        again.open().await.unwrap()
    }
}

impl Shared for Named {
    async fn another(&self, engine: &Redis) -> Redis {
        engine.again().open().await.unwrap()
    }
}

impl Replaced for Named {
    /// Simulates an older file of the server.
    async fn roll_back(&self, engine: &Redis, to: Cursor) {
        let script = "
            local log, keys, head = KEYS[1], KEYS[2], KEYS[3]
            for _, row in ipairs(redis.call('XRANGE', log, (ARGV[1] + 1) .. '-0', '+')) do redis.call('HDEL', keys, string.match(row[2][2], '%S+$')) end
            local kept = redis.call('XRANGE', log, '-', ARGV[1] .. '-0')
            redis.call('DEL', log)
            for _, row in ipairs(kept) do redis.call('XADD', log, row[1], unpack(row[2])) end
            return redis.call('HSET', head, 'last', ARGV[1], 'tag', ARGV[2], 'bytes', string.match(kept[#kept][2][2], '^%d+ %d+ %d+ %d+ (%d+)'))";
        let keys = ["log", "keys", "head"].map(|key| format!("{{{}}}{key}", engine.name()));
        let (seq, tag) = (to.seq.to_string(), to.tag.to_string());
        command(&["EVAL", script, "3", &keys[0], &keys[1], &keys[2], &seq, &tag]).await;
    }

    /// Simulates a server that lost all its data.
    async fn replace(&self, engine: &Redis) {
        let keys = ["log", "keys", "head", "summary", "tags"].map(|key| format!("{{{}}}{key}", engine.name()));
        let words: Vec<_> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
        command(&words).await;
    }
}

impl Unknown for Named {
    async fn append_bytes(&self, engine: &Redis, key: &str, bytes: &[u8]) {
        let client = redis::Client::open(SERVER.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let script = redis::Script::new(concat!(include_str!("../src/text.lua"), include_str!("../src/append.lua")));
        let mut append = script.prepare_invoke();
        for what in ["log", "keys", "head"] {
            append.key(format!("{{{}}}{what}", engine.name()));
        }
        append.arg(1).arg(key).arg(7).arg(1_u64 << 52).arg(1).arg("").arg(bytes);
        let _: redis::Value = append.invoke_async(&mut connection).await.unwrap();
    }
}

mod redis_log {
    tidings::conformance_tests!(durable, shared, replaced, unknown; super::Named);
}

/// Servers that can be stopped, one for each log.
struct Stopped;

mod stopping {
    use std::{
        collections::HashMap,
        sync::{Arc, LazyLock, Mutex},
    };

    use super::{Hangs, Redis, Server, Stopped, Subject, name};

    static SERVERS: LazyLock<Mutex<HashMap<String, Arc<Server>>>> = LazyLock::new(Mutex::default);

    /// Resumes the server when it is dropped.
    pub(super) struct Paused(Arc<Server>);

    impl Drop for Paused {
        fn drop(&mut self) {
            self.0.resume().unwrap();
        }
    }

    impl Subject for Stopped {
        type Engine = Redis;

        async fn fresh(&self) -> Redis {
            let (server, name) = (Server::start().unwrap(), name());
            let engine = Redis::builder(server.url()).name(&*name).open().await.unwrap();
            SERVERS.lock().unwrap().insert(name, Arc::new(server));
            engine
        }

        async fn keeping(&self, _: u64) -> Redis {
            self.fresh().await
        }
    }

    impl Hangs for Stopped {
        type Hanging = Paused;

        /// SIGSTOP: the server does not answer.
        async fn hang(&self, engine: &Redis) -> Paused {
            let server = SERVERS.lock().unwrap()[engine.name()].clone();
            server.pause().unwrap();
            Paused(server)
        }
    }
}

mod redis_stopped {
    tidings::conformance_tests!(@power hangs super::Stopped);
}
