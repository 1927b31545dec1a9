//! The front end's types are the server's.

#[test]
fn the_types_of_the_front_end_are_current() {
    if let Err(error) = timers::channels().check(timers::TYPES) {
        panic!("{error}");
    }
}
