//! The complete path: streams of a hub, its driver, and paused time.

use std::time::Duration;

use futures_util::StreamExt;
use tidings_protocol::UserId;
use tokio::time::Instant;

use super::*;
use crate::{
    PresenceSettings,
    access::Channels,
    auth::Identity,
    connection::Names,
    connection_limits::{Bounds, ConnectionLimits, Holder},
    core::{Link, Start},
};

/// The streams have no drivers here, which would poll for pending data.
fn builder() -> crate::HubBuilder {
    Hub::builder().stall_timeout(Duration::MAX)
}

fn open(hub: &Hub, user: &str) -> Arc<Link> {
    let bounds = Bounds { per_user: 10, per_device: 10, per_address: 10, in_all: 10 };
    let permit = ConnectionLimits::new(bounds).admit(Holder::default()).unwrap();
    let names = Names { user: Some(UserId::new(user).unwrap()), ..Names::default() };
    let channels = Channels { granted: vec!["room:1".parse().unwrap()], by_server: Vec::new() };
    hub.open(&Identity::anonymous(), names, channels, Vec::new(), Start::Head, permit)
}

fn members(users: &[&str]) -> Vec<Member> {
    users.iter().map(|user| Member { user_id: UserId::new(user).unwrap(), device_id: None }).collect()
}

fn here(users: &[&str]) -> PresenceChange {
    PresenceChange::Here(Gathered { value: members(users), asked: 1, answered: 1 })
}

fn moved(join: &[&str], leave: &[&str]) -> PresenceChange {
    PresenceChange::Moved { join: members(join), leave: members(leave) }
}

/// The next change, and after how many seconds it came.
async fn next(watch: &mut PresenceWatch) -> (PresenceChange, u64) {
    let started = Instant::now();
    let change = watch.next().await.expect("it does not end");
    (change, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_leave_is_told_after_the_grace_period_and_a_ghost_is_one_for_75_seconds() {
    let hub = builder().presence(PresenceSettings::default()).build().await.unwrap();
    let mut watch = hub.watch_presence("room:1").unwrap();
    assert_eq!(next(&mut watch).await, (here(&[]), 0));
    let (ana, bob) = (open(&hub, "ana"), open(&hub, "bob"));
    assert_eq!(next(&mut watch).await, (moved(&["ana", "bob"], &[]), 0));
    hub.close(&ana);
    assert_eq!(next(&mut watch).await, (moved(&[], &["ana"]), 10));
    tokio::time::sleep(Duration::from_secs(20)).await;
    hub.core().alive(&bob, hub.now_ms());
    assert_eq!(next(&mut watch).await, (moved(&[], &["bob"]), 75));
    // The client was only delayed.
    hub.core().alive(&bob, hub.now_ms());
    assert_eq!(next(&mut watch).await, (moved(&["bob"], &[]), 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_waited_for_to_the_end_is_told_the_next_time() {
    let hub = builder().presence(PresenceSettings::default()).build().await.unwrap();
    let mut watch = hub.watch_presence("*").unwrap();
    watch.next().await;
    tokio::time::timeout(Duration::from_secs(1), watch.next()).await.expect_err("nobody came");
    let _ana = open(&hub, "ana");
    assert_eq!(watch.next().await.unwrap(), moved(&["ana"], &[]));
}

#[tokio::test]
async fn a_hub_without_presence_says_so_and_so_does_what_is_no_channel() {
    let hub = Hub::builder().build().await.unwrap();
    assert_eq!(hub.watch_presence("*").unwrap_err(), PresenceError::Off);
    assert_eq!(hub.presence("*"), Err(PresenceError::Off));
    let hub = builder().presence(PresenceSettings::default()).build().await.unwrap();
    assert!(matches!(hub.watch_presence("a::b").unwrap_err(), PresenceError::Channel(_)));
    assert!(matches!(hub.presence("a::b"), Err(PresenceError::Channel(_))));
}
