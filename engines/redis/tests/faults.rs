//! What is refused when a log is opened, and what a hub does while its server is down, hangs, or comes back.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tidings::engine::{AppendError, Engine, Limit, Location, ReadError, conformance::entry_on};
use tidings_redis::{OpenErrorKind, Redis};
use tidings_servers::{Redis as Server, faults::Hubs};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().expect("a Redis server"));

async fn command(server: &Server, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (name, arguments) = words.split_first().unwrap();
    let _: redis::Value = redis::cmd(name).arg(arguments).query_async(&mut connection).await.unwrap();
}

async fn refusal(url: &str, name: &str) -> OpenErrorKind {
    let error = Redis::builder(url).name(name).open().await.unwrap_err();
    let told = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(!told.contains("s3cret"), "{told}");
    error.kind()
}

#[tokio::test]
async fn a_server_that_cannot_hold_a_log_is_refused_by_kind() {
    let url = &SERVER.url();
    for (url, name, kind) in [
        ("no url", "tidings", OpenErrorKind::Settings),
        (url, "a name}", OpenErrorKind::Settings),
        (url, "", OpenErrorKind::Settings),
        ("redis://:s3cret@127.0.0.1:1", "tidings", OpenErrorKind::Unreachable),
    ] {
        assert_eq!(refusal(url, name).await, kind, "{url} {name:?}");
    }
    let secret = Server::with(&["--requirepass", "other"]).unwrap();
    assert_eq!(refusal(&secret.url(), "tidings").await, OpenErrorKind::Denied);
    let wrong = secret.url().replace("redis://", "redis://:s3cret@");
    assert_eq!(refusal(&wrong, "tidings").await, OpenErrorKind::Denied);
    let small = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).unwrap();
    assert_eq!(refusal(&small.url(), "tidings").await, OpenErrorKind::Evicts);
    let replica = Server::with(&["--replicaof", &format!("127.0.0.1 {}", SERVER.port())]).unwrap();
    assert_eq!(refusal(&replica.url(), "tidings").await, OpenErrorKind::ReadOnly);
    let cluster = Server::with(&["--cluster-enabled", "yes"]).unwrap();
    assert_eq!(refusal(&cluster.url(), "tidings").await, OpenErrorKind::Cluster);
    Redis::builder(url).name("newer").open().await.unwrap();
    command(&SERVER, &["HSET", "{newer}head", "version", "99"]).await;
    assert_eq!(refusal(url, "newer").await, OpenErrorKind::Newer);
}

async fn open(server: &Server) -> Redis {
    Redis::open(server.url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_go_on_by_themselves_after_their_server_was_killed() {
    let server = Server::start().unwrap();
    Hubs::start(|| open(&server)).await.check_killed(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_report_that_their_server_hangs_and_go_on_when_it_does() {
    let server = Server::start().unwrap();
    Hubs::start(|| open(&server)).await.check_hanging(&server).await;
}

/// A server without a file comes back empty. That is another log, and hubs continue in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_has_another_log() {
    let server = Server::with(&["--appendonly", "no"]).unwrap();
    let hubs = Hubs::start(|| open(&server)).await;
    let before = hubs.publish(0).await;
    server.kill().unwrap();
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let after = hubs.publish(1).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.seq, 1);
}

/// It is unknown whether an append that no replica has survives.
#[tokio::test]
async fn a_record_that_no_replica_has_is_not_acknowledged() {
    let engine = Redis::builder(SERVER.url()).name("alone").replicas(1).open().await.unwrap();
    let began = Instant::now();
    let outcome = engine.append(vec![entry_on("news", "1")], Duration::from_millis(300)).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// One record was deleted and another one replaced. All other records are read, and the damage is reported.
#[tokio::test]
async fn records_that_are_missing_are_told_as_damage() {
    let engine = Redis::builder(SERVER.url()).name("damaged").open().await.unwrap();
    let base = engine.bounds().await.unwrap().base();
    let entries: Vec<_> = (0..10).map(|number| entry_on(&format!("room:{number}"), "1")).collect();
    let receipts = engine.append(entries, Duration::from_secs(10)).await.unwrap();
    command(&SERVER, &["XDEL", "{damaged}log", "3-0", "4-0", "10-0"]).await;
    let (mut after, mut read, mut told) = (base, Vec::new(), Vec::new());
    while after != receipts[9].cursor {
        match engine.read(after, Limit { records: 100, bytes: usize::MAX }).await {
            Ok(page) => {
                read.extend(page.iter().map(|record| record.seq));
                let last = page.last().expect("more follows");
                after = tidings::Cursor { seq: last.seq, tag: last.tag, ..after };
            }
            Err(ReadError::Damaged { through, keys: None }) => {
                assert_eq!(engine.locate(&[through]).await.unwrap(), [Location::Held]);
                told.push((after.seq + 1, through.seq));
                after = through;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((read, told), (vec![1, 2, 5, 6, 7, 8, 9], vec![(3, 4), (10, 10)]));
}

/// The fields of a record cannot be read. The others are read, and trimming removes it.
#[tokio::test]
async fn a_record_whose_fields_are_damaged_is_told_and_trimmed() {
    let engine = Redis::builder(SERVER.url()).name("fields").records(2).open().await.unwrap();
    let base = engine.bounds().await.unwrap().base();
    let entries: Vec<_> = (0..5).map(|number| entry_on(&format!("room:{number}"), "1")).collect();
    let receipts = engine.append(entries, Duration::from_secs(10)).await.unwrap();
    let damage = "
        local rows = redis.call('XRANGE', KEYS[1], '-', '+')
        redis.call('DEL', KEYS[1])
        for _, row in ipairs(rows) do
            if row[1] == '2-0' then row[2][2] = '1 x' end
            redis.call('XADD', KEYS[1], row[1], unpack(row[2]))
        end";
    command(&SERVER, &["EVAL", damage, "1", "{fields}log"]).await;
    let limit = Limit { records: 100, bytes: usize::MAX };
    let seqs = |page: Vec<tidings::record::Record>| page.iter().map(|record| record.seq).collect::<Vec<_>>();
    assert_eq!(seqs(engine.read(base, limit).await.unwrap()), [1]);
    let Err(ReadError::Damaged { through, keys: None }) = engine.read(receipts[0].cursor, limit).await else {
        panic!("the damage is not told")
    };
    assert_eq!(through, receipts[1].cursor);
    assert_eq!(seqs(engine.read(through, limit).await.unwrap()), [3, 4, 5]);
    while engine.trim().await.unwrap().more {}
    assert_eq!(engine.bounds().await.unwrap().first, 4);
    assert_eq!(engine.locate(&[receipts[2].cursor]).await.unwrap(), [Location::Held]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_go_on_by_themselves_after_a_refused_redial() {
    let server = Server::start().unwrap();
    Hubs::start(|| open(&server)).await.check_refused_redial("Redis", &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_memory_is_full_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let set = async |bytes: &str| command(&server, &["CONFIG", "SET", "maxmemory", bytes]).await;
    Hubs::start(|| open(&server)).await.check_refusing(|| set("1"), || set("0")).await;
}

/// A fail-over makes the server a replica while hubs run; of a master that is not there, so that it keeps what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_read_only_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let follow = async |words: [&str; 2]| command(&server, &["REPLICAOF", words[0], words[1]]).await;
    let hubs = Hubs::start(|| open(&server)).await;
    hubs.check_refusing(|| follow(["127.0.0.1", "1"]), || follow(["NO", "ONE"])).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unreachable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://:s3cret@{}", silent.local_addr().unwrap());
    let began = Instant::now();
    assert_eq!(refusal(&url, "tidings").await, OpenErrorKind::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
