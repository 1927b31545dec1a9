//! One connection through the proxy.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
};

use super::Shared;
use crate::chaos::tally::Count;

/// The state that a line is ordered into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Flow,
    /// Forward nothing.
    Freeze,
    /// Close it.
    Cut,
    /// Close it.
    CutInside,
}

/// The handle of a line.
pub(super) struct Line(watch::Sender<Order>);

impl Line {
    pub(super) fn order(&self, order: Order) {
        // Only the one who froze a line decides when that ends.
        self.0.send_if_modified(|now| match *now {
            Order::Flow | Order::CutInside => {
                *now = order;
                true
            }
            Order::Freeze | Order::Cut => false,
        });
    }

    pub(super) fn end_if_frozen(&self) {
        self.0.send_if_modified(|now| *now == Order::Freeze && std::mem::replace(now, Order::Cut) == Order::Freeze);
    }
}

/// A line, and the future that runs it to its end.
pub(super) fn between(client: TcpStream, server: TcpStream, shared: Arc<Shared>) -> (Line, impl Future<Output = ()>) {
    let (line, orders) = watch::channel(Order::Flow);
    (Line(line), run(client, server, orders, shared))
}

async fn run(mut client: TcpStream, mut server: TcpStream, orders: watch::Receiver<Order>, shared: Arc<Shared>) {
    for socket in [&client, &server] {
        // A socket that refuses this option is about to fail anyway.
        let _ = socket.set_nodelay(true);
    }
    let (mut cut, mut frozen) = (orders.clone(), orders.clone());
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            _ = up(from_client, to_server, orders.clone(), &shared) => {}
            _ = down(from_server, to_client, orders, &shared) => {}
            _ = cut.wait_for(|order| *order == Order::Cut) => shared.tally.add(Count::Cuts),
            () = count_half_open(&mut frozen, &shared) => {}
        }
    }
    // Some networks close a connection in order, others reset it.
    if *cut.borrow() == Order::Cut && shared.rng.lock().bool() {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// Counts a half-open line; never returns.
async fn count_half_open(orders: &mut watch::Receiver<Order>, shared: &Shared) {
    if orders.wait_for(|order| *order == Order::Freeze).await.is_ok() {
        shared.tally.add(Count::HalfOpens);
    }
    std::future::pending::<()>().await;
}

/// Forwards from the client to the hub.
async fn up(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut orders: watch::Receiver<Order>,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        pass(&mut orders, shared).await;
        to.write_all(&buffer[..read]).await?;
    }
}

/// Forwards from the hub to the client.
async fn down(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut orders: watch::Receiver<Order>,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &buffer[..read];
        let order = pass(&mut orders, shared).await;
        if order == Order::CutInside && read > 1 {
            let end = inside(bytes, shared.rng.lock().usize(1..read));
            to.write_all(&bytes[..end]).await?;
            shared.tally.add(Count::CutsMidFrame);
            return Ok(());
        }
        if is_swallowed(bytes, shared) {
            shared.tally.add(Count::Swallowed);
            continue;
        }
        to.write_all(bytes).await?;
    }
}

/// Waits as long as bytes take on this line; for ever while it is half-open.
async fn pass(orders: &mut watch::Receiver<Order>, shared: &Shared) -> Order {
    let most = shared.delay_ms.load(Ordering::Relaxed);
    if most > 0 {
        let delay = shared.rng.lock().u64(..=most);
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    // Without an owner the proxy is gone, and the line with it.
    orders.wait_for(|order| *order != Order::Freeze).await.map_or(Order::Cut, |order| *order)
}

/// An end of a part that is not the end of a frame.
fn inside(bytes: &[u8], mut end: usize) -> usize {
    while end > 1 && (bytes[end - 1] == b'\n' || bytes[end - 1] == b'\r') {
        end -= 1;
    }
    end
}

/// Whether these bytes are one whole chunk (RFC 9112, section 7.1) with one whole event, or with one presence frame.
fn is_one_event(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return false };
    let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
    let body = &bytes[end + 2..];
    let whole = size.is_some_and(|size| body.len() == size + 2) && body.ends_with(b"\n\n\r\n");
    whole
        && (body.starts_with(b"id: ") || body.starts_with(b"event: presence\n"))
        && body.windows(2).filter(|two| two == b"\n\n").count() == 1
        && body.windows(11).any(|part| part == b"\ndata: {\"ch")
}

fn is_swallowed(bytes: &[u8], shared: &Shared) -> bool {
    let one_in = shared.swallow.load(Ordering::Relaxed);
    one_in > 0 && is_one_event(bytes) && shared.events.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_falls_between_two_frames() {
        let bytes = b"id: 1\ndata: {}\n\nid: 2\ndata: {}\n\n";
        let ends: Vec<_> = (1..bytes.len()).map(|end| inside(bytes, end)).collect();
        assert!(ends.iter().all(|end| !bytes[..*end].ends_with(b"\n")));
    }

    #[test]
    fn an_event_is_distinguished_from_other_bytes() {
        let chunk = |body: &str| format!("{:x}\r\n{body}\r\n", body.len()).into_bytes();
        let event = "id: 1.2.3\ndata: {\"channel\":\"news:1\"}\n\n";
        assert!(is_one_event(&chunk(event)));
        assert!(is_one_event(&chunk("event: presence\ndata: {\"channel\":\"news:1\",\"join\":[]}\n\n")));
        assert!(!is_one_event(&chunk(&event.repeat(2))));
        assert!(!is_one_event(&chunk("event: heartbeat\nid: 1.2.3\ndata: {}\n\n")));
        assert!(!is_one_event(&chunk(event)[..20]));
        assert!(!is_one_event(b"HTTP/1.1 200 OK\r\n\r\n"));
    }
}
