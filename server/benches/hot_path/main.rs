//! What an event costs on its way, station by station, without sockets: the time by `cargo bench -p tidings --features
//! simulation`, the instructions by `cargo xtask bench --instructions`, which a busy machine does not change.
//!
//! The hub is the real one, stepped by hand; 1,000 streams of as many users listen to it, or 15,000.

mod stations;

use std::hint::black_box;

use stations::{Station, World};

/// How often a station is passed when its instructions are counted.
const TIMES: u32 = 1_000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    // A timer's deadlines stand on the runtime's clock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
    let _inside = runtime.enter();
    match arguments.iter().position(|argument| argument == "--count") {
        Some(at) => count(arguments.get(at + 1).map_or("", String::as_str)),
        None => divan::main(),
    }
}

/// Passes one station 1,000 times, for callgrind to count inside of `measured_pass`.
fn count(name: &str) {
    let station = Station::ALL.into_iter().find(|station| station.to_string() == name);
    let station = station.unwrap_or_else(|| panic!("no station {name:?}"));
    let mut world = World::new(station);
    for _ in 0..TIMES {
        world.prepare(station);
        black_box(world.measured_pass(station));
    }
}

#[divan::bench(args = Station::ALL, sample_size = 1, sample_count = 500)]
fn hot_path(bencher: divan::Bencher<'_, '_>, station: Station) {
    let world = std::cell::RefCell::new(World::new(station));
    bencher
        // Each sample is one pass: several prepared inputs would be a batch in the hub too.
        .with_inputs(|| world.borrow_mut().prepare(station))
        .bench_local_values(|()| world.borrow_mut().measured_pass(station));
}
