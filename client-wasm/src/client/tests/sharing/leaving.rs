//! A tab that leaves the others.

use super::*;

#[test]
fn a_page_that_goes_away_gives_the_lead_up() {
    let mut browser = Browser::open(2);
    browser.tabs[0].core.suspend();
    browser.tabs[0].settle();
    assert!(browser.tabs[0].done.contains(&Action::Close) && browser.exited(0));
}

#[test]
fn disconnecting_is_each_tabs_own_affair() {
    let mut browser = Browser::open(2);
    browser.tabs[1].core.disconnect();
    browser.tabs[1].settle();
    assert!(browser.exited(1));
    assert_eq!(browser.tabs[1].core.state(), State::Closed);
    assert_eq!(browser.tabs[0].core.state(), State::Open);
}

#[test]
fn a_reset_leaves_the_group_and_forgets_whose_it_was() {
    let mut browser = Browser::open(1);
    browser.join(Browser::new(2));
    browser.follow(1, "bob");
    browser.tabs[1].core.reset("s9".into());
    browser.tabs[1].settle();
    assert!(browser.exited(1));
    assert_eq!(browser.tabs[1].core.user_id(), None);
    browser.entered(1);
    browser.enter(1);
}

#[test]
fn when_the_leaders_user_changes_all_say_anew_whose_they_are() {
    let mut browser = Browser::open(2);
    browser.tabs[0].fail();
    browser.tabs[0].pass(2_000);
    browser.spread();
    browser.tabs[0].frame(Frame::Connected(Connected {
        id: Some(at(10)),
        connection_id: "n2".into(),
        user_id: Some("bob".into()),
        resumed: true,
        ..Connected::default()
    }));
    browser.spread();
    let check = browser.tabs[1].sent_one();
    assert_eq!(check.url, "/e/check?deviceId=d1&protocol=2");
    let ana = Answer { status: Some(200), user_id: Some("ana".into()), ..Answer::default() };
    browser.tabs[1].answer(check.number, ana);
    browser.spread();
    assert_eq!(browser.entered(1), [Some("uana".to_owned())]);
}
