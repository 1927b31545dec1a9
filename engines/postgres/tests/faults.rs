//! What is refused when a log is opened, and what a hub does while its server is down, hangs, or comes back.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tidings::{
    Event, Hub, PublishError,
    engine::{Engine, Limit, Location, ReadError, conformance::entry_on},
};
use tidings_postgres::{OpenErrorKind, Postgres};
use tidings_servers::{
    PgBouncer, PoolMode, Postgres as Server,
    faults::{Hubs, check_applied, publish},
};
use tokio_postgres::{Client, NoTls};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().expect("a PostgreSQL server"));

async fn sql(sql: &str) {
    let (client, connection) = tokio_postgres::connect(&SERVER.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

async fn refusal(url: &str, schema: &str) -> OpenErrorKind {
    let error = Postgres::builder(url).schema(schema).open().await.unwrap_err();
    let told = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(!told.contains("s3cret"), "{told}");
    error.kind()
}

#[tokio::test]
async fn a_server_that_cannot_hold_a_log_is_refused_by_kind() {
    let url = &SERVER.url();
    let port = SERVER.port();
    for (url, schema, kind) in [
        ("no url", "tidings", OpenErrorKind::Settings),
        (url, "Robert'); DROP TABLE", OpenErrorKind::Settings),
        (url, "", OpenErrorKind::Settings),
        ("postgres://tidings:s3cret@127.0.0.1:1/tidings", "tidings", OpenErrorKind::Unreachable),
        (&format!("postgres://tidings:s3cret@127.0.0.1:{port}/none"), "tidings", OpenErrorKind::Denied),
        (&format!("postgres://nobody:s3cret@127.0.0.1:{port}/tidings"), "tidings", OpenErrorKind::Denied),
        (&format!("{url}?sslmode=require"), "tidings", OpenErrorKind::Unreachable),
        (&format!("{url}?options=-cdefault_transaction_read_only%3Don"), "tidings", OpenErrorKind::ReadOnly),
    ] {
        assert_eq!(refusal(url, schema).await, kind, "{url} {schema:?}");
    }
}

/// PgBouncer in transaction mode answers everything, and gives notices to whoever has the connection then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_refused_and_one_in_session_mode_serves() {
    let pooler = PgBouncer::before(&SERVER, PoolMode::Transaction).unwrap();
    assert_eq!(refusal(&pooler.url(), "pooled").await, OpenErrorKind::Pooler);
    let pooler = PgBouncer::before(&SERVER, PoolMode::Session).unwrap();
    let hub = async || {
        let engine = Postgres::builder(pooler.url()).schema("pooled").open().await.unwrap();
        Hub::builder().engine(engine).build().await.unwrap()
    };
    let (one, other) = (hub().await, hub().await);
    let last = publish(&one, Event::new("news", "said", &0).unwrap()).await.cursor;
    check_applied(&other, last).await;
}

#[tokio::test]
async fn a_schema_of_something_else_or_of_a_newer_version_is_left_alone() {
    sql("CREATE SCHEMA theirs; CREATE TABLE theirs.users (name text)").await;
    assert_eq!(refusal(&SERVER.url(), "theirs").await, OpenErrorKind::Foreign);
    sql("CREATE SCHEMA alike; CREATE TABLE alike.log (line text)").await;
    assert_eq!(refusal(&SERVER.url(), "alike").await, OpenErrorKind::Foreign);
    Postgres::builder(SERVER.url()).schema("newer").open().await.unwrap();
    sql("UPDATE newer.log SET version = 99").await;
    assert_eq!(refusal(&SERVER.url(), "newer").await, OpenErrorKind::Newer);
}

#[tokio::test]
async fn two_that_make_a_log_at_once_make_one() {
    let url = SERVER.url();
    let opened = (0..6).map(|_| Postgres::builder(&url).schema("raced").open());
    for opened in futures_util::future::join_all(opened).await {
        opened.unwrap();
    }
}

async fn open(server: &Server) -> Postgres {
    Postgres::open(server.url()).await.unwrap()
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

/// One row was deleted and another one changed. All other records are read, and the damage is reported, that of the
/// changed row with its keys.
#[tokio::test]
async fn rows_that_are_missing_or_changed_are_told_as_damage() {
    let engine = Postgres::builder(SERVER.url()).schema("damaged").open().await.unwrap();
    let base = engine.bounds().await.unwrap().base();
    let entries: Vec<_> = (0..10).map(|number| entry_on(&format!("room:{number}"), "1")).collect();
    let receipts = engine.append(entries.clone(), Duration::from_secs(10)).await.unwrap();
    sql("DELETE FROM damaged.records WHERE seq IN (3, 4); UPDATE damaged.records SET entry = 'x' WHERE seq = 7;
         DELETE FROM damaged.records WHERE seq = 10")
    .await;
    let (mut after, mut read, mut told) = (base, Vec::new(), Vec::new());
    while after != receipts[9].cursor {
        match engine.read(after, Limit { records: 100, bytes: usize::MAX }).await {
            Ok(page) => {
                read.extend(page.iter().map(|record| record.seq));
                let last = page.last().expect("more follows");
                after = tidings::Cursor { seq: last.seq, tag: last.tag, ..after };
            }
            Err(ReadError::Damaged { through, keys }) => {
                assert_eq!(engine.locate(&[through]).await.unwrap(), [Location::Held]);
                told.push((after.seq + 1, through.seq, keys));
                after = through;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(read, [1, 2, 5, 6, 8, 9]);
    assert_eq!(told, [(3, 4, None), (7, 7, Some(entries[6].routing_keys())), (10, 10, None)]);
    let next = engine.append(vec![entry_on("room:1", "1")], Duration::from_secs(10)).await.unwrap();
    assert_eq!(next[0].cursor.seq, 11, "no number is used again");
}

/// The tables are created as the first version created them.
#[tokio::test]
async fn tables_of_an_older_version_are_brought_up_to_date() {
    let first = include_str!("../src/schema/1.sql");
    sql(&format!("CREATE SCHEMA older; SET search_path TO older; {first} INSERT INTO log (version, epoch, clock) VALUES (1, 7, now_ms())")).await;
    let engine = Postgres::builder(SERVER.url()).schema("older").open().await.unwrap();
    assert_eq!(engine.bounds().await.unwrap().epoch, 7, "the updated log is the same log");
    let hub = Hub::builder().engine(engine).build().await.unwrap();
    hub.publish(Event::new("news:1", "x", &1).unwrap()).await.unwrap();
    let again = Postgres::builder(SERVER.url()).schema("older").open().await.unwrap();
    assert_eq!(again.bounds().await.unwrap().last, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_go_on_by_themselves_after_a_refused_redial() {
    let server = Server::start().unwrap();
    Hubs::start(|| open(&server)).await.check_refused_redial("PostgreSQL", &server).await;
}

async fn admin(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// An operator, or a fail-over, makes the server read-only while hubs run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_read_only_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let client = admin(&server).await;
    let set = async |value: &str| {
        client.batch_execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    Hubs::start(|| open(&server)).await.check_refusing(|| set("on"), || set("off")).await;
}

/// The server answers as one whose disk is full (SQLSTATE 53100), and only to what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_is_full_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let client = admin(&server).await;
    let full = "CREATE FUNCTION tidings.disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$;
        CREATE TRIGGER disk_full BEFORE INSERT ON tidings.records EXECUTE FUNCTION tidings.disk_full()";
    let execute = async |sql: &str| client.batch_execute(sql).await.unwrap();
    let mend = "DROP TRIGGER disk_full ON tidings.records";
    Hubs::start(|| open(&server)).await.check_refusing(|| execute(full), || execute(mend)).await;
}

/// With a disk that is really full, of which the test above is the part that every machine can run. It needs an empty
/// file system of some 96 MB, named by `SMALL_DISK`: `mount -t tmpfs -o size=96m tmpfs /mnt/small`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a small file system"]
async fn a_server_without_room_for_its_files_acknowledges_nothing_and_hubs_go_on_when_there_is_room() {
    let disk = std::env::var("SMALL_DISK").expect("SMALL_DISK names a small file system");
    let server = Server::start_in(disk.as_ref()).unwrap();
    let hub = async || Hub::builder().engine(open(&server).await).build().await.unwrap();
    let (one, other) = (hub().await, hub().await);
    let filler = std::path::Path::new(&disk).join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    // Something else takes all that is left.
    while std::io::Write::write_all(&mut file, &[0; 1 << 16]).is_ok() {}
    let event = |number| {
        let event = Event::new("news", "said", &"x".repeat(60_000)).unwrap();
        event.key(format!("key-{number}")).unwrap()
    };
    let (mut number, mut last) = (0, one.cursor());
    let refused = loop {
        match one.publish(event(number)).await {
            Ok(receipt) => (number, last) = (number + 1, receipt.cursor),
            Err(error) => break error,
        }
        assert!(number < 2_000, "the disk is not full");
    };
    assert!(matches!(refused, PublishError::Refused(_) | PublishError::Unknown(_)), "{refused:?}");
    drop(file);
    std::fs::remove_file(filler).unwrap();
    // The server ends where it cannot write its own log, and an operator starts it again.
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let after = publish(&one, event(number)).await.cursor;
    assert_eq!(after.seq, last.seq + 1, "acknowledged is stored, and once");
    check_applied(&other, after).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unreachable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://tidings:s3cret@{}/tidings", silent.local_addr().unwrap());
    let began = Instant::now();
    assert_eq!(refusal(&url, "tidings").await, OpenErrorKind::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
