//! The front ends' types are current.

#[test]
fn the_types_of_the_front_ends_are_current() {
    for (channels, file) in apps::types() {
        if let Err(error) = channels.check(file) {
            panic!("{error}");
        }
    }
}
