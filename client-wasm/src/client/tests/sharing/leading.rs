//! The choice of the leading tab, and its replacement.

use super::*;

#[test]
fn a_leader_that_says_nothing_is_robbed_and_follows_when_it_wakes() {
    let mut browser = Browser::open(2);
    let mut waited = 0;
    // Without any call of the application.
    while !browser.stole(1) {
        browser.tabs[1].pass(500);
        waited += 500;
        assert!(waited < 60_000);
    }
    assert!((37_500..40_000).contains(&waited), "{waited}");
    browser.locked(1);
    browser.tabs[0].core.lost(1_000_000);
    browser.tabs[0].settle();
    assert!(browser.tabs[0].done.contains(&Action::Close));
    assert!(browser.exited(0));
    assert_eq!(browser.entered(0), [None]);
    browser.verify(0, "ana");
    browser.tabs[1].connected("", 10, true);
    browser.spread();
    assert_eq!(browser.tabs[0].core.state(), State::Open);
}

#[test]
fn a_leader_that_does_not_answer_loses_the_lead_to_the_tab_that_asked() {
    for ask in [ClientCore::online, ClientCore::visible] {
        let mut browser = Browser::open(2);
        let rig = &mut browser.tabs[1];
        ask(&mut rig.core, rig.now);
        rig.settle();
        rig.pass(1_999);
        assert!(!browser.stole(1));
        browser.tabs[1].pass(1);
        assert!(browser.stole(1));
    }
}

#[test]
fn a_leader_that_answers_keeps_the_lead() {
    let mut browser = Browser::open(2);
    for _ in 0..10 {
        browser.visible(1);
        browser.tabs[1].pass(1_500);
        // The tab is hidden: its timers do not run.
        browser.spread();
    }
    assert!(!browser.stole(1));
    assert_eq!(browser.tabs[1].core.state(), State::Open);
}

#[test]
fn a_tab_that_slept_asks_again_before_it_takes_the_lead() {
    let mut browser = Browser::open(2);
    browser.visible(1);
    browser.posted(1);
    browser.tabs[1].now += 600_000;
    let rig = &mut browser.tabs[1];
    rig.core.wake(rig.now);
    rig.settle();
    assert!(!browser.stole(1));
    assert!(browser.posted(1).iter().any(|post| post.0.starts_with("probe\n")));
    browser.tabs[1].pass(2_000);
    assert!(browser.stole(1));
}

#[test]
fn a_lock_that_is_taken_and_never_handed_over_is_done_without() {
    let mut browser = Browser::open(2);
    browser.visible(1);
    let mut thefts = 0;
    for _ in 0..20 {
        browser.tabs[1].pass(1_000);
        thefts += u32::from(browser.stole(1));
    }
    assert_eq!(thefts, 3);
    assert!(browser.exited(1));
    browser.tabs[1].opened();
}

#[test]
fn a_browser_that_does_not_say_who_has_the_lock_is_not_waited_for() {
    let mut browser = Browser::new(1);
    browser.enter(0);
    browser.tabs[0].pass(4_999);
    assert!(!browser.tabs[0].opened_any());
    browser.tabs[0].pass(1);
    assert!(browser.exited(0));
    assert_eq!(browser.tabs[0].opened(), "/e?deviceId=d1&sessionId=s0");
}

#[test]
fn a_tab_that_slept_waits_for_the_lock_once_more() {
    let mut browser = Browser::new(1);
    browser.enter(0);
    browser.tabs[0].now += 60_000;
    let rig = &mut browser.tabs[0];
    rig.core.wake(rig.now);
    rig.settle();
    assert!(!rig.opened_any());
    browser.locked(0);
    assert_eq!(browser.tabs[0].opened(), "/e?deviceId=d1");
}

#[test]
fn connect_asks_for_the_lock_anew() {
    let mut browser = Browser::new(1);
    browser.enter(0);
    browser.tabs[0].pass(1_000);
    browser.tabs[0].core.connect();
    browser.tabs[0].settle();
    assert!(browser.exited(0));
    assert_eq!(browser.entered(0), [None]);
}

#[test]
fn a_leader_that_waits_for_the_server_still_says_that_it_is_there() {
    let mut browser = Browser::open(2);
    for _ in 0..20 {
        for tab in &mut browser.tabs {
            tab.pass(5_000);
        }
        browser.tabs[0].heartbeat(10);
        browser.spread();
    }
    assert!(!browser.stole(1));
}

#[test]
fn connecting_in_a_follower_makes_the_leader_try_at_once() {
    let mut browser = Browser::open(2);
    browser.tabs[0].fail();
    browser.spread();
    assert_eq!(browser.tabs[1].core.state(), State::Waiting);
    browser.tabs[1].core.connect();
    browser.tabs[1].settle();
    browser.spread();
    assert!(browser.tabs[0].opened_any());
}
