//! Writes the front end's types from the server's: `cargo run -p timers --example types`.

fn main() -> anyhow::Result<()> {
    Ok(timers::channels().write(timers::TYPES)?)
}
