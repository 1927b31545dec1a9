//! A tab that joins others.

use super::*;

#[test]
fn the_first_tab_opens_its_stream_at_once_and_names_no_session() {
    let mut browser = Browser::new(1);
    browser.lead(0);
    assert_eq!(browser.tabs[0].opened(), "/e?deviceId=d1");
    assert!(browser.tabs[0].sent().is_empty());
}

#[test]
fn a_later_tab_follows_without_a_stream() {
    let mut browser = Browser::new(2);
    browser.lead(0);
    browser.tabs[0].connected("", 10, false);
    browser.follow(1, "ana");
    assert!(!browser.tabs[1].opened_any());
    let status = browser.tabs[1].statuses().pop().unwrap();
    assert_eq!((status.state, status.connection_id.as_deref()), (State::Open, Some("n1")));
    assert_eq!(browser.tabs[1].core.user_id(), Some("ana"));
}

#[test]
fn a_tab_that_comes_while_the_first_connects_joins_when_the_user_is_known() {
    let mut browser = Browser::new(2);
    browser.lead(0);
    browser.follow(1, "ana");
    assert_eq!(browser.tabs[1].core.state(), State::Connecting);
    browser.tabs[0].connected("", 10, false);
    browser.spread();
    assert_eq!(browser.tabs[1].core.state(), State::Open);
}

#[test]
fn connect_of_a_tab_that_waits_for_a_stream_ends_the_wait_of_the_leader() {
    let mut browser = Browser::open(1);
    browser.tabs[0].fail();
    assert_eq!(browser.tabs[0].core.state(), State::Waiting);
    browser.join(Browser::new(2));
    browser.follow(1, "ana");
    assert_eq!(browser.tabs[1].core.state(), State::Waiting, "as the leader does");
    browser.tabs[1].core.connect();
    browser.tabs[1].settle();
    browser.spread();
    assert_eq!(browser.tabs[0].core.state(), State::Connecting);
}

#[test]
fn a_tab_of_another_user_joins_a_group_of_its_own_and_receives_nothing() {
    let mut browser = Browser::open(1);
    browser.join(Browser::new(2));
    browser.follow(1, "bob");
    assert!(browser.exited(1));
    assert_eq!(browser.entered(1), [Some("ubob".to_owned())]);
    browser.tabs[1].core.on("note".parse().unwrap());
    browser.tabs[1].settle();
    assert_eq!(browser.addressed(0, None, 11), []);
    browser.locked(1);
    assert_eq!(browser.tabs[1].opened(), "/e?deviceId=d1");
}

#[test]
fn a_tab_that_comes_while_a_gap_is_awaited_waits_for_it() {
    let mut browser = Browser::open(1);
    browser.tabs[0].fail();
    browser.tabs[0].pass(2_000);
    browser.join(Browser::new(2));
    browser.tabs[1].core.on("note".parse().unwrap());
    browser.follow(1, "ana");
    // The stream does not resume at 10, and the gap is about to be reported; not to this tab.
    browser.tabs[0].connected("", 30, false);
    browser.spread();
    assert!(browser.tabs[1].settled().is_empty());
    browser.tabs[0].gap(None, Some(30));
    browser.spread();
    assert_eq!(browser.tabs[1].settled().len(), 1);
    assert!(browser.tabs[1].gaps().is_empty());
}

#[test]
fn a_tab_that_comes_to_a_leader_that_does_not_answer_takes_the_lead_after_2_s() {
    let mut browser = Browser::open(1);
    browser.join(Browser::new(2));
    browser.enter(1);
    browser.verify_unheard(1, "ana");
    browser.tabs[1].pass(1_999);
    assert!(!browser.stole(1));
    browser.tabs[1].pass(1);
    assert!(browser.stole(1));
}

#[test]
fn a_tab_that_has_to_wait_is_told_that_somebody_leads() {
    let mut browser = Browser::new(2);
    browser.lead(0);
    // The user of the leader's stream is unknown until the server reports it.
    browser.follow(1, "ana");
    for _ in 0..20 {
        browser.tabs[1].pass(1_000);
        browser.spread();
    }
    assert!(!browser.stole(1));
}

#[test]
fn without_locks_each_has_a_stream_of_its_own() {
    let mut browser = Browser::new(1);
    browser.enter(0);
    let rig = &mut browser.tabs[0];
    rig.core.unshared(rig.now);
    rig.settle();
    assert_eq!(rig.opened(), "/e?deviceId=d1&sessionId=s0");
}
