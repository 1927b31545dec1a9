//! The cost of an event at each station of its way, without sockets. `cargo bench -p tidings --features simulation`
//! measures time; `cargo xtask bench --instructions` counts instructions, which a busy machine does not change.
//!
//! The hub is the real one, stepped by hand, with 1,000 or 15,000 streams of as many users.

mod stations;

use std::hint::black_box;

use stations::{Station, World};

/// How many passes of a station are made when its instructions are counted.
const TIMES: u32 = 1_000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    // A timer's deadlines need the runtime's clock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O");
    let _inside = runtime.enter();
    match arguments.iter().position(|argument| argument == "--count") {
        Some(at) => count(arguments.get(at + 1).map_or("", String::as_str)),
        None => divan::main(),
    }
}

/// Passes one station 1,000 times. Callgrind counts inside `measured_pass`.
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
        // Each sample is one pass, because several prepared inputs would become a batch in the hub too.
        .with_inputs(|| world.borrow_mut().prepare(station))
        .bench_local_values(|()| world.borrow_mut().measured_pass(station));
}
