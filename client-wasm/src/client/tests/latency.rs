//! Reports of how long events took.

use super::*;

const CONNECTED: u64 = 1_700_000_000_000;
const ALL: u64 = 1 << 32;

impl Rig {
    /// An open stream of a client that reports for this share of its streams. Heartbeats arrive while time passes with
    /// [`Rig::live_for`].
    fn measuring(latency: u64) -> Self {
        let mut rig = Self::with(Config { latency, ..Config::new("/e") });
        rig.subscribe("a");
        rig.settle();
        rig.opened();
        rig.connected_at(CONNECTED);
        rig.done.clear();
        rig
    }

    fn connected_at(&mut self, timestamp_ms: u64) {
        self.frame(Frame::Connected(Connected {
            id: Some(at(10)),
            connection_id: "n1".into(),
            channels: patterns("a"),
            resumed: true,
            timestamp_ms,
            ..Connected::default()
        }));
    }

    fn live_for(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.pass((end - self.now).min(10_000));
            self.heartbeat(10);
        }
    }

    /// Passes an event to its handlers that was accepted this long after `connected` was sent; returns whether it was
    /// measured.
    fn event(&mut self, accepted_after: u64) -> bool {
        let timed = self.core.is_timed();
        if timed {
            self.core.timed(self.now, CONNECTED + accepted_after);
            self.settle();
        }
        timed
    }

    /// The times of the only report since the last call.
    fn reported(&mut self) -> (u32, Vec<u64>) {
        let report = self.sent_one();
        assert_eq!((report.url.as_str(), report.ask), ("/e/latency", Ask::Report));
        let body = report.body.unwrap();
        let times = body.strip_prefix(r#"{"connectionId":"n1","ms":["#).and_then(|rest| rest.strip_suffix("]}"));
        (report.number, times.unwrap().split(',').map(|time| time.parse().unwrap()).collect())
    }
}

#[test]
fn times_are_told_by_the_servers_clock_when_the_watchdog_has_looked_and_once() {
    let mut rig = Rig::measuring(ALL);
    rig.pass(1_000);
    // The two clocks may differ: a negative time counts as 0.
    for accepted in [1_000, 995, 900, 1_003] {
        assert!(rig.event(accepted));
    }
    rig.live_for(36_000);
    assert!(rig.sent().is_empty());
    rig.live_for(24_000);
    assert_eq!(rig.reported().1, [0, 5, 100, 0]);
    rig.live_for(300_000);
    assert!(rig.sent().is_empty(), "nothing was measured since");
    rig.event(1_000);
    rig.live_for(60_000);
    assert_eq!(rig.reported().1.len(), 1);
}

#[test]
fn nothing_is_measured_unless_somebody_wants_it_or_where_the_server_does_not_tell_the_time() {
    assert!(!Rig::measuring(0).event(0));
    let mut rig = Rig::measuring(ALL);
    rig.reopen();
    rig.connected_at(0);
    assert!(!rig.event(0));
}

#[test]
fn so_many_streams_report_as_are_wanted() {
    let mut rig = Rig::measuring(ALL / 4);
    let mut measured = 0;
    for _ in 0..400 {
        rig.pass(6_000);
        rig.reopen();
        rig.connected_at(CONNECTED);
        measured += u32::from(rig.event(0));
    }
    assert!((70..130).contains(&measured), "{measured} of 400");
}

#[test]
fn events_older_than_the_stream_are_not_measured() {
    let mut rig = Rig::measuring(ALL);
    assert!(rig.core.is_timed());
    rig.core.timed(rig.now, CONNECTED - 1);
    rig.live_for(120_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_flood_is_measured_by_a_hundred_events_spread_over_it() {
    let mut rig = Rig::measuring(ALL);
    let mut measured = 0;
    // The time of each event is the time since the burst began.
    for _ in 0..10_000 {
        rig.now += 1;
        measured += u32::from(rig.event(0));
    }
    assert!(measured < 1_000, "{measured} of 10,000 cost a look at the clock");
    rig.live_for(60_000);
    let (_, mut times) = rig.reported();
    assert_eq!(times.len(), 100);
    times.sort_unstable();
    assert!(times[50] > 3_500 && times[50] < 6_500, "their median is {} of 10,000", times[50]);
}

#[test]
fn a_page_that_is_hidden_reports_its_latencies_before_its_stream_ends() {
    let mut rig = Rig::measuring(ALL);
    rig.event(0);
    rig.core.suspend();
    rig.settle();
    let order: Vec<_> = rig.take(|action| match action {
        Action::Send(request) => Some(request.url.clone()),
        Action::Close => Some("close".into()),
        _ => None,
    });
    assert_eq!(order, ["/e/latency", "close"]);
}

#[test]
fn a_page_whose_stream_has_ended_still_reports_its_latencies() {
    let mut rig = Rig::measuring(ALL);
    rig.event(0);
    rig.fail();
    assert!(!rig.event(0), "there is no stream to measure");
    rig.core.suspend();
    rig.settle();
    assert_eq!(rig.reported().1, [0]);
    let mut rig = Rig::measuring(ALL);
    rig.event(0);
    rig.reopen();
    rig.connected_at(CONNECTED);
    rig.live_for(60_000);
    assert!(rig.sent().is_empty(), "a crowd that comes back brings nothing beside");
    rig.event(0);
    rig.core.reset("s2".into());
    rig.core.connect();
    rig.settle();
    rig.core.suspend();
    rig.settle();
    assert!(rig.sent().is_empty(), "another user tells nothing of the one before");
}

#[test]
fn a_refused_report_is_the_streams_last_and_is_no_error() {
    for status in [404, 401, 429, 503] {
        let mut rig = Rig::measuring(ALL);
        rig.event(0);
        rig.live_for(60_000);
        let (number, _) = rig.reported();
        rig.status(number, status);
        assert!(!rig.event(0), "{status}");
        assert!(rig.failures().is_empty() && rig.core.state() == State::Open);
        rig.reopen();
        rig.connected_at(CONNECTED);
        assert!(rig.event(0), "the next stream may be another server's");
    }
}

#[test]
fn a_report_that_does_not_arrive_is_not_repeated_and_the_next_one_comes_in_its_time() {
    let mut rig = Rig::measuring(ALL);
    rig.event(0);
    rig.live_for(60_000);
    let (number, _) = rig.reported();
    rig.answer(number, Answer::default());
    rig.live_for(120_000);
    assert!(rig.sent().is_empty());
    rig.event(0);
    rig.live_for(60_000);
    let (number, _) = rig.reported();
    rig.status(number, 204);
    assert!(rig.event(0));
}
