//! Everything that changes what a stream may receive, in all orders, compared with a model of ten lines.

use proptest::prelude::*;
use tidings_protocol::{DeviceId, event::Timestamp};

use super::*;
use crate::record::{Control, Order};

const CHANNELS: [&str; 4] = ["a:1", "a:2", "a:*", "b"];
const STREAMS: usize = 3;

/// An action; streams and channels are numbers. Times are small, so that many coincide.
#[derive(Debug, Clone)]
enum Op {
    /// An order about ana at this time.
    Order(Order, u64),
    /// An event on a channel.
    Publish(usize),
    /// A caller publishes over HTTP with credentials of this time.
    Send(usize, Issued),
    Open(usize, Issued, Vec<usize>),
    /// Whether a grant covers the channel.
    Subscribe(usize, Issued, usize, bool),
    Unsubscribe(usize, usize),
    /// Fresh credentials with grants for these channels.
    Refresh(usize, Issued, Vec<usize>),
    /// The stream is stepped, with a limit on the bytes.
    Step(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let channel = || 0..CHANNELS.len();
    let channels = || proptest::sample::subsequence((0..CHANNELS.len()).collect::<Vec<_>>(), 0..=CHANNELS.len());
    let issued = || proptest::option::of(0..6_u64);
    let pattern = || channel().prop_map(|index| CHANNELS[index].parse::<Pattern>().unwrap());
    let device = proptest::option::of(Just(DeviceId::new("laptop").unwrap()));
    let until = Timestamp(u64::MAX);
    let order = prop_oneof![
        3 => pattern().prop_map(move |channels| Order::Revoke { channels, until }),
        1 => device.prop_map(move |device| Order::Disconnect { device, until }),
        1 => proptest::option::of(pattern()).prop_map(|channels| Order::Restore { channels }),
        2 => pattern().prop_map(|channels| Order::Subscribe { channels }),
        2 => pattern().prop_map(|channels| Order::Unsubscribe { channels }),
    ];
    let stream = || 0..STREAMS;
    prop_oneof![
        4 => (order, 0..6_u64).prop_map(|(order, at)| Op::Order(order, at)),
        5 => channel().prop_map(Op::Publish),
        1 => (channel(), issued()).prop_map(|(channel, issued)| Op::Send(channel, issued)),
        2 => (stream(), issued(), channels()).prop_map(|(stream, issued, held)| Op::Open(stream, issued, held)),
        2 => (stream(), issued(), channel(), any::<bool>()).prop_map(|(s, i, c, granted)| Op::Subscribe(s, i, c, granted)),
        1 => (stream(), channel()).prop_map(|(stream, channel)| Op::Unsubscribe(stream, channel)),
        2 => (stream(), issued(), channels()).prop_map(|(stream, issued, granted)| Op::Refresh(stream, issued, granted)),
        5 => (stream(), prop_oneof![Just(1), Just(MANY)]).prop_map(|(stream, bytes)| Op::Step(stream, bytes)),
    ]
}

/// The model: what credentials of this time open after these orders. It knows neither streams nor positions in the log.
fn may(orders: &[(u64, Order)], on_laptop: bool, issued: Issued, granted: bool, channel: &Pattern) -> bool {
    let (mut out, mut closed, mut subscribed) = (Vec::new(), Vec::new(), Vec::<Pattern>::new());
    for (at, order) in orders {
        match order {
            Order::Revoke { channels, .. } => closed.push((*at, channels)),
            Order::Disconnect { device, .. } if device.is_none() || on_laptop => out.push((*at, device)),
            Order::Restore { channels: None } => (out, closed) = (Vec::new(), Vec::new()),
            Order::Restore { channels: Some(all) } => closed.retain(|(_, some)| !all.covers(some)),
            _ => {}
        }
        subscribed = match order {
            Order::Revoke { channels, .. } => subscribed.into_iter().filter(|one| !one.overlaps(channels)).collect(),
            Order::Unsubscribe { channels } => subscribed.into_iter().filter(|one| one != channels).collect(),
            Order::Subscribe { channels } => subscribed.into_iter().chain([channels.clone()]).collect(),
            _ => subscribed,
        };
    }
    let is_older = |at: &u64| issued.is_none_or(|issued| issued <= *at);
    let is_revoked = closed.iter().any(|(at, some)| is_older(at) && some.overlaps(channel));
    !out.iter().any(|(at, _)| is_older(at))
        && (granted && !is_revoked || subscribed.iter().any(|one| one.covers(channel)))
}

/// Credentials that a stream has shown, and the head when they were judged.
#[derive(Debug, Clone)]
struct Shown {
    issued: Issued,
    as_of: usize,
    granted: Vec<Pattern>,
}

struct Client {
    link: Arc<Link>,
    on_laptop: bool,
    /// The credentials shown since the last refresh, that one included.
    shown: Vec<Shown>,
    /// All frames that the stream has written.
    said: Vec<String>,
    has_ended: bool,
}

struct Run {
    fixture: Fixture,
    clients: [Option<Client>; STREAMS],
}

impl Run {
    fn orders(&self, up_to: usize) -> Vec<(u64, Order)> {
        let records = self.fixture.log[..up_to].iter();
        records.filter_map(|record| Some((record.entry.timestamp.0, record.entry.control()?.order.clone()))).collect()
    }

    fn step(&mut self, index: usize, bytes: usize) {
        let Some(client) = self.clients[index].as_mut().filter(|client| !client.has_ended) else { return };
        loop {
            match self.fixture.core.step(&client.link, bytes, 0) {
                Step::Write(frames) => client.said.extend(shorts(&frames)),
                Step::Read { after } => {
                    self.fixture.core.page(&client.link, after, self.fixture.fetch(&client.link, after));
                    continue;
                }
                Step::Idle => break,
                Step::End => {
                    client.has_ended = true;
                    break;
                }
            }
            if bytes < MANY {
                break;
            }
        }
    }

    fn run(&mut self, op: Op) {
        let at = |indexes: Vec<usize>| indexes.into_iter().map(|index| CHANNELS[index].parse().unwrap()).collect();
        let head = self.fixture.log.len();
        match op {
            Op::Order(order, time) => {
                let control = Control { user: "ana".parse().unwrap(), order };
                let audience = Audience::Control(control.clone());
                self.fixture.append(Entry { audience, timestamp: Timestamp(time), ..entry("*", "control", "null") });
                self.fixture.core.flush();
            }
            Op::Publish(channel) => {
                self.fixture.publish(&[CHANNELS[channel]]);
                self.fixture.core.flush();
            }
            Op::Send(channel, issued) => {
                let (ana, channel) = (UserId::new("ana").unwrap(), CHANNELS[channel].parse::<Pattern>().unwrap());
                let credentials = crate::access::Credentials { user: Some(&ana), device: None, issued };
                let decision = self.fixture.core.authorize(credentials, vec![channel.clone()]);
                let is_let = !decision.is_shut_out && decision.refused.is_empty();
                // The server's subscriptions are left out, because they allow nobody to publish.
                let mut orders = self.orders(head);
                orders.retain(|(_, order)| !matches!(order, Order::Subscribe { .. }));
                assert_eq!(is_let, may(&orders, false, issued, true, &channel), "publishing to {channel}");
            }
            Op::Open(index, issued, channels) => {
                if let Some(before) = self.clients[index].take() {
                    self.fixture.core.close(&before.link);
                }
                let (on_laptop, channels): (_, Vec<Pattern>) = (index == 0, at(channels));
                let device = on_laptop.then(|| "laptop".parse().unwrap());
                let names = Names { user: Some("ana".parse().unwrap()), device, session: None };
                let asked = Channels { granted: channels.clone(), by_server: Vec::new() };
                let link = self.fixture.open_asking(names, issued, asked, Start::Head);
                let shown = vec![Shown { issued, as_of: head, granted: channels }];
                self.clients[index] = Some(Client { link, on_laptop, shown, said: Vec::new(), has_ended: false });
            }
            Op::Subscribe(index, issued, channel, is_granted) => {
                let Some(client) = &mut self.clients[index] else { return };
                let channels: Vec<Pattern> = at(vec![channel]);
                let (granted, by_server) = if is_granted { (channels, vec![]) } else { (vec![], channels) };
                client.shown.push(Shown { issued, as_of: head, granted: granted.clone() });
                let asked = call("r", Channels { granted, by_server }, Since::Now);
                let _ = self.fixture.core.subscribe(&client.link, asked, issued, 100);
            }
            Op::Unsubscribe(index, channel) => {
                let Some(client) = &self.clients[index] else { return };
                self.fixture.core.unsubscribe(&client.link, &at(vec![channel]));
            }
            Op::Refresh(index, issued, channels) => {
                let Some(client) = &mut self.clients[index] else { return };
                let granted: Vec<Pattern> = at(channels);
                let (known, unknown) =
                    self.fixture.core.channels(&client.link).into_iter().partition(|c| granted.contains(c));
                let done = self.fixture.refresh(&client.link, issued, &Channels { granted: known, by_server: unknown });
                if done.is_ok() {
                    client.shown = vec![Shown { issued, as_of: head, granted }];
                }
            }
            Op::Step(index, bytes) => self.step(index, bytes),
        }
    }

    /// Checks that each event the stream received lately was open to credentials that it has shown, by the orders up to
    /// the event or up to where the credentials were judged.
    fn check(&mut self) {
        for client in self.clients.iter_mut().flatten() {
            for frame in std::mem::take(&mut client.said) {
                let Some((seq, channel)) = frame.split_once(' ') else { continue };
                let (Ok(seq), Some((channel, _))) = (seq.parse::<usize>(), channel.split_once(' ')) else { continue };
                let channel: Pattern = channel.parse().unwrap();
                let places = client.shown.iter().flat_map(|shown| [(shown, seq), (shown, seq.max(shown.as_of))]);
                let is_open = places.into_iter().any(|(shown, up_to)| {
                    let records = self.fixture.log[..up_to].iter();
                    let order =
                        |record: &Record| Some((record.entry.timestamp.0, record.entry.control()?.order.clone()));
                    let orders: Vec<_> = records.filter_map(order).collect();
                    // The event may have come through any matching channel or pattern that the stream carries.
                    let held = CHANNELS.iter().map(|text| text.parse::<Pattern>().unwrap());
                    let mut around = held.filter(|held| held.overlaps(&channel));
                    around
                        .any(|held| may(&orders, client.on_laptop, shown.issued, shown.granted.contains(&held), &held))
                });
                assert!(is_open, "{frame} with {:?}", client.shown);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_reaches_whom_the_model_shuts_out(ops in proptest::collection::vec(op(), 1..40)) {
        let mut run = Run { fixture: fixture(100), clients: [None, None, None] };
        for op in ops {
            run.run(op);
            run.check();
        }
        (0..STREAMS).for_each(|index| run.step(index, MANY));
        run.check();
    }

    /// The other half: a stream that was never refused anything receives everything, and a stream that reports a loss
    /// has lost it.
    #[test]
    fn whom_the_model_lets_in_receives_everything(ops in proptest::collection::vec(op(), 1..40), issued in proptest::option::of(0..6_u64)) {
        let mut run = Run { fixture: fixture(100), clients: [None, None, None] };
        run.run(Op::Open(1, issued, vec![0, 3]));
        let mut expected = Vec::new();
        let mut is_lost = [false; 2];
        for op in ops {
            // The stream's own calls are left out, so that it has one credential all the time.
            if matches!(&op, Op::Open(1, ..) | Op::Subscribe(1, ..) | Op::Unsubscribe(1, _) | Op::Refresh(1, ..)) {
                continue;
            }
            if let Op::Publish(channel) = op {
                for (lost, held) in is_lost.iter().zip(["a:1", "b"]) {
                    let by_server = may(&run.orders(run.fixture.log.len()), false, None, false, &held.parse().unwrap());
                    let is_on = CHANNELS[channel].parse::<Pattern>().unwrap().overlaps(&held.parse().unwrap());
                    if is_on && (!lost || by_server) {
                        expected.push(run.fixture.log.len() + 1);
                        break;
                    }
                }
            }
            run.run(op);
            let orders = run.orders(run.fixture.log.len());
            for (lost, held) in is_lost.iter_mut().zip(["a:1", "b"]) {
                // Access that was revoked once stays revoked.
                *lost |= !may(&orders, false, issued, true, &held.parse().unwrap());
            }
            if is_lost == [true; 2] {
                break;
            }
        }
        run.step(1, MANY);
        let client = run.clients[1].as_ref().unwrap();
        let received: Vec<usize> = client.said.iter().filter_map(|frame| frame.split(' ').next()?.parse().ok()).collect();
        for seq in expected {
            prop_assert!(received.contains(&seq) || client.has_ended, "{seq} of {:?}", client.said);
        }
    }
}
