//! Orders in the log: records before an order have been sent, and none after it are, however a stream gets there.

use tidings_protocol::event::Timestamp;

use super::*;
use crate::record::{Control, Order};

/// The time of every entry of these tests.
const NOW: u64 = 1_700_000_000_000;

fn command(user: &str, order: Order) -> Entry {
    let control = Control { user: UserId::new(user).unwrap(), order };
    Entry { audience: Audience::Control(control), ..entry("*", "control", "null") }
}

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

pub(super) fn revoke(channels: &str) -> Entry {
    command("ana", Order::Revoke { channels: pattern(channels), until: Timestamp(u64::MAX) })
}

fn disconnect() -> Entry {
    command("ana", Order::Disconnect { device: None, until: Timestamp(u64::MAX) })
}

fn restore() -> Entry {
    command("ana", Order::Restore { channels: None })
}

fn subscribe(channels: &str) -> Entry {
    command("ana", Order::Subscribe { channels: pattern(channels) })
}

fn unsubscribe(channels: &str) -> Entry {
    command("ana", Order::Unsubscribe { channels: pattern(channels) })
}

fn names(user: &str) -> Names {
    Names { user: Some(UserId::new(user).unwrap()), ..Names::default() }
}

impl Fixture {
    /// Publishes events and orders as one batch of the engine's tail.
    fn apply(&mut self, entries: Vec<Entry>) {
        let first = self.log.len();
        for entry in entries {
            let place = at(self.log.len() as u64 + 1);
            self.log.push(Record { seq: place.seq, tag: place.tag, entry: Arc::new(entry) });
        }
        self.apply_from(first);
    }

    fn open_ana(&self, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_as(names("ana"), channels, start)
    }
}

fn event(channel: &str) -> Entry {
    entry(channel, "t", "1")
}

#[test]
fn a_revocation_ends_what_comes_after_it_in_its_batch_and_nothing_before_nor_anybody_else() {
    for window_records in [100, 1] {
        let mut fixture = fixture(window_records);
        let ana = fixture.open_ana(&["a:*", "b"], Start::Head);
        let bob = fixture.open_as(names("bob"), &["a:*"], Start::Head);
        fixture.apply(vec![event("a:1"), revoke("a:1"), event("a:1"), event("b"), event("a:2")]);
        fixture.core.flush();
        let said = fixture.hear(&ana);
        assert_eq!(said, ["connected @0", "1 a:1 @1", r#"revoked ["a:*"] forbidden"#, "4 b @4"], "{window_records}");
        assert_eq!(fixture.hear(&bob), ["connected @0", "1 a:1 @1", "3 a:1 @3", "5 a:2 @5"]);
    }
}

#[test]
fn a_stream_that_takes_little_at_a_time_is_not_told_before_it_gets_there() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["a"], Start::Head);
    fixture.apply(vec![event("a"), event("a"), revoke("a"), event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.drain(&ana, 1), ["connected @0", "1 a @1", "2 a @2", r#"revoked ["a"] forbidden"#]);
}

#[test]
fn a_revoked_stream_is_woken_and_loses_the_routing_keys() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["a"], Start::Head);
    fixture.hear(&ana);
    fixture.append(revoke("a"));
    assert_eq!(fixture.core.flush(), 1);
    assert_eq!(fixture.hear(&ana), [r#"revoked ["a"] forbidden"#]);
    fixture.publish(&["a"]);
    assert_eq!(fixture.core.flush(), 0);
}

#[test]
fn older_credentials_are_refused_afterwards_and_newer_ones_are_not() {
    let mut fixture = fixture(100);
    fixture.apply(vec![event("a"), revoke("a"), event("a")]);
    let older = fixture.open_with(names("ana"), Some(NOW), &["a"], Start::Head);
    assert_eq!(fixture.hear(&older), [r#"connected without ["a"] @3"#]);
    let newer = fixture.open_with(names("ana"), Some(NOW + 1), &["a"], resume(0));
    assert_eq!(
        fixture.hear(&newer),
        ["connected @0", "1 a @1", "3 a @3"],
        "the orders that it passes are older than its credentials"
    );
    let not = fixture.core.subscribe(&older, call("r1", granted(&["a", "b"]), Since::Now), Some(NOW), 100);
    assert_eq!(not.unwrap().refused, patterns(&["a"]));
    assert_eq!(fixture.hear(&older), ["subscribed r1 3"]);
}

#[test]
fn a_restored_channel_is_open_again() {
    let mut fixture = fixture(100);
    fixture.apply(vec![revoke("a"), restore(), event("a")]);
    let ana = fixture.open_ana(&["a"], resume(0));
    assert_eq!(fixture.hear(&ana), ["connected @0", "3 a @3"]);
    fixture.apply(vec![disconnect(), restore()]);
    assert!(!fixture.core.authorize(names("ana").credentials(None), Vec::new()).is_shut_out);
}

#[test]
fn a_subscription_that_waits_for_its_past_is_revoked_too() {
    let mut fixture = fixture(100);
    fixture.publish(&["a", "a", "b"]);
    let ana = fixture.open_ana(&[], Start::Head);
    fixture.hear(&ana);
    fixture.subscribe(&ana, "r1", &["a", "b"], Since::After(at(0)));
    fixture.apply(vec![revoke("a"), event("a")]);
    let said = fixture.hear(&ana);
    assert_eq!(said, [r#"revoked ["a"] forbidden"#, "backfill r1 3 b", "subscribed r1 5"]);
}

#[test]
fn a_disconnection_is_the_last_frame_after_all_that_came_before_it() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["a"], Start::Head);
    fixture.apply(vec![event("a"), disconnect(), event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["connected @0", "1 a @1", "closing revoked"]);
    assert!(matches!(fixture.core.step(&ana, MANY, 0), Step::End));
}

#[test]
fn a_disconnected_device_is_not_the_others() {
    let mut fixture = fixture(100);
    let device = |id: &str| Names { device: Some(id.parse().unwrap()), ..names("ana") };
    let laptop = fixture.open_as(device("laptop"), &[], Start::Head);
    let phone = fixture.open_as(device("phone"), &[], Start::Head);
    let order = Order::Disconnect { device: Some("laptop".parse().unwrap()), until: Timestamp(u64::MAX) };
    fixture.append(command("ana", order));
    fixture.core.flush();
    assert_eq!(fixture.hear(&laptop), ["connected @0", "closing revoked"]);
    assert_eq!(fixture.hear(&phone), ["connected @0"]);
}

#[test]
fn a_stream_that_skips_a_revocation_by_a_gap_applies_it() {
    let mut fixture = fixture(1);
    let ana = fixture.open_ana(&["a"], Start::Head);
    fixture.hear(&ana);
    fixture.apply(vec![event("a"), revoke("a"), event("b"), event("b")]);
    fixture.forgotten = 3;
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["gap null trimmed @4", r#"revoked ["a"] forbidden"#]);
}

#[test]
fn a_cursor_of_a_node_further_ahead_is_checked_when_this_node_gets_there() {
    let mut fixture = fixture(100);
    let start = Start::Resume { cursor: at(2), late: vec![at(2)], lineage: Lineage::default() };
    let ana = fixture.open_ana(&["a"], start);
    assert_eq!(fixture.hear(&ana), ["connected @2"]);
    fixture.apply(vec![event("a"), revoke("a"), event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), [r#"revoked ["a"] forbidden"#]);
}

#[test]
fn a_log_that_begins_anew_brings_what_stands_beside_it() {
    let fixture = fixture(100);
    let ana = fixture.open_ana(&["a", "b"], Start::Head);
    fixture.hear(&ana);
    let mut state = AccessState::default();
    let Audience::Control(control) = revoke("a").audience else { unreachable!() };
    state.apply(&control, 0, NOW);
    fixture.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, state);
    assert_eq!(fixture.hear(&ana), ["gap null epoch @5", r#"revoked ["a"] forbidden"#]);
}

#[test]
fn fresh_credentials_are_judged_by_what_was_revoked_and_count_from_there_on() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["a"], Start::Head);
    fixture.hear(&ana);
    fixture.append(revoke("a"));
    fixture.refresh(&ana, Some(NOW + 1), &granted(&["a"])).unwrap();
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["2 a @2"], "its credentials are newer than the orders that the stream passes");
    fixture.refresh(&ana, Some(NOW), &granted(&["a"])).unwrap();
    assert_eq!(fixture.hear(&ana), [r#"revoked ["a"] forbidden"#]);
}

#[test]
fn a_channel_asked_for_by_older_credentials_is_not_kept_by_newer_ones() {
    let mut fixture = fixture(100);
    let ana = fixture.open_with(names("ana"), Some(NOW + 1), &["b"], Start::Head);
    fixture.subscribe(&ana, "r1", &["a"], Since::Now);
    assert_eq!(fixture.hear(&ana), ["connected @0", "subscribed r1 0"]);
    fixture.apply(vec![revoke("a"), event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), [r#"revoked ["a"] forbidden"#]);
}

#[test]
fn the_server_subscribes_those_who_are_there_and_those_who_come() {
    let mut fixture = fixture(100);
    let before = fixture.open_ana(&[], Start::Head);
    fixture.apply(vec![event("a:1"), subscribe("a:*"), event("a:1")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&before), ["connected @0", "subscribed server 2", "3 a:1 @3"]);
    let after = fixture.open_ana(&["a:1"], Start::Head);
    assert_eq!(fixture.hear(&after), ["connected @3", "subscribed server 3"]);
    fixture.apply(vec![event("a:1"), unsubscribe("a:*"), event("a:1"), event("a:2")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&before), ["4 a:1 @4", r#"revoked ["a:*"] forbidden"#]);
    assert_eq!(fixture.hear(&after), ["4 a:1 @4", r#"revoked ["a:*"] forbidden"#, "6 a:1 @6"], "its own is its own");
}

#[test]
fn a_revocation_ends_what_the_server_wished_and_a_wish_after_it_stands() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&[], Start::Head);
    fixture.apply(vec![subscribe("a"), revoke("a"), event("a"), subscribe("a"), event("a")]);
    fixture.core.flush();
    assert_eq!(
        fixture.hear(&ana),
        ["connected @0", "subscribed server 1", r#"revoked ["a"] forbidden"#, "subscribed server 4", "5 a @5"]
    );
}

impl Fixture {
    /// Subscribes to channels that no grant covers. Returns the refused ones.
    fn ask_ungranted(&self, link: &Arc<Link>, request: &str, channels: &[&str], since: Since) -> Vec<Pattern> {
        self.core.subscribe(link, call(request, ungranted(channels), since), None, 100).unwrap().refused
    }
}

#[test]
fn a_server_channel_may_be_asked_for_with_its_past_until_it_is_unsubscribed() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["b"], Start::Head);
    assert_eq!(fixture.ask_ungranted(&ana, "r1", &["a:1"], Since::Now), patterns(&["a:1"]), "not given yet");
    fixture.apply(vec![event("a:1"), subscribe("a:*"), event("a:1")]);
    fixture.core.flush();
    assert_eq!(fixture.ask_ungranted(&ana, "r2", &["a:1", "c", "a"], Since::After(at(0))), patterns(&["c", "a"]));
    let said = fixture.hear(&ana);
    assert_eq!(
        said[1..],
        ["subscribed server 2", "3 a:1 @3", "backfill r2 1 a:1", "backfill r2 3 a:1", "subscribed r2 3"]
    );
    fixture.apply(vec![event("a:1"), unsubscribe("a:*"), event("a:1"), event("b")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["4 a:1 @4", r#"revoked ["a:1","a:*"] forbidden"#, "7 b @7"]);
    assert_eq!(fixture.ask_ungranted(&ana, "r3", &["a:1"], Since::Now), patterns(&["a:1"]));
}

#[test]
fn a_subscription_by_the_server_is_confirmed_again_where_orders_were_skipped_because_a_call_may_have_been_refused() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&[], Start::Head);
    fixture.apply(vec![subscribe("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["connected @0", "subscribed server 1"]);
    fixture.core.renew_access(AccessState::default(), &HashSet::new());
    assert_eq!(fixture.ask_ungranted(&ana, "r1", &["a"], Since::Now), patterns(&["a"]), "the log has lost the order");
    let mut state = AccessState::default();
    let Audience::Control(control) = subscribe("a").audience else { unreachable!() };
    state.apply(&control, 0, NOW);
    fixture.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, state);
    assert_eq!(fixture.hear(&ana), ["gap null epoch @5", "subscribed server 5"]);
}

#[test]
fn a_stream_that_resumes_goes_on_with_what_was_given() {
    let mut fixture = fixture(100);
    fixture.apply(vec![subscribe("a"), event("a")]);
    fixture.core.flush();
    let ana = fixture.open_asking(names("ana"), None, ungranted(&["a", "c"]), resume(1));
    assert_eq!(fixture.hear(&ana), [r#"connected without ["c"] @1"#, "subscribed server 1", "2 a @2"]);
    fixture.apply(vec![unsubscribe("a"), event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), [r#"revoked ["a"] forbidden"#]);
    let again = fixture.open_asking(names("ana"), None, ungranted(&["a"]), resume(2));
    assert_eq!(fixture.hear(&again), [r#"connected without ["a"] @2"#]);
}

#[test]
fn a_granted_channel_stays_when_the_server_unsubscribes_it() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&[], Start::Head);
    fixture.apply(vec![subscribe("a")]);
    assert_eq!(fixture.ask_ungranted(&ana, "r1", &["a"], Since::Now), []);
    fixture.refresh(&ana, None, &granted(&["a"])).unwrap();
    fixture.apply(vec![unsubscribe("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["connected @0", "subscribed server 1", "subscribed r1 2"]);
    fixture.apply(vec![event("a")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["3 a @3"]);
}

#[test]
fn fresh_credentials_of_a_stream_that_lags_do_not_keep_what_was_given_and_taken_back() {
    let mut fixture = fixture(100);
    let ana = fixture.open_asking(names("ana"), None, Channels::default(), Start::Head);
    fixture.apply(vec![subscribe("a"), subscribe("b")]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&ana), ["connected @0", "subscribed server 1", "subscribed server 2"]);
    fixture.apply(vec![event("a"), unsubscribe("a"), event("a"), revoke("b"), event("b"), subscribe("c"), event("c")]);
    fixture.refresh(&ana, Some(NOW + 1), &Channels::default()).unwrap();
    fixture.core.flush();
    let said = fixture.hear(&ana);
    let lost = |channel: &str| format!("revoked [{channel:?}] forbidden");
    assert_eq!(said, ["3 a @3", &lost("a"), &lost("b"), "subscribed server 8", "9 c @9"]);
}

#[test]
fn a_channel_stays_while_another_server_channel_covers_it() {
    let mut fixture = fixture(100);
    fixture.apply(vec![subscribe("a:*")]);
    let ana = fixture.open_asking(names("ana"), None, ungranted(&["a:1"]), Start::Head);
    fixture.apply(vec![subscribe("a:1"), unsubscribe("a:*"), event("a:1"), event("a:2")]);
    fixture.core.flush();
    let said = fixture.hear(&ana);
    assert_eq!(said[2..], ["subscribed server 2", r#"revoked ["a:*"] forbidden"#, "4 a:1 @4"]);
    // The log was replaced by one in which the order was undone meanwhile.
    let mut state = AccessState::default();
    let Audience::Control(given) = subscribe("b").audience else { unreachable!() };
    state.apply(&given, 0, NOW);
    fixture.core.reset(Cursor { epoch: 2, ..at(1) }, GapReason::Epoch, state);
    let said = fixture.hear(&ana);
    assert_eq!(said, ["gap null epoch @1", "subscribed server 1", r#"revoked ["a:1"] forbidden"#]);
    assert!(fixture.core.channels(&ana).is_empty());
}

#[test]
fn credentials_older_than_a_disconnection_neither_refresh_a_stream_that_lags_behind_it_nor_subscribe_on_it() {
    let mut fixture = fixture(100);
    let device = |id: &str| Names { device: Some(id.parse().unwrap()), ..names("ana") };
    let laptop = Order::Disconnect { device: Some("laptop".parse().unwrap()), until: Timestamp(u64::MAX) };
    for order in [disconnect(), command("ana", laptop)] {
        let ana = fixture.open_with(device("laptop"), Some(NOW - 1), &["a"], Start::Head);
        fixture.hear(&ana);
        fixture.append(order);
        let refused = fixture.core.subscribe(&ana, call("r1", granted(&["b"]), Since::Now), Some(NOW - 1), 100);
        assert_eq!(refused, Err(ShutOut));
        assert_eq!(fixture.refresh(&ana, Some(NOW - 1), &granted(&["a"])), Err(NotRefreshed::ShutOut));
        fixture.publish(&["a"]);
        fixture.core.flush();
        assert_eq!(fixture.hear(&ana), ["closing revoked"]);
        fixture.append(restore());
    }
}

#[test]
fn a_revoked_channel_is_received_where_the_server_subscribes_it_later() {
    let mut fixture = fixture(100);
    let ana = fixture.open_ana(&["a:1"], Start::Head);
    // The stream passes both orders at once; its subscription was authorized by the second one before it passed it.
    fixture.apply(vec![revoke("a:1"), subscribe("a:*")]);
    assert_eq!(fixture.ask_ungranted(&ana, "r1", &["a:2"], Since::Now), []);
    fixture.apply(vec![event("a:1"), event("a:2")]);
    fixture.core.flush();
    let said = fixture.hear(&ana);
    assert_eq!(
        said,
        [
            "connected @0",
            r#"revoked ["a:1"] forbidden"#,
            "subscribed server 2",
            "3 a:1 @3",
            "4 a:2 @4",
            "subscribed r1 4"
        ]
    );
}

#[test]
fn an_order_that_is_acknowledged_while_the_access_state_is_read_anew_stays_foreseen() {
    let Audience::Control(control) = revoke("a").audience else { unreachable!() };
    for what in ["a skip", "a renewal", "a renewal after its loss", "a reset"] {
        let fixture = fixture(100);
        fixture.core.foresee(&control, at(7), NOW);
        let state = AccessState::default();
        match what {
            "a skip" => fixture.core.skip_to(at(5), state, &HashSet::new()),
            "a renewal" => fixture.core.renew_access(state, &HashSet::new()),
            "a reset" => fixture.core.reset(at(5), GapReason::Diverged, state),
            _ => fixture.core.renew_access(state, &HashSet::from([at(7)])),
        }
        let kept = if what.ends_with("loss") { vec![] } else { vec![at(7)] };
        assert_eq!(fixture.core.foreseen(), kept, "{what}");
    }
}
