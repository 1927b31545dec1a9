//! Tests of the checker: it finds every way to break the promise, and reports nothing in a run without a fault.

use super::*;
use crate::chaos::traffic::To;

/// One client with one handler on `news:*`, and a log.
struct Run {
    ledger: Ledger,
    person: PersonId,
    handler: HandlerId,
    epoch: u32,
    seq: u64,
}

impl Run {
    fn new() -> Self {
        let mut ledger = Ledger::new();
        let person = ledger.join(Person::new("client".into(), 0));
        let handler = ledger.listen(person, news("news:*"), None);
        Self { ledger, person, handler, epoch: 1, seq: 0 }
    }

    /// Confirms the handler.
    fn settled(mut self) -> Self {
        self.ledger.settled(self.handler);
        self
    }

    fn at(&self, seq: u64) -> Cursor {
        Cursor { epoch: self.epoch, seq, tag: 7 }
    }

    /// Publishes this many events and acknowledges them. Returns their ids.
    fn publish(&mut self, count: usize) -> Vec<EventId> {
        let one = |run: &mut Self| {
            let id = run.ledger.publish(Event { channel: "news:1".into(), to: To::Channel, except: None });
            run.seq += 1;
            run.ledger.acknowledged(id, run.at(run.seq), false);
            id
        };
        (0..count).map(|_| one(self)).collect()
    }

    /// The handler receives the event at this number.
    fn hear(&mut self, event: EventId, seq: u64) {
        self.ledger.heard(self.handler, event, self.at(seq));
    }

    fn found(&self) -> Vec<Violation> {
        self.ledger.audit()
    }
}

fn news(pattern: &str) -> Interest {
    Interest { addressed: false, pattern: pattern.into() }
}

#[test]
fn events_received_once_and_in_order_are_no_violation() {
    let mut run = Run::new().settled();
    for (event, seq) in run.publish(3).into_iter().zip(1..) {
        run.hear(event, seq);
    }
    assert_eq!(run.ledger.outstanding(), 0);
    assert_eq!(run.found(), []);
}

#[test]
fn an_event_that_did_not_come_is_found() {
    let mut run = Run::new().settled();
    let events = run.publish(3);
    run.hear(events[0], 1);
    run.hear(events[2], 3);
    assert_eq!(run.ledger.outstanding(), 0, "nothing more will come");
    assert!(matches!(&run.found()[..], [Violation::Missing { event: 1, .. }]), "{:?}", run.found());
}

#[test]
fn the_last_event_that_did_not_come_is_found() {
    let mut run = Run::new().settled();
    let events = run.publish(2);
    run.hear(events[0], 1);
    assert_eq!(run.ledger.outstanding(), 1);
    assert!(matches!(&run.found()[..], [Violation::Missing { event: 1, .. }]), "{:?}", run.found());
}

#[test]
fn an_event_that_came_twice_is_found() {
    let mut run = Run::new().settled();
    let events = run.publish(2);
    for (event, seq) in [(events[0], 1), (events[1], 2), (events[0], 1)] {
        run.hear(event, seq);
    }
    assert!(matches!(&run.found()[..], [Violation::Twice { event: 0, .. }]), "{:?}", run.found());
}

#[test]
fn events_in_the_wrong_order_are_found() {
    let mut run = Run::new().settled();
    let events = run.publish(2);
    run.hear(events[1], 2);
    run.hear(events[0], 1);
    assert!(run.found().iter().any(|found| matches!(found, Violation::OutOfOrder { event: 0, .. })));
}

#[test]
fn an_event_for_others_must_not_be_received() {
    let mut run = Run::new().settled();
    let id = run.ledger.publish(Event { channel: "chat:a:1".into(), to: To::Channel, except: None });
    run.ledger.acknowledged(id, run.at(1), false);
    run.hear(id, 1);
    assert!(matches!(&run.found()[..], [Violation::NotForIt { event: 0, .. }]), "{:?}", run.found());
}

#[test]
fn events_before_the_handler_are_not_owed() {
    let mut run = Run::new();
    run.publish(3);
    let run = run.settled();
    assert_eq!((run.ledger.outstanding(), run.found()), (0, Vec::new()));
}

#[test]
fn events_after_since_are_owed() {
    let mut run = Run::new().settled();
    for (event, seq) in run.publish(3).into_iter().zip(1..) {
        run.hear(event, seq);
    }
    let late = run.ledger.listen(run.person, news("news:1"), Some(run.at(1)));
    run.ledger.heard(late, 2, run.at(3));
    run.ledger.settled(late);
    assert!(matches!(&run.found()[..], [Violation::Missing { event: 1, .. }]), "{:?}", run.found());
}

#[test]
fn a_handler_that_was_stopped_is_owed_nothing_more_but_no_holes_either() {
    let mut run = Run::new().settled();
    let events = run.publish(4);
    run.hear(events[0], 1);
    run.hear(events[2], 3);
    run.ledger.stopped(run.handler);
    assert!(matches!(&run.found()[..], [Violation::Missing { event: 1, .. }]), "{:?}", run.found());
}

#[test]
fn a_handler_that_was_never_confirmed_is_found() {
    let run = Run::new();
    assert_eq!(run.ledger.outstanding(), 1);
    assert!(matches!(&run.found()[..], [Violation::NotConfirmed { .. }]));
}

#[test]
fn no_gap_is_justified_where_the_log_was_not_lost() {
    let mut run = Run::new().settled();
    run.ledger.gap(run.handler, "epoch");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());
}

#[test]
fn each_loss_of_the_log_justifies_one_gap_by_its_own_reason() {
    let mut run = Run::new().settled();
    run.ledger.log_lost();
    run.ledger.gap(run.handler, "epoch");
    assert_eq!((run.found(), run.ledger.justified_gaps()), (Vec::new(), 1));
    run.ledger.gap(run.handler, "epoch");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());

    let mut run = Run::new().settled();
    run.ledger.log_lost();
    run.ledger.gap(run.handler, "diverged");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());
}

#[test]
fn a_gap_covers_what_it_follows_and_nothing_after_it() {
    let mut run = Run::new().settled();
    run.publish(2);
    run.ledger.log_lost();
    (run.epoch, run.seq) = (2, 0);
    run.ledger.gap(run.handler, "epoch");
    assert_eq!(run.found(), []);
    let events = run.publish(2);
    run.hear(events[1], 2);
    assert!(matches!(&run.found()[..], [Violation::Missing { event: 2, .. }]), "{:?}", run.found());
}

#[test]
fn another_log_without_a_gap_is_found() {
    let mut run = Run::new().settled();
    let first = run.publish(1);
    run.hear(first[0], 1);
    run.ledger.log_lost();
    (run.epoch, run.seq) = (2, 0);
    let second = run.publish(1);
    run.hear(second[0], 1);
    assert!(matches!(&run.found()[..], [Violation::Silence { event: 1, .. }]), "{:?}", run.found());
}

#[test]
fn a_durable_log_stays_the_same_log() {
    let mut run = Run::new().settled();
    let first = run.publish(1);
    run.hear(first[0], 1);
    run.epoch = 2;
    let position = run.at(2);
    let second = run.ledger.publish(Event { channel: "chat:a:1".into(), to: To::Channel, except: None });
    run.ledger.acknowledged(second, position, false);
    assert_eq!(run.found(), [Violation::AnotherLog { position }]);
}

#[test]
fn a_key_that_was_forgotten_is_found() {
    let mut run = Run::new().settled();
    let event = run.publish(1)[0];
    run.hear(event, 1);
    run.ledger.acknowledged(event, run.at(1), true);
    assert_eq!(run.found(), []);
    run.ledger.acknowledged(event, run.at(2), false);
    assert!(run.found().iter().any(|found| matches!(found, Violation::StoredTwice { event: 0, .. })));
}

#[test]
fn an_acknowledged_event_that_is_another_when_it_comes_is_found() {
    let mut run = Run::new().settled();
    let events = run.publish(2);
    run.hear(events[0], 1);
    run.hear(events[0], 2);
    assert!(run.found().iter().any(|found| matches!(found, Violation::Contradiction { other: 1, .. })));
}

#[test]
fn an_unacknowledged_event_may_come_once_or_not_at_all() {
    let mut run = Run::new().settled();
    let unknown = run.ledger.publish(Event { channel: "news:1".into(), to: To::Channel, except: None });
    assert_eq!(run.found(), []);
    run.hear(unknown, 1);
    assert_eq!(run.found(), []);
    run.hear(unknown, 2);
    assert!(run.found().iter().any(|found| matches!(found, Violation::StoredTwice { event: 0, .. })));
}

#[test]
fn a_gap_of_all_is_a_gap_for_addressed_events() {
    let mut run = Run::new();
    let on = run.ledger.listen(run.person, Interest { addressed: true, pattern: "*".into() }, None);
    run.ledger.settled(on);
    let mut run = run.settled();
    run.ledger.gap_of_all(run.person, "trimmed");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());
}

#[test]
fn a_handler_that_begins_before_its_client_knows_of_a_loss_is_told_with_the_others() {
    let mut run = Run::new().settled();
    run.ledger.log_lost();
    let late = run.ledger.listen(run.person, news("*"), None);
    run.ledger.gap(run.handler, "epoch");
    run.ledger.gap(late, "epoch");
    run.ledger.gap_of_all(run.person, "epoch");
    run.ledger.settled(late);
    assert_eq!(run.found(), []);
    let later = run.ledger.listen(run.person, news("*"), None);
    run.ledger.settled(later);
    run.ledger.gap(later, "epoch");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());
}

#[test]
fn a_handler_of_the_new_log_gets_no_gap_of_the_old_one() {
    let mut run = Run::new().settled();
    for epoch in 2..4 {
        run.publish(1);
        run.ledger.log_lost();
        (run.epoch, run.seq) = (epoch, 0);
    }
    let event = run.publish(1)[0];
    run.ledger.gap(run.handler, "epoch");
    run.hear(event, 1);
    run.ledger.gap(run.handler, "epoch");
    assert!(run.found().iter().any(|found| matches!(found, Violation::Gap { .. })), "{:?}", run.found());
}

#[test]
fn a_gap_in_a_backfill_reaches_only_the_tab_that_asked_for_it() {
    let mut run = Run::new().settled();
    let past = run.at(0);
    run.publish(1);
    run.ledger.log_lost();
    (run.epoch, run.seq) = (2, 0);
    run.ledger.gap(run.handler, "epoch");
    run.ledger.gap_of_all(run.person, "epoch");
    let asks = run.ledger.listen(run.person, news("news:*"), Some(past));
    run.ledger.gap(asks, "epoch");
    run.ledger.settled(asks);
    assert_eq!(run.found(), []);
    run.ledger.gap(run.handler, "epoch");
    assert!(matches!(&run.found()[..], [Violation::Gap { .. }]), "{:?}", run.found());
}
